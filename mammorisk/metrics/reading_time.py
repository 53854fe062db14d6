"""Differences of reading time, by the Wilcoxon signed-rank test."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate, normal_quantile, two_sided_p, unavailable

#: From this number of differences on, the normal approximation is used, as in R.
FEWEST_FOR_NORMAL = 50


def reading_time_difference(
    without: ArrayLike, with_aid: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Median paired difference of reading times (Hodges-Lehmann), Wilcoxon signed-rank test.

    Parameters
    ----------
    without, with_aid : array_like, shape (n,)
        Seconds of the same exam, read without and with aid.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In seconds; positive if reading with aid is faster. Interval and p value are exact for fewer
        than 50 pairs without ties and without equal times. Otherwise they are from the normal
        approximation with tie and continuity correction, without the pairs that have no
        difference. Both are as in R's
        ``wilcox.test(paired=TRUE, conf.int=TRUE)``.

    Raises
    ------
    EvaluationError
        Reading times do not come in pairs, or one is missing.

    See Also
    --------
    signed_rank_test : Signed-rank statistic V with its p values.

    References
    ----------
    Wilcoxon 1945, doi 10.2307/3001968; Hodges and Lehmann 1963, doi 10.1214/aoms/1177704172.

    Examples
    --------
    >>> from mammorisk.metrics import reading_time_difference
    >>> print(reading_time_difference([60, 75, 50, 82, 91, 40.5], [52, 70, 51, 70, 75, 38.5]))
    difference of reading time, s: 7 (-1 to 16)
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
    found = signed_rank_test(apart)
    z = normal_quantile(level)
    if _is_exact(apart):
        value, low, high = _exact_limits(apart, level)
        return Estimate(
            name="difference of reading time, s",
            value=value,
            lower=low,
            upper=high,
            n=len(apart),
            p=found["p"],
        )
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


def signed_rank_test(
    differences: ArrayLike, *, zeros: Literal["wilcoxon", "pratt"] = "wilcoxon"
) -> dict[str, float]:
    """Signed-rank statistic V with its p values.

    Parameters
    ----------
    differences : array_like
        Differences of pairs.
    zeros : {"wilcoxon", "pratt"}
        Leave zeros out, or rank them and leave out their ranks (Pratt 1959).

    Returns
    -------
    dict
        ``v``; ``z``, without continuity correction; ``p``, exact for fewer than 50 differences
        without ties and zeros, else by the normal approximation with continuity correction;
        ``p_uncorrected``, by the normal approximation without it.

    See Also
    --------
    reading_time_difference

    References
    ----------
    Wilcoxon 1945, doi 10.2307/3001968; Pratt 1959, doi 10.1080/01621459.1959.10501526.

    Examples
    --------
    >>> from mammorisk.metrics import signed_rank_test
    >>> found = signed_rank_test([8, 5, -1, 12, 16, 2])
    >>> print(found["v"], round(found["p"], 4))
    20.0 0.0625
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
    p = two_sided_p(corrected)
    if _is_exact(np.asarray(differences, dtype=float)):
        p = float(stats.wilcoxon(x, method="exact").pvalue)
    return {
        "v": v,
        "z": z,
        "p": p,
        "p_uncorrected": two_sided_p(z),
    }


def _is_exact(differences: Floats) -> bool:
    """Whether R uses the exact distribution: few differences, no ties, no zeros."""
    size = np.abs(differences)
    return len(size) < FEWEST_FOR_NORMAL and len(np.unique(size)) == len(size) and size.min() > 0


def _exact_limits(x: Floats, level: float) -> tuple[float, float, float]:
    """Median of the Walsh averages, and the exact limits among them."""
    n = len(x)
    pairs = np.add.outer(x, x) / 2
    walsh = np.sort(pairs[np.triu_indices(n)])
    # Distribution of V under no difference: subsets of 1 .. n by their sum.
    counts = np.zeros(len(walsh) + 1)
    counts[0] = 1.0
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank].copy()
    cumulative = np.cumsum(counts / counts.sum())
    k = max(int(np.searchsorted(cumulative, (1 - level) / 2)), 1)
    return float(np.median(walsh)), float(walsh[k - 1]), float(walsh[len(walsh) - k])


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
