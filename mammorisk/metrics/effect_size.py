"""How strongly a score goes with cancer: odds and hazard ratios, incidence by group of risk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from mammorisk.errors import EvaluationError
from mammorisk.metrics.calibration import is_complete
from mammorisk.metrics.calibration_groups import risk_groups
from mammorisk.metrics.cumulative_incidence import risk_by_group
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.metrics.proportions import poisson_ratio
from mammorisk.metrics.regression import Fit, fit_cox, fit_glm
from mammorisk.records.outcome import CANCER, Floats, Outcome

if TYPE_CHECKING:
    import pandas as pd


def _ratio(
    name: str, fitted: Fit, which: int, outcome: Outcome, events: int, level: float
) -> Estimate:
    n = int((outcome.weight > 0).sum())
    if not fitted.converged or not np.isfinite(fitted.coef[which]):
        return unavailable(name, "the regression has no solution on these data", n=n, events=events)
    value, se = float(fitted.coef[which]), float(fitted.se[which])
    z = normal_quantile(level)
    if abs(value) + z * se > 700:
        return unavailable(
            name, "groups are separated: the ratio is 0 or infinite", n=n, events=events
        )
    return Estimate(
        name=name,
        value=math.exp(value),
        se=math.exp(value) * se,
        lower=math.exp(value - z * se),
        upper=math.exp(value + z * se),
        n=n,
        events=events,
        p=two_sided_p(value / se) if se > 0 else math.nan,
    )


def _spread(score: Floats, weight: Floats, rows: NDArray[np.bool_]) -> float:
    """Standard deviation, weighted where weights differ; 0 where all scores are the same."""
    x, w = score[rows], weight[rows]
    # Equal scores may differ from their mean by rounding.
    if len(x) < 2 or np.ptp(x) == 0:
        return 0.0
    if np.ptp(w) == 0:
        return float(x.std(ddof=1))
    mean = np.average(x, weights=w)
    return float(np.sqrt(np.average((x - mean) ** 2, weights=w)))


def odds_ratio_per_sd(
    outcome: Outcome,
    score: Floats,
    horizon: float = 1.0,
    *,
    adjust: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Odds ratio of cancer by the horizon per standard deviation of a score in controls.

    Parameters
    ----------
    outcome : Outcome
        Known for all by the horizon.
    score : array_like, shape (n,)
        Commonly the logit of a risk.
    horizon : float
    adjust : array_like, shape (n,) or (n, k), optional
        Covariates, such as age.
    level : float

    Returns
    -------
    Estimate

    References
    ----------
    Hopper 2015, doi 10.1093/aje/kwv081 (per adjusted standard deviation).
    """
    values, year = check_risk(outcome, score), check_horizon(horizon)
    if not is_complete(outcome, year):
        raise EvaluationError(
            "odds ratios need every outcome known by the horizon",
            where="outcome",
            remedy="Use hazard_ratio_per_sd.",
        )
    case = outcome.is_case(year)
    sd = _spread(values, outcome.weight, ~case & (outcome.weight > 0))
    if not sd > 0:
        return unavailable("OR per SD", "controls all have the same score", n=len(outcome))
    columns = [np.ones(len(outcome)), values / sd]
    if adjust is not None:
        columns.append(np.asarray(adjust, dtype=float))
    fitted = fit_glm(case.astype(float), np.column_stack(columns), outcome, "logistic")
    return _ratio("OR per SD in controls", fitted, 1, outcome, int(case.sum()), level)


