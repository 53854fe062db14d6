"""Net benefit and decision curves, with censoring, competing events and sampling weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import (
    Estimate,
    check_fraction,
    check_horizon,
    check_risk,
    from_influence,
    normal_quantile,
    unavailable,
)
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.records.alignment import check_thresholds
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd


def net_benefit(
    outcome: Outcome,
    risk: Floats | None,
    threshold: float,
    horizon: float | None = None,
    *,
    prevalence: float | None = None,
    harm: float = 0.0,
    level: float = 0.95,
) -> Estimate:
    """Net benefit of acting on every woman whose risk reaches a threshold.

    True positives minus false positives weighted by the odds of the threshold, per woman. Observed
    risk among positives is by Kaplan-Meier, or Aalen-Johansen with competing events.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,), or None
        None: act on all women.
    threshold : float
        Risk from which women are treated as positive, between 0 and 1.
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    prevalence : float, optional
        Share with cancer in the population, for case-control samples without weights.
    harm : float
        Harm of measuring the risk, in units of net benefit; it is subtracted.
    level : float

    Returns
    -------
    Estimate
        At most the share of women with cancer; 0 is the net benefit of acting on no woman.

    See Also
    --------
    decision_curve
    number_per_cancer
    classification_measure

    References
    ----------
    Vickers and Elkin 2006, doi 10.1177/0272989X06295361; Vickers 2008, doi
    10.1186/1472-6947-8-53 (censoring and competing risks).

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, net_benefit
    >>> outcome, risk, other = example_risks()
    >>> print(net_benefit(outcome, risk, 0.1, 5))
    net benefit at 10%, 5 y: 0.02752 (0.0104 to 0.04465)
    >>> print(net_benefit(outcome, None, 0.1, 5))
    net benefit at 10%, 5 y: -0.00179 (-0.0231 to 0.01952)
    """
    year = check_horizon(horizon, outcome)
    threshold = check_fraction(threshold, "threshold")
    if risk is None:
        positive = np.ones(len(outcome), dtype=bool)
    else:
        positive = check_risk(outcome, risk, probability=True) >= threshold
    name = f"net benefit at {100 * threshold:g}%, {year:g} y"
    odds = threshold / (1 - threshold)
    n, events = int((outcome.weight > 0).sum()), int(outcome.is_case(year).sum())
    if prevalence is not None:
        return _of_prevalence(outcome, positive, year, name, odds, prevalence, harm, level)
    share = float(outcome.weight[positive].sum() / outcome.weight.sum())
    base = outcome.weight / outcome.weight.sum()
    if not share > 0:
        return from_influence(
            name, -harm, np.zeros(len(outcome)), outcome, events=events, level=level
        )
    rows = np.flatnonzero(positive)
    inside = cumulative_incidence(outcome.take(rows), year)
    if inside.influence is None:
        return unavailable(name, inside.reason or "no observed risk", n=n, events=events)
    true = inside.value * share
    value = true - odds * (share - true) - harm
    influence = (positive - share) * base * (inside.value - odds * (1 - inside.value))
    influence[rows] += share * (1 + odds) * inside.influence
    return from_influence(name, value, influence, outcome, events=events, level=level)


def _of_prevalence(
    outcome: Outcome,
    positive: np.ndarray,
    year: float,
    name: str,
    odds: float,
    prevalence: float,
    harm: float,
    level: float,
) -> Estimate:
    prevalence = check_fraction(prevalence, "prevalence")
    if not outcome.is_complete(year):
        raise EvaluationError(
            "a prevalence needs outcomes that are known for all; censored samples need weights",
            where="prevalence",
        )
    case = outcome.is_case(year)
    if not case.any() or case.all():
        return unavailable(name, "no cases or no controls", n=len(case))
    sensitivity = float(np.average(positive[case], weights=outcome.weight[case]))
    false = float(np.average(positive[~case], weights=outcome.weight[~case]))
    value = sensitivity * prevalence - odds * false * (1 - prevalence) - harm
    variance = prevalence**2 * sensitivity * (1 - sensitivity) / case.sum()
    variance += (odds * (1 - prevalence)) ** 2 * false * (1 - false) / (~case).sum()
    se = math.sqrt(variance)
    half = normal_quantile(level) * se
    return Estimate(
        name=name,
        value=value,
        se=se,
        lower=value - half,
        upper=value + half,
        n=len(case),
        events=int(case.sum()),
    )


def decision_curve(
    outcome: Outcome,
    risks: dict[str, Floats],
    thresholds: float | Sequence[float],
    horizon: float | None = None,
    *,
    prevalence: float | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Net benefit by threshold of models, of acting on all women, and of acting on no woman.

    Parameters
    ----------
    outcome : Outcome
    risks : dict of str to array_like, shape (n,)
        Predicted risks by model.
    thresholds : float or sequence of float
        Between 0 and 1.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    prevalence : float, optional
        See :func:`net_benefit`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    DataFrame
        Columns ``model`` ("all", "none", then the models), ``threshold``, ``net_benefit``,
        ``lower``, ``upper``, ``standardised`` (over the observed risk), ``reason``.

    See Also
    --------
    net_benefit : Net benefit of acting on every woman whose risk reaches a threshold.

    Examples
    --------
    >>> from mammorisk.metrics import decision_curve, example_risks
    >>> outcome, risk, other = example_risks()
    >>> table = decision_curve(outcome, {"own": risk}, [0.05, 0.1], 5)
    >>> print(table[["model", "threshold", "net_benefit"]].round(4).to_string())
      model  threshold  net_benefit
    0   all       0.05       0.0509
    1   all       0.10      -0.0018
    2   own       0.05       0.0526
    3   own       0.10       0.0275
    4  none       0.05       0.0000
    5  none       0.10       0.0000
    """
    import pandas as pd

    year = check_horizon(horizon, outcome)
    whole = cumulative_incidence(outcome, year).value if prevalence is None else prevalence
    points = check_thresholds(thresholds)
    rows = []
    for model, risk in {"all": None, **risks}.items():
        for threshold in points:
            made = net_benefit(outcome, risk, threshold, year, prevalence=prevalence, level=level)
            rows.append(_row(model, threshold, made, whole))
    for threshold in points:
        none = Estimate(name="none", value=0.0, se=0.0, lower=0.0, upper=0.0, n=len(outcome))
        rows.append(_row("none", threshold, none, whole))
    return pd.DataFrame(rows)


