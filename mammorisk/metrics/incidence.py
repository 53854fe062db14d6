"""Observed risk: Kaplan-Meier and Aalen-Johansen estimates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    NAN,
    Estimate,
    Scale,
    check_horizon,
    from_influence,
    interval,
    unavailable,
)
from mammorisk.metrics.life_table import LifeTable, life_table, row_sums_to
from mammorisk.metrics.weighted_loss import mean_loss
from mammorisk.records.follow_up import CENSORED, COMPETING
from mammorisk.records.outcome import Outcome

Competing = Literal["event", "censor"]
#: Scale of the interval of a risk: of the survival, or of the risk itself.
RiskScale = Scale | Literal["log-risk", "loglog-risk"]
_SCALES = ("cloglog", "log", "logit", "identity", "log-risk", "loglog-risk")


@dataclass(frozen=True, kw_only=True)
class IncidenceCurve:
    """Cumulative incidence over time: a step function that rises at each of ``times``.

    Attributes
    ----------
    times : ndarray, shape (k,)
        Years, ascending.
    risk : ndarray, shape (k,)
        Cumulative incidence of breast cancer just after each time.
    event_free : ndarray, shape (k,)
        Probability of having had neither cancer nor a competing event.

    See Also
    --------
    incidence_curve : Computes it.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, incidence_curve
    >>> outcome, risk, other = example_risks()
    >>> curve = incidence_curve(outcome)
    >>> round(float(curve.at(5)), 4)
    0.0984
    """

    times: Floats
    risk: Floats
    event_free: Floats

    def at(self, year: float) -> float:
        """Cumulative incidence by ``year``."""
        k = int(np.searchsorted(self.times, year, side="right"))
        return float(self.risk[k - 1]) if k else 0.0


def incidence_curve(outcome: Outcome, competing: Competing = "event") -> IncidenceCurve:
    """Cumulative incidence of breast cancer at every time; Aalen-Johansen (1978).

    Parameters
    ----------
    outcome : Outcome
    competing : {"event", "censor"}
        ``"event"``: after a competing event a woman cannot have cancer. ``"censor"``: competing
        events are treated as censoring, which gives one minus Kaplan-Meier.

    Returns
    -------
    IncidenceCurve

    See Also
    --------
    cumulative_incidence : Risk of breast cancer by the horizon.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, incidence_curve
    >>> outcome, risk, other = example_risks()
    >>> curve = incidence_curve(outcome)
    >>> print(round(curve.at(2), 4), round(curve.at(5), 4))
    0.036 0.0984
    """
    used = as_censored(outcome) if competing == "censor" else outcome
    return _curve(life_table(used))


def _curve(life: LifeTable) -> IncidenceCurve:
    at_risk = life.at_risk
    hazard = np.divide(life.events, at_risk, out=np.zeros(len(at_risk)), where=at_risk > 0)
    cancer = np.divide(life.cancers, at_risk, out=np.zeros(len(at_risk)), where=at_risk > 0)
    free = np.cumprod(1 - np.minimum(hazard, 1))
    before = np.concatenate([[1.0], free[:-1]])
    return IncidenceCurve(times=life.times, risk=np.cumsum(before * cancer), event_free=free)


def as_censored(outcome: Outcome) -> Outcome:
    """Outcome with competing events treated as censoring."""
    return Outcome(
        time=outcome.time,
        event=np.where(outcome.event == COMPETING, CENSORED, outcome.event),
        weight=outcome.weight,
        entry=outcome.entry,
        cluster=outcome.cluster if outcome.is_clustered else None,
    )


def cumulative_incidence(
    outcome: Outcome,
    horizon: float,
    *,
    competing: Competing = "event",
    scale: RiskScale = "cloglog",
    censoring: Censoring | None = None,
    level: float = 0.95,
) -> Estimate:
    """Risk of breast cancer by the horizon.

    Kaplan-Meier where no competing event happened (or ``competing="censor"``), else
    Aalen-Johansen; with ``censoring`` the censoring-weighted share of women with cancer.

    Parameters
    ----------
    outcome : Outcome
    horizon : float
        Years.
    competing : {"event", "censor"}
        See :func:`incidence_curve`.
    scale : {"cloglog", "log", "logit", "identity", "log-risk", "loglog-risk"}
        Scale of the interval. ``"cloglog"`` is the ``conf.type="log-log"`` of R's
        ``survfit`` without competing events, and ``"log"`` its default: both act on the survival.
        With competing events ``survfit`` fits several states, and its limits act on the risk
        itself: its default is ``"log-risk"``, its ``conf.type="log-log"`` is ``"loglog-risk"``.
    censoring : Censoring, optional
        From :func:`fit_censoring`, where censoring depends on covariates or strata.
    level : float

    Returns
    -------
    Estimate
        In [0, 1]. The standard error is Greenwood's for independent rows of equal weight without
        competing events, and from influence values (infinitesimal jackknife) otherwise, as
        survival's and prodlim's. NaN with a reason if follow-up ends before the horizon.

    Raises
    ------
    EvaluationError
        ``scale`` is not a known scale, or competing events are censored with censoring weights.

    See Also
    --------
    incidence_curve : Cumulative incidence of breast cancer at every time; Aalen-Johansen (1978).
    pseudo_values
    median_follow_up : Median potential follow-up: Kaplan-Meier with censoring as the event.

    Notes
    -----
    With late entry the estimate is the risk from the exam onwards, if entry is independent of risk.
    With fewer than ten cancers the limits are those of Clopper and Pearson at the effective number
    of women (Korn and Graubard 1998), whatever ``scale``.

    References
    ----------
    Aalen and Johansen 1978, Scandinavian Journal of Statistics 5:141; Greenwood 1926.

    Examples
    --------
    >>> from mammorisk.metrics import cumulative_incidence, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(cumulative_incidence(outcome, 5))
    risk by 5 y: 0.09839 (0.08089 to 0.1194)
    >>> print(cumulative_incidence(outcome, 5, competing="censor"))
    risk by 5 y: 0.1021 (0.08389 to 0.1239)
    """
    year = check_horizon(horizon, outcome)
    if scale not in _SCALES:
        raise EvaluationError(
            f"{scale!r} is not a known scale", where="scale", remedy=f"Known: {', '.join(_SCALES)}."
        )
    name = f"risk by {year:g} y"
    if censoring is not None:
        if competing == "censor":
            raise EvaluationError(
                "with censoring weights, competing events cannot be treated as censoring",
                where="censoring",
                remedy='Use competing="event".',
            )
        case = outcome.is_case(year).astype(float)
        made = mean_loss(name, outcome, case, year, censoring, False, level)
        if made.influence is None or math.isnan(made.se):
            return made
        low, high = _limits(made.value, made.se, level, scale)
        return replace(made, lower=low, upper=high)
    used = as_censored(outcome) if competing == "censor" else outcome
    counted = used.weight > 0
    n, events = int(counted.sum()), int((used.is_case(year) & counted).sum())
    life = life_table(used)
    ends = life.times[-1] < year and life.at_risk[-1] > life.events[-1]
    if ends:
        return unavailable(
            name, f"follow-up ends at {life.times[-1]:g} y, before the horizon", n=n, events=events
        )
    curve = _curve(life)
    value = curve.at(year)
    influence = _influence(used, life, curve, year)
    made = replace(
        from_influence(name, value, influence, used, level=level, bounds=(0.0, 1.0), ddof=0),
        events=events,
    )
    if not (used.is_weighted or used.is_clustered or life.competing.any()):
        made = replace(made, se=_greenwood(life, year))
    if events < FEWEST_EVENTS:
        low, high = _exact_limits(used, value, made.se, year, level)
    else:
        low, high = _limits(value, made.se, level, scale)
    return replace(made, lower=low, upper=high)


def _exact_limits(
    outcome: Outcome, value: float, se: float, year: float, level: float
) -> tuple[float, float]:
    """Limits of Clopper and Pearson for few events.

    The number of women is the one whose binomial variance is the variance of the estimate (Korn
    and Graubard 1998); without an event, the effective number still under observation at the end.
    """
    tail = (1 - level) / 2
    if se > 0:
        n = value * (1 - value) / se**2
    else:
        there = outcome.weight[outcome.is_event_free(year) | outcome.is_case(year)]
        n = float(there.sum() ** 2 / (there**2).sum()) if len(there) and there.any() else 0.0
    if not n > 0:
        return NAN, NAN
    x = value * n
    low = 0.0 if value <= 0 else float(stats.beta.ppf(tail, x, n - x + 1))
    high = 1.0 if value >= 1 else float(stats.beta.ppf(1 - tail, x + 1, n - x))
    return min(low, value), max(high, value)


def _limits(value: float, se: float, level: float, scale: RiskScale) -> tuple[float, float]:
    if scale == "log-risk":
        return interval(value, se, level=level, scale="log", bounds=(0.0, 1.0))
    if scale == "loglog-risk":
        low, high = interval(1 - value, se, level=level, scale="cloglog", bounds=(0.0, 1.0))
        return 1 - high, 1 - low
    if scale == "log":
        low, high = interval(1 - value, se, level=level, scale="log", bounds=(0.0, 1.0))
        return 1 - high, 1 - low
    return interval(value, se, level=level, scale=scale, bounds=(0.0, 1.0))


def _influence(outcome: Outcome, life: LifeTable, curve: IncidenceCurve, year: float) -> Floats:
    """Influence of each row on the cumulative incidence at ``year``, weights included."""
    last = life.before(year)
    if last == 0:
        return np.zeros(len(outcome))
    at_risk = life.at_risk[:last]
    free, risk = curve.event_free[:last], curve.risk[:last]
    before = np.concatenate([[1.0], free[:-1]])
    total = risk[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # A change of the hazard of cancer raises the risk at its time and lowers what follows.
        stays = 1 - np.where(at_risk > 0, life.events[:last] / at_risk, 0)
        after = np.where(stays > 0, (total - risk) / stays, 0.0)
        up = np.where(at_risk > 0, (before - after) / at_risk, 0.0)
        down = np.where(at_risk > 0, -after / at_risk, 0.0)
        hazard_c = np.where(at_risk > 0, life.cancers[:last] / at_risk, 0)
        hazard_d = np.where(at_risk > 0, life.competing[:last] / at_risk, 0)
    own = np.zeros(len(outcome))
    is_cancer, is_competing = outcome.is_case(year), outcome.is_competing(year)
    own[is_cancer] = up[life.position[is_cancer]]
    own[is_competing] = down[life.position[is_competing]]
    end = np.minimum(life.position + 1, last)
    expected = row_sums_to(outcome, life, np.cumsum(up * hazard_c + down * hazard_d), end)
    return outcome.weight * (own - expected)


def _greenwood(life: LifeTable, year: float) -> float:
    last = life.before(year)
    at_risk, cancers = life.at_risk[:last], life.cancers[:last]
    rest = at_risk - cancers
    if (rest[cancers > 0] <= 0).any():
        return 0.0
    there = cancers > 0
    staying = float(np.prod(rest[there] / at_risk[there]))
    return staying * math.sqrt(float((cancers[there] / (at_risk[there] * rest[there])).sum()))


def risk_by_group(
    outcome: Outcome, group: NDArray[np.int64], n_groups: int, horizon: float, **options: object
) -> list[Estimate]:
    """:func:`cumulative_incidence` in each of ``n_groups`` groups (codes from 0)."""
    found = []
    for code in range(n_groups):
        rows = np.flatnonzero((group == code) & (outcome.weight > 0))
        if len(rows) == 0:
            found.append(unavailable(f"risk by {horizon:g} y", "the group is empty", n=0))
            continue
        found.append(cumulative_incidence(outcome.take(rows), horizon, **options))  # type: ignore[arg-type]
    return found
