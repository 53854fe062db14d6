"""Studies of readers: agreement, accuracy with and without aid, reading times."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate, normal_quantile, two_sided_p, unavailable
from mammorisk.records.outcome import Floats

KappaWeights = Literal["none", "linear", "quadratic"]


def kappa(
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
        Quadratic: Fleiss and Cohen's.
    categories : array_like, optional
        All categories in order; those seen, sorted, unless given. Linear and quadratic weights
        take them as equally spaced.
    level : float

    Returns
    -------
    Estimate
        At most 1, with the asymptotic standard error of Fleiss, Cohen and Everitt; p against 0.

    References
    ----------
    Fleiss, Cohen, Everitt 1969, doi 10.1037/h0028106.
    """
    table = agreement_table(first, second, categories)
    n = int(table.sum())
    label = {"none": "kappa", "linear": "kappa (linear)", "quadratic": "kappa (quadratic)"}
    if weights not in label:
        raise EvaluationError(f"{weights!r} is no weighting", where="weights")
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
    """Counts of each pair of categories, the first reader by row."""
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise EvaluationError("two readers need as many readings, at least one", where="readers")
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
    """Twice the share of agreement less one, for two categories (Byrt 1993)."""
    table = agreement_table(first, second)
    return float(2 * np.trace(table) / table.sum() - 1)


def intraclass_correlation(scores: ArrayLike, *, level: float = 0.95) -> dict[str, Estimate]:
    """Intraclass correlations of n exams by k readers, all six of Shrout and Fleiss.

    Parameters
    ----------
    scores : array_like, shape (n, k)

    Returns
    -------
    dict
        ``ICC1`` (readers nested), ``ICC2`` (random readers, absolute agreement), ``ICC3`` (these
        readers, consistency), and ``…k`` for the mean of the k readers.

    References
    ----------
    Shrout and Fleiss 1979, doi 10.1037/0033-2909.86.2.420.
    """
    x = np.asarray(scores, dtype=float)
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise EvaluationError(
            "scores must be exams by readers, two of each, none missing", where="scores"
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


def reading_time_difference(
    without: ArrayLike, with_aid: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Median paired difference of reading times (Hodges-Lehmann), Wilcoxon signed-rank test.

    Parameters
    ----------
    without, with_aid : array_like, shape (n,)
        Seconds of the same exam.

    Returns
    -------
    Estimate
        In seconds, positive where aid is faster; interval and p value by the normal approximation
        with tie and continuity correction, pairs without a difference left out, as R's
        ``wilcox.test(paired=TRUE)``.

    References
    ----------
    Wilcoxon 1945, doi 10.2307/3001968; Hodges and Lehmann 1963, doi 10.1214/aoms/1177704172.
    """
    a, b = np.asarray(without, dtype=float), np.asarray(with_aid, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise EvaluationError("reading times must come in pairs", where="times")
    apart = a - b
    if not np.isfinite(apart).all():
        raise EvaluationError("a reading time is missing", where="times")
    moved = apart[apart != 0]
    if len(moved) == 0:
        return unavailable("difference of reading time, s", "no pair differs", n=len(apart))
    found = signed_rank(moved)
    z = normal_quantile(level)
    value = _root(moved, 0.0)
    return Estimate(
        name="difference of reading time, s",
        value=value,
        lower=_root(moved, z),
        upper=_root(moved, -z),
        n=len(apart),
        p=found["p"],
        reason=f"{len(apart) - len(moved)} pairs without a difference left out"
        if len(moved) < len(apart)
        else None,
    )


def signed_rank(
    differences: ArrayLike, *, zeros: Literal["wilcoxon", "pratt"] = "wilcoxon"
) -> dict[str, float]:
    """Signed-rank statistic V with normal p values with and without continuity correction.

    Parameters
    ----------
    differences : array_like
    zeros : {"wilcoxon", "pratt"}
        Leave zeros out, or rank them and leave out their ranks (Pratt 1959).

    Returns
    -------
    dict
        ``v``, ``z`` (uncorrected), ``p`` (corrected), ``p_uncorrected``.
    """
    x = np.asarray(differences, dtype=float)
    if zeros == "wilcoxon":
        x = x[x != 0]
    ranks = stats.rankdata(np.abs(x))
    n, zero = len(x), int((x == 0).sum())
    v = float(ranks[x > 0].sum())
    centre = (n * (n + 1) - zero * (zero + 1)) / 4
    variance = (n * (n + 1) * (2 * n + 1) - zero * (zero + 1) * (2 * zero + 1)) / 24
    _, ties = np.unique(ranks[x != 0], return_counts=True)
    variance -= float((ties**3 - ties).sum()) / 48
    apart = v - centre
    z = apart / math.sqrt(variance)
    corrected = (apart - 0.5 * np.sign(apart)) / math.sqrt(variance)
    return {
        "v": v,
        "z": z,
        "p": two_sided_p(corrected),
        "p_uncorrected": two_sided_p(z),
    }


def _root(x: Floats, quantile: float) -> float:
    """Shift at which the corrected signed-rank z statistic takes a value, as R solves it."""
    from scipy.optimize import brentq

    def z_at(shift: float) -> float:
        moved = x - shift
        moved = moved[moved != 0]
        if len(moved) == 0:
            return -quantile
        ranks = stats.rankdata(np.abs(moved))
        n = len(moved)
        apart = float(ranks[moved > 0].sum()) - n * (n + 1) / 4
        _, ties = np.unique(ranks, return_counts=True)
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - float((ties**3 - ties).sum()) / 48)
        correction = 0.5 * np.sign(quantile) if quantile else 0.0
        return (apart - correction) / spread - quantile if spread > 0 else -quantile

    low, high = float(x.min()), float(x.max())
    if z_at(low) <= 0:
        return low
    if z_at(high) >= 0:
        return high
    return float(brentq(z_at, low, high, xtol=1e-4))
