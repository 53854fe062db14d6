"""Odds ratios and hazard ratios per standard deviation and by groups of a score."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.calibration_groups import risk_groups
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    Estimate,
    check_horizon,
    check_risk,
    few_events,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.metrics.fine_gray import fit_fine_gray
from mammorisk.metrics.regression import Fit, fit_glm
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome


def ratio_from_fit(
    name: str,
    fitted: Fit,
    which: int,
    outcome: Outcome,
    events: int,
    level: float,
    *,
    n: int | None = None,
    fitted_events: int | None = None,
) -> Estimate:
    n = int((outcome.weight > 0).sum()) if n is None else n
    if (events if fitted_events is None else fitted_events) < 2:
        told = "no cancers" if events == 0 else "one cancer"
        return unavailable(name, f"{told} in follow-up", n=n, events=events)
    if not fitted.converged or not np.isfinite(fitted.coef[which]):
        return unavailable(name, "the regression has no solution on these data", n=n, events=events)
    value, se = float(fitted.coef[which]), float(fitted.se[which])
    z = normal_quantile(level)
    if abs(value) + z * se > 700:
        return unavailable(
            name,
            "a group has no women with cancer or none without: the ratio is 0 or infinite",
            n=n,
            events=events,
        )
    if (events if fitted_events is None else fitted_events) < FEWEST_EVENTS:
        reason = few_events(events)
        return Estimate(name=name, value=math.exp(value), n=n, events=events, reason=reason)
    return Estimate(
        name=name,
        value=math.exp(value),
        se=math.exp(value) * se,
        lower=math.exp(value - z * se),
        upper=math.exp(value + z * se),
        n=n,
        events=events,
        p=two_sided_p(value / se) if se > 0 else math.nan,
        null=1.0,
    )


def spread(score: Floats, weight: Floats, rows: NDArray[np.bool_]) -> float:
    """Standard deviation, weighted where weights differ; 0 where all scores are the same."""
    x, w = score[rows], weight[rows]
    # By rounding, equal scores may differ from their mean.
    if len(x) < 2 or np.ptp(x) == 0:
        return 0.0
    if np.ptp(w) == 0:
        return float(x.std(ddof=1))
    mean = np.average(x, weights=w)
    return float(np.sqrt(np.average((x - mean) ** 2, weights=w)))


def odds_ratio_per_sd(
    outcome: Outcome,
    score: Floats,
    horizon: float | None = None,
    *,
    adjust: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Odds ratio of cancer by the horizon per standard deviation of a score in controls.

    Parameters
    ----------
    outcome : Outcome
        The outcome by the horizon is known for all rows.
    score : array_like, shape (n,)
        Commonly the logit of a risk.
    horizon : float
    adjust : array_like, shape (n,) or (n, k), optional
        Covariates, such as age.
    level : float

    Returns
    -------
    Estimate

    Raises
    ------
    EvaluationError
        An outcome is not known by the horizon.

    See Also
    --------
    hazard_ratio_per_sd
    matched_odds_ratio

    References
    ----------
    Hopper 2015, doi 10.1093/aje/kwv081 (per adjusted standard deviation).

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import example_risks, odds_ratio_per_sd
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> print(odds_ratio_per_sd(known, np.log(risk / (1 - risk))))
    OR per SD in controls: 1.888 (1.519 to 2.348)
    """
    values, year = check_risk(outcome, score), check_horizon(horizon, outcome)
    if not outcome.is_complete(year):
        raise EvaluationError(
            "odds ratios need outcomes that are known for all rows by the horizon",
            where="outcome",
            remedy="Use hazard_ratio_per_sd.",
        )
    case = outcome.is_case(year)
    sd = spread(values, outcome.weight, ~case & (outcome.weight > 0))
    if not sd > 0:
        return unavailable("OR per SD", "controls all have the same score", n=len(outcome))
    columns = [np.ones(len(outcome)), values / sd]
    if adjust is not None:
        columns.append(outcome.written_out(np.asarray(adjust, dtype=float)))
    fitted = fit_glm(case.astype(float), np.column_stack(columns), outcome, "logistic")
    return ratio_from_fit("OR per SD in controls", fitted, 1, outcome, int(case.sum()), level)


