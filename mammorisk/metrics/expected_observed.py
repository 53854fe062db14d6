"""Calibration in the large: expected over observed, by horizon or over follow-up."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from mammorisk.errors import EvaluationError
from mammorisk.metrics.cumulative_incidence import Competing, cumulative_incidence
from mammorisk.metrics.estimate import (
    NAN,
    Estimate,
    check_horizon,
    check_risk,
    normal_quantile,
    unavailable,
)
from mammorisk.metrics.proportions import poisson_ratio
from mammorisk.records.outcome import Floats, Outcome

Ratio = Literal["E/O", "O/E"]


def expected_observed(
    outcome: Outcome,
    risk: Floats,
    horizon: float = 1.0,
    *,
    ratio: Ratio = "E/O",
    competing: Competing = "event",
    level: float = 0.95,
) -> Estimate:
    """Mean predicted risk against observed risk (Kaplan-Meier or Aalen-Johansen).

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float
        Years; leave at 1 for :meth:`Outcome.binary`.
    ratio : {"E/O", "O/E"}
    competing : {"event", "censor"}
        See :func:`~mammorisk.metrics.cumulative_incidence.incidence_curve`.
    level : float

    Returns
    -------
    Estimate
        1 is calibrated in the large. Standard error and interval on the log scale from the
        observed risk, the expected taken as known. NaN with a reason without an event.

    References
    ----------
    Riley 2019, doi 10.1002/sim.8296; van Geloven 2022, doi 10.1136/bmj-2021-069249.
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon)
    if ratio not in ("E/O", "O/E"):
        raise EvaluationError(f"{ratio!r} is no ratio", where="ratio", remedy='Use "E/O" or "O/E".')
    name = f"{ratio} at {year:g} y"
    observed = cumulative_incidence(outcome, year, competing=competing, level=level)
    expected = float(np.average(values, weights=outcome.weight))
    if not observed.value > 0 or not expected > 0:
        reason = observed.reason or ("no cancers" if not observed.value > 0 else "no risk at all")
        return unavailable(name, reason, n=observed.n, events=observed.events)
    sign = 1 if ratio == "O/E" else -1
    value = (observed.value / expected) ** sign
    log_error = observed.se / observed.value
    half = normal_quantile(level) * log_error
    p = _p(math.log(value), log_error)
    assert observed.influence is not None
    return Estimate(
        name=name,
        value=value,
        se=value * log_error,
        lower=value * math.exp(-half),
        upper=value * math.exp(half),
        n=observed.n,
        events=observed.events,
        p=p,
        influence=sign * value / observed.value * observed.influence,
        reason=observed.reason,
    )


def _p(log_ratio: float, error: float) -> float:
    from mammorisk.metrics.estimate import two_sided_p

    return two_sided_p(log_ratio / error) if error > 0 else NAN


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


def poisson_expected_observed(
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
