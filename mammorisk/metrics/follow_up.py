"""Potential follow-up, by Kaplan-Meier with censoring as the event."""

from __future__ import annotations

import math

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.estimate import (
    NAN,
    Estimate,
    check_fraction,
    normal_quantile,
)
from mammorisk.metrics.incidence import _curve
from mammorisk.metrics.life_table import life_table
from mammorisk.records.follow_up import CANCER, CENSORED
from mammorisk.records.outcome import Outcome


def median_follow_up(outcome: Outcome, *, level: float = 0.95) -> Estimate:
    """Median potential follow-up: Kaplan-Meier with censoring as the event.

    Parameters
    ----------
    outcome : Outcome
        Late entry and weights are taken into account in the median.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        The interval is from the log limits of the curve, as in R's ``quantile.survfit`` with
        ``conf.type="log"``; NaN where fewer than half were censored.

    See Also
    --------
    follow_up_quantiles

    References
    ----------
    Schemper and Smith 1996, doi 10.1016/0197-2456(96)00075-X.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, median_follow_up
    >>> outcome, risk, other = example_risks()
    >>> print(median_follow_up(outcome))
    median follow-up (reverse Kaplan-Meier), y: 5.846 (5.729 to 6.106)
    """
    turned = Outcome(
        time=outcome.time,
        event=np.where(outcome.event == CENSORED, CANCER, CENSORED),
        weight=outcome.weight,
        entry=outcome.entry,
    )
    life = life_table(turned)
    curve = _curve(life)
    staying = 1 - curve.risk
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = life.cancers / (life.at_risk * (life.at_risk - life.cancers))
        error = np.sqrt(np.cumsum(np.where(life.cancers > 0, terms, 0.0)))
        z = normal_quantile(level)
        low = staying * np.exp(-z * error)
        high = np.minimum(staying * np.exp(z * error), 1.0)
    n = int((outcome.weight > 0).sum())

    def first_below(values: Floats) -> float:
        below = np.flatnonzero(values <= 0.5 + 1e-12)
        return float(life.times[below[0]]) if len(below) else NAN

    median = first_below(staying)
    return Estimate(
        name="median follow-up (reverse Kaplan-Meier), y",
        value=median,
        lower=first_below(low),
        upper=first_below(high),
        n=n,
        reason="fewer than half were censored" if math.isnan(median) else None,
    )


def follow_up_quantiles(outcome: Outcome, shares: tuple[float, ...] = (0.25, 0.5, 0.75)) -> Floats:
    """Quantiles of potential follow-up: Kaplan-Meier with censoring as the event.

    Parameters
    ----------
    outcome : Outcome
        Late entry and weights are taken into account.
    shares : tuple of float
        Between 0 and 1.

    Returns
    -------
    ndarray
        Years by which these shares of women would have been censored; NaN if not reached.

    Raises
    ------
    EvaluationError
        A share outside (0, 1).

    See Also
    --------
    median_follow_up : Median potential follow-up: Kaplan-Meier with censoring as the event.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, follow_up_quantiles
    >>> outcome, risk, other = example_risks()
    >>> print(follow_up_quantiles(outcome).round(2))
    [4.52 5.85 7.54]
    """
    turned = Outcome(
        time=outcome.time,
        event=np.where(outcome.event == CENSORED, CANCER, CENSORED),
        weight=outcome.weight,
        entry=outcome.entry,
    )
    curve = _curve(life_table(turned))
    found = []
    for share in shares:
        share = check_fraction(share, "shares")
        there = np.flatnonzero(curve.risk >= share - 1e-12)
        found.append(float(curve.times[there[0]]) if len(there) else NAN)
    return np.array(found)
