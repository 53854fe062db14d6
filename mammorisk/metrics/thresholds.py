"""Sensitivity, specificity, predictive values and likelihood ratios at a threshold."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    Estimate,
    check_horizon,
    check_risk,
    few_events,
    from_influence,
    normal_quantile,
    unavailable,
)
from mammorisk.metrics.proportions import ProportionInterval, proportion
from mammorisk.metrics.time_dependent_auc import Controls
from mammorisk.records.outcome import Outcome

Measure = Literal[
    "sensitivity",
    "specificity",
    "false-negative rate",
    "false-positive rate",
    "positive predictive value",
    "negative predictive value",
    "share positive",
]


#: Numerator and denominator of each measure: functions of (positive, case).
_PARTS: dict[Measure, tuple[str, str]] = {
    "sensitivity": ("positive", "case"),
    "specificity": ("negative", "control"),
    "false-negative rate": ("negative", "case"),
    "false-positive rate": ("positive", "control"),
    "positive predictive value": ("case", "positive"),
    "negative predictive value": ("control", "negative"),
    "share positive": ("positive", "all"),
}


def classification_measure(
    outcome: Outcome,
    risk: Floats,
    threshold: float,
    measure: Measure,
    horizon: float | None = None,
    *,
    strict: bool = False,
    controls: Controls = "not_case",
    censoring: Censoring | Ties = "riskregression",
    ci: ProportionInterval = "wilson",
    level: float = 0.95,
) -> Estimate:
    """Classification measure for women whose risk reaches a threshold.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score.
    threshold : float
    measure : str
        One of ``"sensitivity"``, ``"specificity"``, ``"false-negative rate"``,
        ``"false-positive rate"``, ``"positive predictive value"``,
        ``"negative predictive value"``, ``"share positive"``.
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    strict : bool
        Women are positive only above the threshold, as in timeROC; by default also at it.
    controls : {"not_case", "event_free"}
        Women without cancer, for specificity, false-positive rate and negative predictive value.
        ``"not_case"``: event-free beyond the horizon, or a competing event within it.
        ``"event_free"``: the former only, so that the negative predictive value is the probability
        that a woman called negative has neither cancer nor competing event. Definitions 2 and 1 of
        Blanche 2013, as timeROC's ``Spec_2``, ``NPV_2`` and ``Spec_1``, ``NPV_1``.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.
    ci : {"wilson", "wald", "exact"}
        Interval if no row is censored, weighted or clustered; otherwise the interval is normal,
        from influence values.
    level : float

    Returns
    -------
    Estimate
        In [0, 1]; NaN with a reason if the denominator is empty.

    Raises
    ------
    EvaluationError
        ``controls`` or ``measure`` is not one of the known ones.

    See Also
    --------
    likelihood_ratios
    operating_point : Sensitivity at a fixed specificity, or specificity at a fixed sensitivity.
    net_benefit : Net benefit of acting on every woman whose risk reaches a threshold.

    References
    ----------
    Blanche 2013, doi 10.1002/bimj.201200045 (censoring) and doi 10.1002/sim.5958 (competing
    events).

    Examples
    --------
    >>> from mammorisk.metrics import classification_measure, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(classification_measure(outcome, risk, 0.1, "sensitivity", 5))
    sensitivity at 0.1, 5 y: 0.6788 (0.5835 to 0.7742)
    >>> print(classification_measure(outcome, risk, 0.1, "positive predictive value", 5))
    positive predictive value at 0.1, 5 y: 0.1571 (0.1205 to 0.1936)
    >>> options = {"horizon": 5, "controls": "event_free"}
    >>> print(classification_measure(outcome, risk, 0.1, "negative predictive value", **options))
    negative predictive value at 0.1, 5 y: 0.8647 (0.8353 to 0.8941)
    """
    score, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    if controls not in ("not_case", "event_free"):
        raise EvaluationError(
            f"{controls!r} is not a known definition of controls", where="controls"
        )
    if measure not in _PARTS:
        raise EvaluationError(f"{measure!r} is not a known measure", where="measure")
    name = f"{measure} at {threshold:g}, {year:g} y"
    positive = score > threshold if strict else score >= threshold
    case = outcome.is_case(year)
    n, events = int((outcome.weight > 0).sum()), int((case & (outcome.weight > 0)).sum())
    sets = {
        "positive": positive,
        "negative": ~positive,
        "case": case,
        "control": ~case if controls == "not_case" else ~case & ~outcome.is_competing(year),
        "all": np.ones(len(score), dtype=bool),
    }
    counted, among = (sets[part] for part in _PARTS[measure])
    plain = not (outcome.is_weighted or outcome.is_clustered)
    if measure == "share positive":
        weights, correct = outcome.weight.copy(), False
        complete = True
    else:
        complete = outcome.is_complete(year)
        fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
        found = fitted.weights(year)
        if found is None:
            return unavailable(name, "nobody is followed to the horizon", n=n, events=events)
        weights, correct = found, not complete
    whole = np.where(among, weights, 0.0)
    total = float(whole.sum())
    if not total > 0:
        return unavailable(name, f"there is no {_PARTS[measure][1]}", n=n, events=events)
    if plain and complete:
        return proportion(name, int((counted & among).sum()), int(among.sum()), ci=ci, level=level)
    value = float(whole[counted].sum()) / total
    influence = whole * (counted - value) / total
    if correct:
        influence = influence + fitted.correction(influence, year)
    return from_influence(
        name,
        value,
        influence,
        outcome,
        events=events,
        level=level,
        bounds=(0.0, 1.0),
        reason=fitted.note(year) if correct else None,
    )


def likelihood_ratios(
    outcome: Outcome,
    risk: Floats,
    threshold: float,
    horizon: float | None = None,
    *,
    level: float = 0.95,
) -> list[Estimate]:
    """Positive and negative likelihood ratio at a threshold, with log-normal intervals.

    Parameters
    ----------
    outcome : Outcome
        Independent, unweighted rows whose outcome by the horizon is known.
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    threshold : float
        Positive where the score is at least this.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    list of Estimate
        Positive, then negative; NaN with a reason where a cell of the table is empty, no interval
        with fewer than ten cancers.

    See Also
    --------
    classification_measure

    References
    ----------
    Simel 1991, doi 10.1016/0895-4356(91)90128-V.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, likelihood_ratios
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> for ratio in likelihood_ratios(known, risk, 0.1):
    ...     print(ratio)
    positive likelihood ratio at 0.1: 1.721 (1.464 to 2.023)
    negative likelihood ratio at 0.1: 0.532 (0.3944 to 0.7175)
    """
    score, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    names = [f"{sign} likelihood ratio at {threshold:g}" for sign in ("positive", "negative")]
    n = len(outcome)
    if not outcome.is_complete(year) or outcome.is_weighted or outcome.is_clustered:
        return [
            unavailable(name, "needs independent rows whose outcome is known", n=n)
            for name in names
        ]
    case = outcome.is_case(year)
    fewest = min(int(case.sum()), int((~case).sum()))
    z, found = normal_quantile(level), []
    for name, side in zip(names, (score >= threshold, score < threshold), strict=True):
        a, b = int((side & case).sum()), int((side & ~case).sum())
        if a == 0 or b == 0:
            found.append(unavailable(name, "a cell of the table is empty", n=n))
            continue
        ratio = (a / case.sum()) / (b / (~case).sum())
        if fewest < FEWEST_EVENTS:
            kind = "cancer" if case.sum() == fewest else "control"
            found.append(
                Estimate(
                    name=name,
                    value=float(ratio),
                    n=n,
                    events=int(case.sum()),
                    reason=few_events(fewest, kind),
                )
            )
            continue
        error = (1 / a - 1 / case.sum() + 1 / b - 1 / (~case).sum()) ** 0.5
        found.append(
            Estimate(
                name=name,
                value=float(ratio),
                se=float(ratio * error),
                lower=float(ratio * np.exp(-z * error)),
                upper=float(ratio * np.exp(z * error)),
                n=n,
                events=int(case.sum()),
            )
        )
    return found
