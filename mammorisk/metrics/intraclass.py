"""Intraclass correlation of readers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate


def intraclass_correlation(scores: ArrayLike, *, level: float = 0.95) -> dict[str, Estimate]:
    """All six intraclass correlations of Shrout and Fleiss for n exams read by k readers.

    Parameters
    ----------
    scores : array_like, shape (n, k)
        Scores of n exams by k readers, without missing values.
    level : float
        Confidence level of the interval.

    Returns
    -------
    dict
        ``ICC1`` (readers nested), ``ICC2`` (random readers, absolute agreement), ``ICC3`` (these
        readers, consistency), and ``…k`` for the mean of the k readers.

    Raises
    ------
    EvaluationError
        Scores do not have at least two columns of readers, or a score is missing.

    See Also
    --------
    cohen_kappa : Cohen's kappa of two readers, plain or weighted.

    References
    ----------
    Shrout and Fleiss 1979, doi 10.1037/0033-2909.86.2.420.

    Examples
    --------
    >>> from mammorisk.metrics import intraclass_correlation
    >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9]]
    >>> for name in ("ICC1", "ICC2", "ICC3"):
    ...     print(intraclass_correlation(scores)[name])
    ICC1: 0.2152 (-0.1264 to 0.8109)
    ICC2: 0.3259 (0.0234 to 0.8309)
    ICC3: 0.7475 (0.346 to 0.9653)
    """
    x = np.asarray(scores, dtype=float)
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise EvaluationError(
            "scores must have rows of exams and columns of readers, two or more, none missing",
            where="scores",
        )
    n, k = x.shape
    mean, by_exam, by_reader = x.mean(), x.mean(axis=1), x.mean(axis=0)
    between = k * ((by_exam - mean) ** 2).sum() / (n - 1)
    readers = n * ((by_reader - mean) ** 2).sum() / (k - 1)
    total = ((x - mean) ** 2).sum()
    within = (total - between * (n - 1)) / (n * (k - 1))
    error = (total - between * (n - 1) - readers * (k - 1)) / ((n - 1) * (k - 1))
    tail = (1 - level) / 2
    found: dict[str, Estimate] = {}

    def keep(name: str, value: float, low: float, high: float) -> None:
        found[name] = Estimate(
            name=name, value=float(value), lower=float(low), upper=float(high), n=n
        )

    f1 = between / within
    low = f1 / stats.f.ppf(1 - tail, n - 1, n * (k - 1))
    high = f1 * stats.f.ppf(1 - tail, n * (k - 1), n - 1)
    keep(
        "ICC1",
        (between - within) / (between + (k - 1) * within),
        (low - 1) / (low + k - 1),
        (high - 1) / (high + k - 1),
    )
    keep("ICC1k", (between - within) / between, 1 - 1 / low, 1 - 1 / high)
    f3 = between / error
    low3 = f3 / stats.f.ppf(1 - tail, n - 1, (n - 1) * (k - 1))
    high3 = f3 * stats.f.ppf(1 - tail, (n - 1) * (k - 1), n - 1)
    keep(
        "ICC3",
        (between - error) / (between + (k - 1) * error),
        (low3 - 1) / (low3 + k - 1),
        (high3 - 1) / (high3 + k - 1),
    )
    keep("ICC3k", (between - error) / between, 1 - 1 / low3, 1 - 1 / high3)
    icc2 = (between - error) / (between + (k - 1) * error + k * (readers - error) / n)
    fj = readers / error
    top = (k - 1) * (n - 1) * (k * icc2 * fj + n * (1 + (k - 1) * icc2) - k * icc2) ** 2
    below = (n - 1) * k**2 * icc2**2 * fj**2 + (n * (1 + (k - 1) * icc2) - k * icc2) ** 2
    freedom = top / below
    f_low = stats.f.ppf(1 - tail, n - 1, freedom)
    f_high = stats.f.ppf(1 - tail, freedom, n - 1)
    rest = k * readers + (k * n - k - n) * error
    low2 = n * (between - f_low * error) / (f_low * rest + n * between)
    high2 = n * (f_high * between - error) / (rest + n * f_high * between)
    keep("ICC2", icc2, low2, high2)
    keep(
        "ICC2k",
        (between - error) / (between + (readers - error) / n),
        low2 * k / (1 + low2 * (k - 1)),
        high2 * k / (1 + high2 * (k - 1)),
    )
    return found
