"""Ratio of observed to expected cancers during follow-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import (
    NAN,
    Estimate,
    check_horizon,
    check_risk,
    unavailable,
)
from mammorisk.metrics.marginal_censoring import marginal_censoring
from mammorisk.metrics.proportions import poisson_ratio
from mammorisk.records.outcome import Outcome


def expected_counts(
    outcome: Outcome, risks: ArrayLike, horizons: Sequence[float], horizon: float
) -> Floats:
    """Expected number of cancers of each row during follow-up.

    Parameters
    ----------
    outcome : Outcome
    risks : array_like, shape (n, k)
        Absolute risk by each of ``horizons``, in [0, 1], in the presence of competing deaths where
        the outcome has them.
    horizons : sequence of float, length k
        Years, ascending.
    horizon : float
        Follow-up is counted up to this time (years), at most the last of ``horizons``.

    Returns
    -------
    ndarray, shape (n,)
        Increase of the cumulative hazard, -log(1 - risk), from entry to the end of follow-up. The
        cumulative hazard is assumed to be linear between horizons.

    Raises
    ------
    EvaluationError
        Horizons do not ascend or do not reach ``horizon``, or shapes do not match.

    See Also
    --------
    standardised_incidence_ratio
    expected_observed_ratio

    Notes
    -----
    An absolute risk already allows for death from other causes: its hazard is the subdistribution
    hazard, whose risk set keeps women who died of other causes. The expected count of a woman
    therefore increases after her death at T, with the weight G(t) / G(T) of still being followed at
    t had she not died (Fine and Gray 1999, doi 10.1080/01621459.1999.10474144; with late entry
    Geskus 2011, doi 10.1111/j.1541-0420.2010.01420.x). If her follow-up ended at death, the
    expected count would be too low.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import example_risks, expected_counts
    >>> outcome, risk, other = example_risks()
    >>> risks = np.column_stack([1 - (1 - risk) ** 0.2, risk])
    >>> print(round(expected_counts(outcome, risks, (1, 5), 5).sum(), 1), outcome.is_case(5).sum())
    101.2 93
    """
    year = check_horizon(horizon, outcome)
    table = np.asarray(risks, dtype=np.float64)
    grid = np.concatenate([[0.0], np.asarray(horizons, dtype=np.float64)])
    if table.shape != (len(outcome), len(grid) - 1) or (np.diff(grid) <= 0).any():
        raise EvaluationError(
            "risks must be of shape (rows, horizons), with horizons ascending", where="risks"
        )
    if year > grid[-1]:
        raise EvaluationError(
            f"the risks end at {grid[-1]:g} years", where="horizon", remedy="Give a shorter one."
        )
    hazard = np.column_stack([np.zeros(len(table)), -np.log1p(-np.clip(table, 0, 1 - 1e-12))])
    slope = np.diff(hazard, axis=1) / np.diff(grid)

    def spent(low: Floats, high: Floats) -> Floats:
        """Years of each row in each interval of the grid."""
        upper = np.minimum(high[:, None], grid[1:])
        return np.asarray(np.maximum(upper - np.maximum(low[:, None], grid[:-1]), 0.0))

    start, end = np.minimum(outcome.entry, year), np.minimum(outcome.time, year)
    counts: Floats = (slope * spent(start, end)).sum(axis=1)
    died = np.flatnonzero(outcome.is_competing(year))
    if len(died):
        counts[died] += (slope[died] * _years_after_death(outcome, died, grid, year)).sum(axis=1)
    return counts


def _years_after_death(
    outcome: Outcome, died: NDArray[np.int64], grid: Floats, year: float
) -> Floats:
    """Years in each interval of the grid after a competing death, weighted by G(t) / G(T)."""
    fitted = marginal_censoring(outcome)
    # G(t) and the probability of having entered are steps: integrate between their jumps.
    jumps = np.concatenate([grid, fitted.life.times, fitted.entries])
    steps = np.unique(np.concatenate([[0.0], jumps[jumps < year], [year]]))
    free = np.concatenate([[1.0], fitted.free])
    height = free[np.searchsorted(fitted.life.times, steps[:-1], side="right")]
    death = outcome.time[died]
    at_death = free[fitted.life.position[died]]
    if outcome.has_entry:
        place = np.searchsorted(fitted.entries, steps[:-1], side="right") - 1
        height = height * fitted.entered[np.maximum(place, 0)]
        before = np.searchsorted(fitted.entries, death, side="left") - 1
        at_death = at_death * fitted.entered[np.maximum(before, 0)]
    area = np.concatenate([[0.0], np.cumsum(height * np.diff(steps))])

    def until(years: Floats) -> Floats:
        return np.asarray(np.interp(years, steps, area))

    upper = np.minimum(grid[1:], year)
    lower = np.minimum(grid[:-1], year)
    part = until(np.maximum(upper, death[:, None])) - until(np.maximum(lower, death[:, None]))
    weight = np.divide(1.0, at_death, out=np.zeros(len(died)), where=at_death > 0)
    return np.asarray(part * weight[:, None])


def standardised_incidence_ratio(
    outcome: Outcome, counts: Floats, horizon: float, *, level: float = 0.95
) -> Estimate:
    """Cancers observed over cancers expected while under observation, exact Poisson interval.

    Parameters
    ----------
    outcome : Outcome
        Unweighted: weighted counts are not Poisson counts.
    counts : array_like, shape (n,)
        Cancers expected during follow-up, as from :func:`expected_counts` or from a model itself.
    horizon : float
        Years; follow-up is counted up to this time.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        Ratio of observed to expected cancers with the exact Poisson interval; the expected count is
        treated as known. No p value with fewer than two cancers.

    See Also
    --------
    expected_counts : Expected number of cancers of each row during follow-up.
    poisson_ratio : Ratio of observed to expected count with the exact interval of a Poisson count.
    poisson_calibration

    References
    ----------
    Breslow and Day 1987, IARC Scientific Publications 82; Garwood 1936.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import example_risks, expected_counts, standardised_incidence_ratio
    >>> outcome, risk, other = example_risks()
    >>> risks = np.column_stack([1 - (1 - risk) ** 0.2, risk])
    >>> counts = expected_counts(outcome, risks, (1, 5), 5)
    >>> print(standardised_incidence_ratio(outcome, counts, 5))
    O/E over 5 y of follow-up: 0.9189 (0.7417 to 1.126)
    """
    expected = check_risk(outcome, counts)
    year = check_horizon(horizon, outcome)
    name = f"O/E over {year:g} y of follow-up"
    if outcome.is_weighted:
        return unavailable(name, "weighted counts are not Poisson counts", n=len(outcome))
    observed = int(outcome.is_case(year).sum())
    found = poisson_ratio(observed, float(expected.sum()), name=name, level=level)
    found = replace(found, n=len(outcome), events=observed)
    if observed < 2:
        told = "no cancers" if observed == 0 else "one cancer"
        return replace(found, p=NAN, reason=f"{told}: exact limits, no p value")
    return found
