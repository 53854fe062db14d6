"""Smooth calibration curves and the distance of predicted risks from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.estimate import check_horizon, check_risk, normal_quantile
from mammorisk.metrics.links import cloglog, logit
from mammorisk.metrics.pseudo_observations import pseudo_values
from mammorisk.metrics.regression import fit_glm
from mammorisk.metrics.risk_sets import Deaths, sums_from
from mammorisk.metrics.smoothers import loess, lowess, place_knots, spline_basis
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome

Smoother = Literal["auto", "pseudo-spline", "logistic-spline", "cox-spline", "loess", "lowess"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationCurve:
    """Observed risk as a smooth function of predicted risk.

    Attributes
    ----------
    predicted, observed : ndarray, shape (n,)
        For every row.
    lower, upper : ndarray, shape (n,), or None
        Interval of the curve, where the smoother gives one.
    ici, e50, e90, emax : float
        Mean, median, 90th percentile and maximum of the absolute differences; NaN with a reason.
    method : str
    reason : str or None

    See Also
    --------
    calibration_curve : Computes it.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, calibration_curve
    >>> outcome, risk, other = example_risks()
    >>> curve = calibration_curve(outcome, risk, 5)
    >>> round(curve.ici, 4)
    0.0084
    """

    predicted: Floats
    observed: Floats
    lower: Floats | None
    upper: Floats | None
    ici: float
    e50: float
    e90: float
    emax: float
    method: str
    reason: str | None = None


def calibration_curve(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    method: Smoother = "auto",
    knots: int | None = None,
    span: float = 0.75,
    degree: int = 2,
    level: float = 0.95,
) -> CalibrationCurve:
    """Smooth observed risk over predicted risk.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    method : str
        ``"pseudo-spline"``: restricted cubic spline of the complementary log-log of risk, on
        pseudo-values (censoring, competing events, weights). ``"cox-spline"``: the same in a Cox
        model (Austin 2020). ``"logistic-spline"``: of the logit, logistic (outcome known for all).
        ``"loess"``: local regression of the outcome, or of pseudo-values, on risk (Austin and
        Steyerberg 2019), computed exactly at every row; the time is quadratic in the number of
        rows. ``"lowess"``: local linear regression as R's ``lowess(iter=0)`` and rms's val.prob.
        ``"auto"``: ``"logistic-spline"`` where nothing is censored, else ``"pseudo-spline"``.
    knots : int, optional
        3 to 7, at Harrell's quantiles; 3 for Cox and pseudo-values, 5 for logistic.
    span : float
        Share of rows in a window of loess.
    degree : {1, 2}
        Local lines or parabolas of loess; R's ``loess`` has 2.
    level : float

    Returns
    -------
    CalibrationCurve
        ICI, E50, E90 of Austin and Steyerberg 2019, doi 10.1002/sim.8281; weighted where rows are.

    Raises
    ------
    EvaluationError
        ``method`` is not a known smoother, or the risks are not probabilities.

    See Also
    --------
    calibration_by_group : Mean predicted and observed risk by groups of predicted risk.
    calibration_slope

    References
    ----------
    Austin, Harrell, van Klaveren 2020, doi 10.1002/sim.8570; Harrell 2015, doi
    10.1007/978-3-319-19425-7.

    Examples
    --------
    >>> from mammorisk.metrics import calibration_curve, example_risks
    >>> outcome, risk, other = example_risks()
    >>> curve = calibration_curve(outcome, risk, 5)
    >>> print(curve.method, round(curve.ici, 4), round(curve.e90, 4))
    pseudo-spline 0.0084 0.0238
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    if method == "auto":
        method = "logistic-spline" if outcome.is_complete(year) else "pseudo-spline"
    used = outcome.weight > 0
    if np.ptp(values[used]) == 0:
        return _none(values, method, "every woman has the same risk")
    if not outcome.is_case(year)[used].any():
        return _none(values, method, "no cancers by the horizon")
    lower = upper = None
    try:
        if method in ("pseudo-spline", "logistic-spline"):
            observed, lower, upper = _spline(outcome, values, year, method, knots, level)
        elif method == "cox-spline":
            observed = _cox_spline(outcome, values, year, knots or 3)
        elif method in ("loess", "lowess"):
            response = (
                outcome.is_case(year).astype(float)
                if outcome.is_complete(year)
                else pseudo_values(outcome, year)
            )
            observed = (
                loess(values, response, span, degree=degree)
                if method == "loess"
                else lowess(values, response)
            )
        else:
            raise EvaluationError(f"{method!r} is not a known smoother", where="method")
    except _NoCurve as fault:
        return _none(values, method, str(fault))
    apart = np.abs(observed - values)[used]
    weights = outcome.weight[used]
    return CalibrationCurve(
        predicted=values,
        observed=observed,
        lower=lower,
        upper=upper,
        ici=float(np.average(apart, weights=weights)),
        e50=_quantile(apart, weights, 0.5, weighted=outcome.is_weighted),
        e90=_quantile(apart, weights, 0.9, weighted=outcome.is_weighted),
        emax=float(apart.max()),
        method=method,
    )


