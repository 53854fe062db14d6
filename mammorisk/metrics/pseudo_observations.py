"""Pseudo-values of cumulative incidence: an outcome without censoring for every row."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import check_horizon
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.life_table import life_table
from mammorisk.records.outcome import Outcome


def pseudo_values(outcome: Outcome, horizon: float | None = None) -> Floats:
    """Pseudo-values of the risk of cancer by the horizon (Kaplan-Meier or Aalen-Johansen).

    Parameters
    ----------
    outcome : Outcome
    horizon : float
        Years.

    Returns
    -------
    ndarray, shape (n,)
        Their weighted mean is the cumulative incidence. They are leave-one-out values for rows of
        equal weight without late entry, as prodlim's ``jackknife``; otherwise they are from
        influence values (infinitesimal jackknife), as survival's ``pseudo``. NaN for rows of
        weight 0.

    Raises
    ------
    EvaluationError
        Follow-up ends before the horizon.

    See Also
    --------
    cumulative_incidence : Risk of breast cancer by the horizon.
    calibration_slope

    References
    ----------
    Andersen, Klein, Rosthoj 2003, doi 10.1093/biomet/90.1.15; Parner 2023, doi
    10.1177/1536867X231161977 (infinitesimal).

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, pseudo_values
    >>> outcome, risk, other = example_risks()
    >>> values = pseudo_values(outcome, 5)
    >>> print(round(values.mean(), 4), values.min() < 0)
    0.0984 True
    """
    year = check_horizon(horizon, outcome)
    whole = cumulative_incidence(outcome, year)
    if whole.influence is None:
        raise EvaluationError(whole.reason or "there is no cumulative incidence", where="horizon")
    if not _alike(outcome) or outcome.has_entry:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(
                outcome.weight > 0,
                whole.value + whole.influence * outcome.weight.sum() / outcome.weight,
                np.nan,
            )
    counted = int((outcome.weight > 0).sum())
    found = counted * whole.value - (counted - 1) * _left_out(outcome, year)
    return np.where(outcome.weight > 0, found, np.nan)


def _alike(outcome: Outcome) -> bool:
    """Whether all rows have the same weight."""
    return bool(np.ptp(outcome.weight[outcome.weight > 0]) == 0)


def _left_out(outcome: Outcome, year: float) -> Floats:
    """Cumulative incidence without each row, in one pass.

    Until the end of a row's follow-up one row less is at risk; after it nothing changes.
    """
    life = life_table(outcome)
    last, unit = life.before(year), float(outcome.weight.max())
    at_risk, cancers, events = life.at_risk[:last], life.cancers[:last], life.events[:last]
    fewer = at_risk - unit
    with np.errstate(divide="ignore", invalid="ignore"):
        free_without = np.cumprod(np.where(fewer > 0, 1 - events / fewer, 0.0))
        before_without = np.concatenate([[1.0], free_without])
        steps = np.where(fewer > 0, before_without[:-1] * cancers / fewer, 0.0)
        risk_without = np.concatenate([[0.0], np.cumsum(steps)])
        # Risk from each time onwards, given event-free until then.
        hazard = np.where(at_risk > 0, events / at_risk, 0.0)
        cancer_hazard = np.where(at_risk > 0, cancers / at_risk, 0.0)
    later = np.zeros(last + 1)
    for k in range(last - 1, -1, -1):
        later[k] = cancer_hazard[k] + (1 - hazard[k]) * later[k + 1]
    found = np.full(len(outcome), risk_without[-1])
    inside = np.flatnonzero(outcome.time <= year)
    at = life.position[inside]
    is_cancer = outcome.is_case(year)[inside]
    is_event = outcome.event[inside] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        own_cancer = np.where(fewer[at] > 0, (cancers[at] - unit * is_cancer) / fewer[at], 0.0)
        own_event = np.where(fewer[at] > 0, (events[at] - unit * is_event) / fewer[at], 0.0)
    free = before_without[at]
    found[inside] = risk_without[at] + free * (own_cancer + (1 - own_event) * later[at + 1])
    return found
