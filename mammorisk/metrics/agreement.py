"""Agreement of two readers on categories."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate, normal_quantile, two_sided_p, unavailable

KappaWeights = Literal["none", "linear", "quadratic"]


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: KappaWeights = "none",
    categories: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Cohen's kappa of two readers, plain or weighted.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Ordered categories.
    weights : {"none", "linear", "quadratic"}
        ``"linear"`` and ``"quadratic"`` give partial credit to near categories; quadratic
        weights are those of Fleiss and Cohen.
    categories : array_like, optional
        All categories in order; the default is the sorted categories of the data. Linear and
        quadratic weights assume equal distances between them.
    level : float

    Returns
    -------
    Estimate
        At most 1, with the asymptotic standard error of Fleiss, Cohen and Everitt; p against 0.

    Raises
    ------
    EvaluationError
        ``weights`` is not a known weighting.

    See Also
    --------
    prevalence_adjusted_kappa : Two times the share of agreement, minus one, for two categories.
    agreement_table : Counts of each pair of categories given by two readers.
    intraclass_correlation

    References
    ----------
    Fleiss, Cohen, Everitt 1969, doi 10.1037/h0028106.

    Examples
    --------
    >>> from mammorisk.metrics import cohen_kappa
    >>> first = ["a", "b", "b", "c", "c", "d", "b", "a"]
    >>> second = ["a", "b", "c", "c", "c", "c", "b", "b"]
    >>> print(cohen_kappa(first, second))
    kappa: 0.4667 (0.03716 to 0.8962)
    >>> print(cohen_kappa(first, second, weights="quadratic"))
    kappa (quadratic): 0.7391 (0.5058 to 0.9725)
    """
    table = agreement_table(first, second, categories)
    n = int(table.sum())
    label = {"none": "kappa", "linear": "kappa (linear)", "quadratic": "kappa (quadratic)"}
    if weights not in label:
        raise EvaluationError(f"{weights!r} is not a known weighting", where="weights")
    p = table / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    k = len(table)
    if k < 2:
        return unavailable(label[weights], "both readers used one category", n=n)
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / (k - 1)
    w = {"none": (apart == 0).astype(float), "linear": 1 - apart, "quadratic": 1 - apart**2}[
        weights
    ]
    observed, chance = float((w * p).sum()), float((w * np.outer(rows, columns)).sum())
    if chance >= 1:
        return unavailable(label[weights], "agreement by chance is complete", n=n)
    value = (observed - chance) / (1 - chance)
    by_row, by_column = w @ columns, rows @ w
    marginal = by_row[:, None] + by_column[None, :]
    variance = (p * (w * (1 - chance) - marginal * (1 - observed)) ** 2).sum()
    variance -= (observed * chance - 2 * chance + observed) ** 2
    se = math.sqrt(max(float(variance), 0.0) / n) / (1 - chance) ** 2
    z = normal_quantile(level)
    return Estimate(
        name=label[weights],
        value=value,
        se=se,
        lower=value - z * se,
        upper=min(value + z * se, 1.0),
        n=n,
        p=two_sided_p(value / se) if se > 0 else math.nan,
    )


def agreement_table(
    first: ArrayLike, second: ArrayLike, categories: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Counts of each pair of categories given by two readers.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Categories that two readers gave to the same exams.
    categories : array_like, optional
        All categories in order; the default is the sorted categories of the data.

    Returns
    -------
    ndarray of int, shape (k, k)
        The first reader by row, the second by column.

    Raises
    ------
    EvaluationError
        The readers have different numbers of readings, or a category that is not among those given.

    See Also
    --------
    cohen_kappa : Cohen's kappa of two readers, plain or weighted.

    Examples
    --------
    >>> from mammorisk.metrics import agreement_table
    >>> print(agreement_table(["a", "b", "b", "c"], ["a", "b", "c", "c"]))
    [[1 0 0]
     [0 1 1]
     [0 0 1]]
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise EvaluationError(
            "both readers must have the same number of readings, at least one", where="readers"
        )
    known = np.unique(np.concatenate([a, b])) if categories is None else np.asarray(categories)
    place = {value: i for i, value in enumerate(known.tolist())}
    unknown = {v for v in np.concatenate([a, b]).tolist() if v not in place}
    if unknown:
        raise EvaluationError(
            f"{len(unknown)} categories are not among those given", where="categories"
        )
    flat = np.array(
        [place[x] * len(known) + place[y] for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    )
    return np.bincount(flat, minlength=len(known) ** 2).reshape(len(known), len(known))


def prevalence_adjusted_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Two times the share of agreement, minus one, for two categories.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        One of two categories, given by two readers to the same exams.

    Returns
    -------
    float
        In [-1, 1]; 1 is complete agreement. Unlike kappa it does not depend on how common the
        categories are.

    See Also
    --------
    cohen_kappa : Cohen's kappa of two readers, plain or weighted.

    References
    ----------
    Byrt 1993, doi 10.1016/0895-4356(93)90018-V.

    Examples
    --------
    >>> from mammorisk.metrics import prevalence_adjusted_kappa
    >>> prevalence_adjusted_kappa([1, 1, 0, 0, 1], [1, 1, 0, 1, 1])
    0.6000000000000001
    """
    table = agreement_table(first, second)
    return float(2 * np.trace(table) / table.sum() - 1)