def _row(model: str, threshold: float, made: Estimate, whole: float) -> dict[str, object]:
    return {
        "model": model,
        "threshold": threshold,
        "net_benefit": made.value,
        "se": made.se,
        "lower": made.lower,
        "upper": made.upper,
        "standardised": made.value / whole if whole > 0 else math.nan,
        "reason": made.reason,
    }


def number_per_cancer(
    outcome: Outcome,
    risk: Floats,
    threshold: float,
    horizon: float | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Number of women at or above a threshold for each cancer among them: 1 / observed risk.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    threshold : float
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        At least 1. NaN with a reason if none of these women has cancer.

    See Also
    --------
    net_benefit : Net benefit of acting on every woman whose risk reaches a threshold.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, number_per_cancer
    >>> outcome, risk, other = example_risks()
    >>> print(number_per_cancer(outcome, risk, 0.1, 5))
    women per cancer at 0.1, 5 y: 6.29 (5.016 to 7.929)
    """
    values, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    rows = np.flatnonzero((values >= threshold) & (outcome.weight > 0))
    name = f"women per cancer at {threshold:g}, {year:g} y"
    if len(rows) == 0:
        return unavailable(name, "no woman reaches the threshold", n=0)
    found = cumulative_incidence(outcome.take(rows), year, level=level)
    if not found.value > 0:
        return unavailable(name, found.reason or "no cancers", n=len(rows), events=0)
    return Estimate(
        name=name,
        value=1 / found.value,
        se=found.se / found.value**2,
        lower=1 / found.upper,
        upper=1 / found.lower if found.lower > 0 else math.inf,
        n=len(rows),
        events=found.events,
    )