class _NoCurve(Exception):
    """The regression has no solution."""


def _none(values: Floats, method: str, reason: str) -> CalibrationCurve:
    nan = float("nan")
    return CalibrationCurve(
        predicted=values,
        observed=np.full(len(values), nan),
        lower=None,
        upper=None,
        ici=nan,
        e50=nan,
        e90=nan,
        emax=nan,
        method=method,
        reason=reason,
    )


def _quantile(values: Floats, weights: Floats, share: float, *, weighted: bool) -> float:
    if not weighted:
        return float(np.quantile(values, share))
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, share)])


def _spline(
    outcome: Outcome, values: Floats, year: float, method: str, knots: int | None, level: float
) -> tuple[Floats, Floats, Floats]:
    is_logistic = method == "logistic-spline"
    if is_logistic and not outcome.is_complete(year):
        raise EvaluationError(
            "a logistic curve needs outcomes that are known for all rows by the horizon",
            where="method",
            remedy='Use "pseudo-spline".',
        )
    x = logit(values) if is_logistic else cloglog(values)
    at = place_knots(x[outcome.weight > 0], knots or (5 if is_logistic else 3))
    # Two knots give a straight line.
    basis = spline_basis(x, at) if len(at) > 2 else x[:, None]
    design = np.column_stack([np.ones(len(x)), basis])
    if is_logistic:
        fitted = fit_glm(outcome.is_case(year).astype(float), design, outcome, "logistic")
    else:
        try:
            response = pseudo_values(outcome, year)
        except EvaluationError as error:
            raise _NoCurve(str(error)) from None
        fitted = fit_glm(response, design, outcome, "pseudo")
    if not fitted.converged:
        raise _NoCurve("the spline has no solution on these data")
    line = design @ fitted.coef
    spread = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", design, fitted.covariance, design), 0))
    half = normal_quantile(level) * spread

    def risk_of(predictor: Floats) -> Floats:
        inverse = 1 / (1 + np.exp(-predictor)) if is_logistic else -np.expm1(-np.exp(predictor))
        return np.asarray(inverse)

    with np.errstate(over="ignore"):
        return risk_of(line), risk_of(line - half), risk_of(line + half)


def _cox_spline(outcome: Outcome, values: Floats, year: float, knots: int) -> Floats:
    x = cloglog(values)
    at = place_knots(x[outcome.weight > 0], knots)
    design = spline_basis(x, at) if len(at) > 2 else x[:, None]
    fitted = fit_cox(outcome, design)
    if not fitted.converged:
        raise _NoCurve("the Cox model has no solution on these data")
    line = design @ fitted.coef
    hazard = np.exp(line)
    baseline = _baseline_hazard(outcome, hazard, year)
    return np.asarray(-np.expm1(-baseline * hazard))


def _baseline_hazard(outcome: Outcome, hazard: Floats, year: float) -> float:
    """Cumulative baseline hazard at ``year`` with Efron's ties, as survival's survfit.coxph."""
    died = np.flatnonzero((outcome.event == CANCER) & (outcome.time <= year))
    deaths = Deaths.of(outcome.time[died])
    weighted = outcome.weight * hazard
    at_risk = sums_from(outcome.time, weighted, deaths.times)
    if outcome.has_entry:
        late = outcome.entry > 0
        at_risk = at_risk - sums_from(outcome.entry[late], weighted[late], deaths.times)
    ties = np.bincount(deaths.place, weighted[died])
    mean_weight = np.bincount(deaths.place, outcome.weight[died]) / deaths.counts
    step, share = deaths.step, deaths.share
    return float((mean_weight[step] / (at_risk[step] - share * ties[step])).sum())
