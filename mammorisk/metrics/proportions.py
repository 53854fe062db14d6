"""Intervals and tests for counts: proportions, Poisson counts, paired proportions."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import stats

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import NAN, Estimate, normal_quantile

ProportionInterval = Literal["wilson", "wald", "exact"]


def proportion(
    name: str,
    successes: float,
    n: float,
    *,
    ci: ProportionInterval = "wilson",
    level: float = 0.95,
) -> Estimate:
    """Proportion with its confidence interval.

    Parameters
    ----------
    name : str
    successes, n : float
        Counts.
    ci : {"wilson", "wald", "exact"}
        Wilson 1927 (doi 10.1080/01621459.1927.10502953), Wald (as many published tables), or
        Clopper and Pearson 1934 (doi 10.1093/biomet/26.4.404).
    level : float

    Returns
    -------
    Estimate
        With the Wald standard error; NaN with a reason where ``n`` is 0.

    Raises
    ------
    EvaluationError
        ``ci`` is not a known interval.

    See Also
    --------
    poisson_ratio : Ratio of observed to expected count with the exact interval of a Poisson count.
    mcnemar_test : Tests that two paired proportions are equal, from the discordant counts.

    Examples
    --------
    >>> from mammorisk.metrics import proportion
    >>> print(proportion("recalled", 12, 200))
    recalled: 0.06 (0.03465 to 0.1019)
    >>> print(proportion("recalled", 12, 200, ci="exact"))
    recalled: 0.06 (0.03138 to 0.1025)
    """
    if ci not in ("wilson", "wald", "exact"):
        raise EvaluationError(f"{ci!r} is not a known interval of a proportion", where="ci")
    normal_quantile(level)
    if n <= 0:
        return Estimate(name=name, value=NAN, n=0, reason="the group is empty")
    from statsmodels.stats.proportion import proportion_confint

    share = successes / n
    se = math.sqrt(share * (1 - share) / n)
    method = {"wilson": "wilson", "wald": "normal", "exact": "beta"}[ci]
    found = proportion_confint(successes, n, alpha=1 - level, method=method)
    # By rounding, the limits may lie slightly beyond 0, 1 or the share.
    low, high = min(max(float(found[0]), 0.0), share), max(min(float(found[1]), 1.0), share)
    return Estimate(
        name=name, value=share, se=se, lower=low, upper=high, n=round(n), events=round(successes)
    )


def poisson_ratio(
    observed: int, expected: float, *, name: str = "observed / expected", level: float = 0.95
) -> Estimate:
    """Ratio of observed to expected count with the exact interval of a Poisson count.

    Parameters
    ----------
    observed : int
    expected : float
        Treated as known.
    name : str
    level : float

    Returns
    -------
    Estimate
        Interval of Garwood 1936 (doi 10.1093/biomet/28.3-4.437); p is the exact two-sided test
        that sums the probabilities of counts that are not more likely than the observed one, as R's
        poisson.test.

    See Also
    --------
    standardised_incidence_ratio
    proportion : Proportion with its confidence interval.

    Examples
    --------
    >>> from mammorisk.metrics import poisson_ratio
    >>> print(poisson_ratio(12, 8.4))
    observed / expected: 1.429 (0.7382 to 2.495)
    """
    if not expected > 0:
        return Estimate(name=name, value=NAN, n=0, reason="the expected count is 0")
    tail = (1 - level) / 2
    low = 0.0 if observed == 0 else float(stats.chi2.ppf(tail, 2 * observed)) / 2
    high = float(stats.chi2.ppf(1 - tail, 2 * (observed + 1))) / 2
    counts = np.arange(int(max(observed, expected) * 2 + 20 * math.sqrt(expected) + 20))
    chances = stats.poisson.pmf(counts, expected)
    p = float(chances[chances <= chances[observed] * (1 + 1e-7)].sum())
    return Estimate(
        name=name,
        value=observed / expected,
        se=math.sqrt(observed) / expected,
        lower=low / expected,
        upper=high / expected,
        n=observed,
        events=observed,
        p=min(p, 1.0),
        null=1.0,
    )


def mcnemar_test(only_first: int, only_second: int) -> dict[str, float]:
    """Tests that two paired proportions are equal, from the discordant counts.

    Parameters
    ----------
    only_first, only_second : int
        Pairs that are positive by the first test alone, and by the second alone.

    Returns
    -------
    dict
        ``chi2`` and ``p`` without, ``chi2_corrected`` and ``p_corrected`` with continuity
        correction, and ``p_exact`` (binomial); p values of 1 where nothing is discordant.

    See Also
    --------
    adjust_p_values : P values adjusted for the number of comparisons.
    proportion : Proportion with its confidence interval.

    References
    ----------
    McNemar 1947, doi 10.1007/BF02295996.

    Examples
    --------
    >>> from mammorisk.metrics import mcnemar_test
    >>> found = mcnemar_test(15, 5)
    >>> print(round(found["p_exact"], 4), round(found["p_corrected"], 4))
    0.0414 0.0442
    """
    total = only_first + only_second
    if total == 0:
        return dict.fromkeys(("chi2", "chi2_corrected"), 0.0) | dict.fromkeys(
            ("p", "p_corrected", "p_exact"), 1.0
        )
    plain = (only_first - only_second) ** 2 / total
    corrected = max(abs(only_first - only_second) - 1, 0) ** 2 / total
    return {
        "chi2": plain,
        "p": float(stats.chi2.sf(plain, 1)),
        "chi2_corrected": corrected,
        "p_corrected": float(stats.chi2.sf(corrected, 1)),
        "p_exact": float(stats.binomtest(only_first, total).pvalue),
    }


def adjust_p_values(p: list[float] | np.ndarray, method: str = "holm") -> np.ndarray:
    """P values adjusted for the number of comparisons.

    Parameters
    ----------
    p : array_like
        P values; NaN stays NaN and is not counted.
    method : {"holm", "bh", "bonferroni"}
        Holm 1979 (the default), Benjamini and Hochberg 1995, or Bonferroni.

    Returns
    -------
    ndarray
        Adjusted p values in the order of ``p``.

    Raises
    ------
    EvaluationError
        The method is unknown.

    See Also
    --------
    mcnemar_test : Tests that two paired proportions are equal, from the discordant counts.

    Examples
    --------
    >>> from mammorisk.metrics import adjust_p_values
    >>> print(adjust_p_values([0.01, 0.04, 0.03, float('nan')]))
    [0.03 0.06 0.06  nan]
    """
    from statsmodels.stats.multitest import multipletests

    names = {"holm": "holm", "bh": "fdr_bh", "bonferroni": "bonferroni"}
    if method not in names:
        raise EvaluationError(f"{method!r} is not a known adjustment", where="method")
    values = np.asarray(p, dtype=float)
    there = np.isfinite(values)
    found = np.full(len(values), NAN)
    if there.any() and method == "holm":
        # statsmodels collects garbage at each call, which takes most of the time of a report.
        known = values[there]
        order = np.argsort(known)
        stepped = np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1))
        adjusted = np.empty(len(known))
        adjusted[order] = np.minimum(stepped, 1.0)
        found[there] = adjusted
    elif there.any():
        found[there] = multipletests(values[there], method=names[method])[1]
    return found
