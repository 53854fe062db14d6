"""Share of cancers among the women of highest risk."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    Estimate,
    check_fraction,
    check_horizon,
    check_risk,
    from_influence,
    unavailable,
)
from mammorisk.records.outcome import Outcome


def share_of_cancers(
    outcome: Outcome,
    risk: Floats,
    top: float,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    level: float = 0.95,
) -> Estimate:
    """Share of the cancers within the horizon that occur among the women of highest risk.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    top : float
        Share of women, such as 0.1; women tied at the cut-off count in part.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]. The standard error includes the uncertainty of the cut-off, by the influence of
        each row on it; the slope of the share there is estimated from neighbouring ranks.

    See Also
    --------
    false_negative_rate_at_share
    incidence_by_group

    References
    ----------
    Pharoah 2008, doi 10.1056/NEJMsa0708739 (the estimand).

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, share_of_cancers
    >>> outcome, risk, other = example_risks()
    >>> print(share_of_cancers(outcome, risk, 0.1, 5))
    share of cancers in the top 10% at 5 y: 0.2425 (0.1642 to 0.3208)
    """
    score, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    top = check_fraction(top, "top")
    name = f"share of cancers in the top {100 * top:g}% at {year:g} y"
    case = outcome.is_case(year)
    n, events = int((outcome.weight > 0).sum()), int((case & (outcome.weight > 0)).sum())
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    weights = fitted.weights(year)
    if weights is None or not (weights * case).sum() > 0:
        return unavailable(
            name, "there are no cancers, or nobody is followed to the horizon", n=n, events=events
        )
    inside = top_share(score, outcome.weight, top)
    cases = np.where(case, weights, 0.0)
    total = float(cases.sum())
    value = float(cases @ inside) / total
    influence = cases * (inside - value) / total
    influence = influence + fitted.correction(influence, year)
    # Ratio of the densities of cases and of all women at the cut-off, in a window of ranks.
    _, place = np.unique(-score, return_inverse=True)
    reached = np.cumsum(np.bincount(place, outcome.weight)) / outcome.weight.sum()
    found = np.cumsum(np.bincount(place, cases)) / total
    half = min(0.5 * top, 0.5 * (1 - top), max(0.02, n ** (-1 / 3)))
    ends = np.interp([top - half, top + half], np.r_[0.0, reached], np.r_[0.0, found])
    slope = float(ends[1] - ends[0]) / (2 * half)
    influence = influence - slope * outcome.weight * (inside - top) / outcome.weight.sum()
    return from_influence(
        name,
        value,
        influence,
        outcome,
        events=events,
        level=level,
        bounds=(0.0, 1.0),
        reason=fitted.note(year),
    )


def top_share(score: Floats, weight: Floats, top: float) -> Floats:
    """Part of each row that is among the share ``top`` of highest score; a fraction for ties."""
    _values, place = np.unique(-score, return_inverse=True)
    mass = np.bincount(place, weight) / weight.sum()
    before = np.cumsum(mass) - mass
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(mass > 0, np.clip((top - before) / mass, 0.0, 1.0), before < top)
    return np.asarray(part[place], dtype=float)


def false_negative_rate_at_share(
    outcome: Outcome,
    risk: Floats,
    positive_share: float,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    level: float = 0.95,
) -> Estimate:
    """False-negative rate when a given share of women is called positive.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    positive_share : float
        Share of women called positive, such as 0.1.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]: one minus :func:`share_of_cancers`.

    See Also
    --------
    share_of_cancers

    References
    ----------
    Dembrower 2020, doi 10.1148/radiol.2019190872 (an example of its use).

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, false_negative_rate_at_share
    >>> outcome, risk, other = example_risks()
    >>> print(false_negative_rate_at_share(outcome, risk, 0.1, 5))
    false-negative rate at 10% positive: 0.7575 (0.6792 to 0.8358)
    """
    found = share_of_cancers(
        outcome, risk, positive_share, horizon, censoring=censoring, level=level
    )
    name = f"false-negative rate at {100 * positive_share:g}% positive"
    return Estimate(
        name=name,
        value=1 - found.value,
        se=found.se,
        lower=1 - found.upper,
        upper=1 - found.lower,
        n=found.n,
        events=found.events,
        influence=None if found.influence is None else -found.influence,
        reason=found.reason,
    )
