"""Observed over expected cancers during follow-up."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    unavailable,
)
from mammorisk.metrics.proportions import poisson_ratio
from mammorisk.records.outcome import Outcome


def expected_counts(
    outcome: Outcome, risks: Floats, horizons: tuple[float, ...], horizon: float
) -> Floats:
    """Cancers expected of each row while under observation.

    The cumulative hazard, minus the logarithm of one minus the risk, is taken as linear between
    horizons (an assumption).

    Parameters
    ----------
    outcome : Outcome
    risks : array_like, shape (n, k)
        By each of ``horizons``.
    horizons : tuple of float, length k
        Years, ascending.
    horizon : float
        Follow-up counts up to here.

    Returns
    -------
    ndarray, shape (n,)
    """
    table = np.asarray(risks, dtype=np.float64)
    hazard = np.column_stack([np.zeros(len(table)), -np.log1p(-np.clip(table, 0, 1 - 1e-12))])
    grid = np.concatenate([[0.0], horizons])

    def at(years: Floats) -> Floats:
        k = np.clip(np.searchsorted(grid, years, side="right") - 1, 0, len(grid) - 2)
        share = (years - grid[k]) / (grid[k + 1] - grid[k])
        rows = np.arange(len(table))
        return hazard[rows, k] + share * (hazard[rows, k + 1] - hazard[rows, k])

    end = np.minimum(outcome.time, horizon)
    start = np.minimum(outcome.entry, horizon)
    counts: Floats = at(end) - at(start)
    return counts


def standardised_incidence_ratio(
    outcome: Outcome, counts: Floats, horizon: float, *, level: float = 0.95
) -> Estimate:
    """Cancers observed over cancers expected while under observation, exact Poisson interval.

    Parameters
    ----------
    outcome : Outcome
        Weights are not allowed: weighted counts are not Poisson.
    counts : array_like, shape (n,)
        Of :func:`expected_counts`, or a model's own.
    horizon : float
        Years.

    Returns
    -------
    Estimate
        O/E.

    References
    ----------
    Breslow and Day 1987, IARC Scientific Publications 82; Garwood 1936.
    """
    expected = check_risk(outcome, counts)
    year = check_horizon(horizon)
    name = f"O/E over {year:g} y of follow-up"
    if outcome.is_weighted:
        return unavailable(name, "weighted counts are not Poisson counts", n=len(outcome))
    observed = int(outcome.is_case(year).sum())
    found = poisson_ratio(observed, float(expected.sum()), name=name, level=level)
    return found