def hazard_ratio_per_sd(
    outcome: Outcome,
    score: Floats,
    *,
    horizon: float | None = None,
    adjust: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Cause-specific hazard ratio of cancer per standard deviation of a score; Cox, Efron ties.

    Parameters as :func:`odds_ratio_per_sd`; ``horizon`` cuts follow-up.
    """
    values = check_risk(outcome, score)
    sd = _spread(values, outcome.weight, outcome.weight > 0)
    events = int(((outcome.event == CANCER) & (outcome.weight > 0)).sum())
    if not sd > 0:
        return unavailable("HR per SD", "all have the same score", n=len(outcome), events=events)
    mean = np.average(values, weights=outcome.weight)
    columns = [(values - mean) / sd]
    if adjust is not None:
        columns.append(np.asarray(adjust, dtype=float))
    fitted = fit_cox(outcome, np.column_stack(columns), horizon=horizon)
    return _ratio("HR per SD", fitted, 0, outcome, events, level)


def ratios_by_group(
    outcome: Outcome,
    score: Floats,
    horizon: float = 1.0,
    *,
    groups: int = 5,
    reference: int = 1,
    scale: str = "hazard",
    cuts_of_controls: bool | None = None,
    level: float = 0.95,
) -> list[Estimate]:
    """Hazard or odds ratio of each group by quantiles of the score against one of them.

    Parameters
    ----------
    outcome, score, horizon
    groups : int
        5 for quintiles.
    reference : int
        From 1, the lowest.
    scale : {"hazard", "odds"}
    cuts_of_controls : bool, optional
        Quantiles of women without cancer, the custom for odds ratios; for hazards of all.
    level : float

    Returns
    -------
    list of Estimate
        Without the reference.
    """
    values, year = check_risk(outcome, score), check_horizon(horizon)
    if scale not in ("hazard", "odds"):
        raise EvaluationError(f"{scale!r} is no scale", where="scale")
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
        fitted = fit_cox(outcome, design)
        skip = 0
    label = "OR" if scale == "odds" else "HR"
    found = []
    for place, k in enumerate(others):
        events = int((case & (code == k)).sum())
        name = f"{label} of group {k + 1} against {reference}"
        found.append(_ratio(name, fitted, place + skip, outcome, events, level))
    return found


def incidence_by_group(
    outcome: Outcome, risk: Floats, horizon: float, *, groups: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Observed risk, share of all cancers, and ratio to the mean, by group of predicted risk.

    Returns
    -------
    DataFrame
        Columns ``group``, ``n``, ``cancers``, ``share_of_cancers``, ``observed``,
        ``incidence_ratio`` with ``ratio_lower`` and ``ratio_upper``: exact Poisson limits of the
        group's cancers over those of as many average women; with weights, log-normal limits.
    """
    import pandas as pd

    values, year = check_risk(outcome, risk), check_horizon(horizon)
    code = risk_groups(values, outcome.weight, groups)
    found = risk_by_group(outcome, code, groups, year)
    case = outcome.is_case(year)
    total_cases = float(outcome.weight[case].sum())
    mean = float(
        sum(e.value * outcome.weight[code == k].sum() for k, e in enumerate(found) if e.n)
        / outcome.weight.sum()
    )
    rows = []
    for k, estimate in enumerate(found):
        inside = (code == k) & (outcome.weight > 0)
        if not inside.any():
            continue
        cancers = int(case[inside].sum())
        ratio = estimate.value / mean if mean > 0 else math.nan
        if outcome.is_weighted or outcome.is_clustered:
            half = normal_quantile(level) * estimate.se / estimate.value if estimate.value else 0
            low, high = ratio * math.exp(-half), ratio * math.exp(half)
        else:
            exact = poisson_ratio(cancers, max(cancers, 1), level=level)
            low, high = ratio * exact.lower, ratio * exact.upper
            if cancers == 0:
                at_mean = mean * inside.sum()
                low, high = 0.0, exact.upper / at_mean if at_mean > 0 else math.nan
        rows.append(
            {
                "group": k + 1,
                "n": int(inside.sum()),
                "cancers": cancers,
                "share_of_cancers": float(outcome.weight[inside & case].sum()) / total_cases
                if total_cases
                else math.nan,
                "observed": estimate.value,
                "incidence_ratio": ratio,
                "ratio_lower": low,
                "ratio_upper": high,
            }
        )
    return pd.DataFrame(rows)


def royston_d(outcome: Outcome, score: Floats, *, level: float = 0.95) -> tuple[Estimate, float]:
    """Royston and Sauerbrei's D, and the explained variation it implies.

    Returns
    -------
    D : Estimate
        Log hazard ratio between halves of women of lower and higher score.
    explained : float
        R2 of D, in [0, 1].

    References
    ----------
    Royston and Sauerbrei 2004, doi 10.1002/sim.1621.
    """
    values = check_risk(outcome, score)
    n = len(values)
    normal = special.ndtri((stats.rankdata(values) - 0.375) / (n + 0.25))
    fitted = fit_cox(outcome, (normal * math.sqrt(math.pi / 8))[:, None])
    events = int((outcome.event == CANCER).sum())
    if not fitted.converged:
        return unavailable("Royston D", "no solution on these data", n=n, events=events), math.nan
    d, se = float(fitted.coef[0]), float(fitted.se[0])
    z = normal_quantile(level)
    explained = (d**2 * math.pi / 8) / (math.pi**2 / 6 + d**2 * math.pi / 8)
    made = Estimate(
        name="Royston D",
        value=d,
        se=se,
        lower=d - z * se,
        upper=d + z * se,
        n=n,
        events=events,
        p=two_sided_p(d / se),
    )
    return made, explained


def log_rank(outcome: Outcome, group: ArrayLike) -> Estimate:
    """Log-rank test that groups have the same cause-specific hazard of cancer; lifelines."""
    from lifelines.statistics import multivariate_logrank_test

    found = multivariate_logrank_test(outcome.time, group, outcome.event == CANCER)
    return Estimate(
        name="log-rank chi2",
        value=float(found.test_statistic),
        n=len(outcome),
        events=int((outcome.event == CANCER).sum()),
        p=float(found.p_value),
    )


def matched_odds_ratio(
    case: ArrayLike, score: ArrayLike, matched_set: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Odds ratio per unit of a score in matched sets; conditional logistic, statsmodels.

    Parameters
    ----------
    case : array_like of 0/1, shape (n,)
    score : array_like, shape (n,)
    matched_set : array_like, shape (n,)
    """
    from statsmodels.discrete.conditional_models import ConditionalLogit

    y, x = np.asarray(case, dtype=float), np.asarray(score, dtype=float)
    fitted = ConditionalLogit(y, x[:, None], groups=np.asarray(matched_set)).fit(
        disp=False, method="newton", tol=1e-12
    )
    value, se = float(fitted.params[0]), float(fitted.bse[0])
    z = normal_quantile(level)
    return Estimate(
        name="OR in matched sets",
        value=math.exp(value),
        se=math.exp(value) * se,
        lower=math.exp(value - z * se),
        upper=math.exp(value + z * se),
        n=len(y),
        events=int(y.sum()),
        p=two_sided_p(value / se),
    )


def matched_concordance(
    case: ArrayLike, score: ArrayLike, matched_set: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Probability that a case scores above a control of her own matched set.

    Returns
    -------
    Estimate
        Ties count one half; the standard error takes sets as independent.

    References
    ----------
    Brentnall 2015, doi 10.1186/s12874-015-0045-7.
    """
    y = np.asarray(case, dtype=bool)
    x, sets = np.asarray(score, dtype=float), np.asarray(matched_set)
    _, place = np.unique(sets, return_inverse=True)
    right, pairs = [], []
    order = np.argsort(place, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
        apart = x[rows[y[rows]]][:, None] - x[rows[~y[rows]]][None, :]
        right.append(((apart > 0) + 0.5 * (apart == 0)).sum())
        pairs.append(apart.size)
    good, total = np.array(right, dtype=float), np.array(pairs, dtype=float)
    if not total.sum() > 0:
        return unavailable("matched C", "no set has a case and a control", n=len(y))
    value = float(good.sum() / total.sum())
    m = int((total > 0).sum())
    terms = (good - value * total) / total.sum()
    se = math.sqrt(float((terms**2).sum()) * m / (m - 1)) if m > 1 else math.nan
    z = normal_quantile(level)
    return Estimate(
        name="matched C",
        value=value,
        se=se,
        lower=max(value - z * se, 0.0),
        upper=min(value + z * se, 1.0),
        n=len(y),
        events=int(y.sum()),
        p=two_sided_p((value - 0.5) / se) if se > 0 else math.nan,
    )