def hazard_ratio_per_sd(
    outcome: Outcome,
    score: Floats,
    *,
    horizon: float | None = None,
    adjust: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Cause-specific hazard ratio of cancer per standard deviation of a score; Cox, Efron ties.

    Parameters
    ----------
    outcome : Outcome
    score : array_like, shape (n,)
        Commonly the complementary log-log of a risk.
    horizon : float, optional
        Years; follow-up is truncated here. By default all of follow-up is used.
    adjust : array_like, shape (n,) or (n, k), optional
        Covariates, such as age.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        NaN with a reason if all scores are equal, or for fewer than two cancers. The interval is
        normal on the log scale.

    See Also
    --------
    odds_ratio_per_sd
    ratios_by_group
    subdistribution_hazard_ratio : Fine and Gray's ratio, with competing events.
    royston_d : Royston and Sauerbrei's D, and the explained variation it implies.

    References
    ----------
    Cox 1972, doi 10.1111/j.2517-6161.1972.tb00899.x; Efron 1977, doi
    10.1080/01621459.1977.10480613.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import example_risks, hazard_ratio_per_sd
    >>> outcome, risk, other = example_risks()
    >>> print(hazard_ratio_per_sd(outcome, np.log(-np.log1p(-risk))))
    HR per SD: 1.962 (1.634 to 2.356)
    """
    values = check_risk(outcome, score)
    sd = spread(values, outcome.weight, outcome.weight > 0)
    events = int(((outcome.event == CANCER) & (outcome.weight > 0)).sum())
    if not sd > 0:
        return unavailable("HR per SD", "all scores are equal", n=len(outcome), events=events)
    mean = np.average(values, weights=outcome.weight)
    columns = [(values - mean) / sd]
    if adjust is not None:
        columns.append(outcome.written_out(np.asarray(adjust, dtype=float)))
    fitted = fit_cox(outcome, np.column_stack(columns), horizon=horizon)
    return ratio_from_fit("HR per SD", fitted, 0, outcome, events, level)


def ratios_by_group(
    outcome: Outcome,
    score: Floats,
    horizon: float | None = None,
    *,
    groups: int = 5,
    reference: int = 1,
    scale: str = "hazard",
    cuts_of_controls: bool | None = None,
    level: float = 0.95,
) -> list[Estimate]:
    """Hazard, subdistribution hazard or odds ratios of groups of the score.

    Parameters
    ----------
    outcome : Outcome
    score : array_like, shape (n,)
        Higher for more risk.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    groups : int
        Number of groups; 5 for quintiles.
    reference : int
        Reference group, from 1 (the lowest).
    scale : {"hazard", "subdistribution", "odds"}
        Cause-specific hazard (Cox), subdistribution hazard (Fine and Gray), or odds (logistic).
    cuts_of_controls : bool, optional
        Use quantiles of women without cancer (the default for odds ratios) instead of quantiles of
        all women (the default for hazard ratios).
    level : float
        Confidence level of the interval.

    Returns
    -------
    list of Estimate
        One for each group except the reference; ``n`` and ``events`` are those of the two groups
        compared. Intervals are normal on the log scale.

    Raises
    ------
    EvaluationError
        ``scale`` is not a known scale.

    See Also
    --------
    hazard_ratio_per_sd
    incidence_by_group

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, ratios_by_group
    >>> outcome, risk, other = example_risks()
    >>> for ratio in ratios_by_group(outcome, risk, 5, groups=3):
    ...     print(ratio, ratio.n, ratio.events)
    HR of group 2 against 1: 1.966 (1.092 to 3.541) 667 49
    HR of group 3 against 1: 4.419 (2.601 to 7.508) 667 87
    """
    values, year = check_risk(outcome, score), check_horizon(horizon, outcome)
    if scale not in ("hazard", "subdistribution", "odds"):
        raise EvaluationError(f"{scale!r} is not a known scale", where="scale")
    case = outcome.is_case(year)
    of_controls = scale == "odds" if cuts_of_controls is None else cuts_of_controls
    counted = np.where(of_controls & case, 0.0, outcome.weight)
    code = risk_groups(values, counted, groups)
    others = [k for k in range(groups) if k != reference - 1]
    design = np.column_stack([(code == k).astype(float) for k in others])
    if scale == "odds":
        design = np.column_stack([np.ones(len(values)), design])
        fitted = fit_glm(case.astype(float), design, outcome, "logistic")
        skip = 1
    else:
        fit_hazard = fit_cox if scale == "hazard" else fit_fine_gray
        fitted = fit_hazard(outcome, design)
        skip = 0
    label = {"odds": "OR", "hazard": "HR", "subdistribution": "subdistribution HR"}[scale]
    # Hazards use all of follow-up, odds the cancers by the horizon.
    counted_event = case if scale == "odds" else outcome.event == CANCER
    found = []
    for place, k in enumerate(others):
        pair = ((code == k) | (code == reference - 1)) & (outcome.weight > 0)
        events = int((counted_event & pair).sum())
        name = f"{label} of group {k + 1} against {reference}"
        n = int(pair.sum())
        all_events = int((counted_event & (outcome.weight > 0)).sum())
        found.append(
            ratio_from_fit(
                name,
                fitted,
                place + skip,
                outcome,
                events,
                level,
                n=n,
                fitted_events=all_events,
            )
        )
    return found
