"""Standard errors of a planned validation study, from one large simulated study."""

from __future__ import annotations

import math

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.decision_analysis import net_benefit
from mammorisk.metrics.estimate import Estimate, standard_error
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome

_STEPS = 60


def simulated_errors(
    risk: Floats,
    year: float,
    censored: float,
    competing: float,
    threshold: float | None,
    wanted: list[str],
    women: int,
    seed: int,
) -> tuple[dict[str, float], dict[str, float], float]:
    """Values, standard errors times the square root of n, and the share with an observed cancer.

    Parameters
    ----------
    risk : ndarray, shape (m,)
        True risks, drawn from with replacement.
    year : float
    censored, competing : float
        Shares of women lost and of women with a competing event by ``year``, at constant rates.
    threshold : float or None
        Threshold of the net benefit.
    wanted : list of str
        Measures.
    women : int
        Size of the simulated study.
    seed : int
    """
    rng = np.random.default_rng(seed)
    drawn = rng.choice(risk, women)
    lost_rate, death_rate = (-math.log1p(-share) / year for share in (censored, competing))
    rate = cause_specific_rate(drawn, death_rate, year)
    with np.errstate(divide="ignore"):
        cancer = rng.exponential(size=women) / rate
    death = rng.exponential(size=women) / death_rate if death_rate > 0 else np.full(women, np.inf)
    lost = rng.exponential(size=women) / lost_rate if lost_rate > 0 else np.full(women, np.inf)
    # Follow-up after the horizon is not needed.
    end = 1.5 * year
    times = np.column_stack([np.minimum(lost, end), cancer, death])
    outcome = Outcome(time=times.min(axis=1), event=times.argmin(axis=1))
    if int(outcome.is_case(year).sum()) < 100:
        raise EvaluationError(
            "the simulated study has fewer than 100 cancers",
            where="women",
            remedy="Give more women.",
        )
    values: dict[str, float] = {}
    units: dict[str, float] = {}

    def put(name: str, estimate: Estimate, se: float) -> None:
        if not se > 0:
            raise EvaluationError(
                f"{name} has no standard error: {estimate.reason}",
                where="women",
                remedy="Give more women, or less censoring.",
            )
        values[name], units[name] = estimate.value, se * math.sqrt(women)

    for name in wanted:
        if name == "O/E":
            made = expected_observed_ratio(outcome, drawn, year, ratio="O/E")
            put(name, made, made.se / made.value)
        elif name == "calibration intercept":
            made = calibration_intercept(outcome, drawn, year)
            put(name, made, made.se)
        elif name == "calibration slope":
            made = calibration_slope(outcome, drawn, year)
            put(name, made, made.se)
        elif name == "AUC":
            made = cumulative_dynamic_auc(outcome, drawn, year)
            put(name, made, made.se)
        elif threshold is not None:
            made = net_benefit(outcome, drawn, threshold, year)
            observed = cumulative_incidence(outcome, year)
            if made.influence is None or observed.influence is None:
                put(name, made, math.nan)
                continue
            share = made.value / observed.value
            moved = (made.influence - share * observed.influence) / observed.value
            put(name, made, standard_error(moved, outcome))
            values[name] = share
    return values, units, float(outcome.is_case(year).mean())


def cause_specific_rate(risk: Floats, death_rate: float, year: float) -> Floats:
    """Constant rate of cancer that gives a risk by ``year`` with a constant rate of death."""
    if death_rate == 0:
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log1p(-risk) / year)
    if bool((risk >= 1).any()):
        raise EvaluationError(
            "a risk of 1 leaves no room for a competing event", where="risk", remedy="Leave it out."
        )
    # The risk increases with the rate: bisection.
    low = np.zeros(len(risk))
    high = np.ones(len(risk))
    while (short := _risk_of(high, death_rate, year) < risk).any():
        high = np.where(short, 2 * high, high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = _risk_of(middle, death_rate, year) < risk
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


def _risk_of(rate: Floats, death_rate: float, year: float) -> Floats:
    both = rate + death_rate
    return np.asarray(rate / both * -np.expm1(-both * year))
