"""Discrimination slope and integrated discrimination improvement."""

from __future__ import annotations

import math

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    Estimate,
    check_horizon,
    check_risk,
    from_influence,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.records.outcome import Outcome


def discrimination_slope(
    outcome: Outcome, risk: Floats, horizon: float | None = None, *, level: float = 0.95
) -> Estimate:
    """Mean risk of women with cancer minus mean risk of women without, censoring-weighted.

    Tjur's R2 where the outcome is known for all.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [-1, 1]; NaN with a reason without cancers or controls.

    See Also
    --------
    integrated_discrimination_improvement

    References
    ----------
    Yates 1982, doi 10.1016/0030-5073(82)90237-9; Tjur 2009, doi 10.1198/tast.2009.08210.

    Examples
    --------
    >>> from mammorisk.metrics import discrimination_slope, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(discrimination_slope(outcome, risk, 5))
    discrimination slope at 5 y: 0.04614 (0.0273 to 0.06498)
    """
    values, year = check_risk(outcome, risk, probability=True), check_horizon(horizon, outcome)
    fitted = fit_censoring(outcome)
    weights = fitted.weights(year)
    case = outcome.is_case(year)
    n, events = len(outcome), int(case.sum())
    name = f"discrimination slope at {year:g} y"
    if weights is None or not weights[case].sum() > 0 or not weights[~case].sum() > 0:
        return unavailable(
            name, "no cases or controls, or no follow-up to the horizon", n=n, events=events
        )
    a = np.where(case, weights, 0) / weights[case].sum()
    b = np.where(case, 0, weights) / weights[~case].sum()
    mean_a, mean_b = float(a @ values), float(b @ values)
    pull = a * (values - mean_a) - b * (values - mean_b)
    pull = pull + fitted.correction(pull, year)
    return from_influence(
        name,
        mean_a - mean_b,
        pull,
        outcome,
        events=events,
        level=level,
        reason=fitted.note(year),
    )


def integrated_discrimination_improvement(
    outcome: Outcome, old: Floats, new: Floats, horizon: float | None = None, *, level: float = 0.95
) -> Estimate:
    """Integrated discrimination improvement: the difference of discrimination slopes.

    Parameters
    ----------
    outcome : Outcome
    old, new : array_like, shape (n,)
        Predicted risks by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        Above 0 if the new model separates cases and controls more; p tests against 0.

    See Also
    --------
    discrimination_slope
    net_reclassification_improvement

    Notes
    -----
    It increases with miscalibration; interpret it with the same caution as net reclassification.

    References
    ----------
    Pencina 2008, doi 10.1002/sim.2929.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, integrated_discrimination_improvement
    >>> outcome, risk, other = example_risks()
    >>> print(integrated_discrimination_improvement(outcome, other, risk, 5))
    IDI at 5 y: 0.01324 (-0.0004228 to 0.02689)
    """
    year = check_horizon(horizon, outcome)
    first = discrimination_slope(outcome, old, year, level=level)
    second = discrimination_slope(outcome, new, year, level=level)
    name = f"IDI at {year:g} y"
    if first.influence is None or second.influence is None:
        return unavailable(name, first.reason or "undefined", n=first.n, events=first.events)
    # Groups of binary outcomes are of fixed size: independent means within cases and controls.
    pull = second.influence - first.influence
    value = second.value - first.value
    made = from_influence(name, value, pull, outcome, events=first.events, null=0.0, level=level)
    enough = made.events is not None and made.events >= FEWEST_EVENTS
    if enough and outcome.is_complete(year) and not (outcome.is_weighted or outcome.is_clustered):
        case = outcome.is_case(year)
        change = np.asarray(new, dtype=float) - np.asarray(old, dtype=float)
        se = math.sqrt(
            change[case].var(ddof=1) / case.sum() + change[~case].var(ddof=1) / (~case).sum()
        )
        z = normal_quantile(level)
        return Estimate(
            name=name,
            value=value,
            se=se,
            lower=value - z * se,
            upper=value + z * se,
            n=made.n,
            events=made.events,
            p=two_sided_p(value / se) if se > 0 else math.nan,
            null=0.0,
            influence=pull,
        )
    return made
