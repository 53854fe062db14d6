"""Calibration intercept and slope for binary, censored and competing outcomes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.optimize import brentq

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring, fit_censoring
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    Estimate,
    check_horizon,
    check_risk,
    few_events,
    from_influence,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.links import cloglog, logit
from mammorisk.metrics.pseudo_observations import pseudo_values
from mammorisk.metrics.regression import Fit, fit_glm
from mammorisk.records.outcome import Outcome

Method = Literal["auto", "in-the-large", "pseudo", "logistic", "ipcw", "cox"]


def calibration_intercept(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    method: Method = "auto",
    censoring: Censoring | None = None,
    level: float = 0.95,
) -> Estimate:
    """Calibration intercept: the correction to add to the linear predictor of every woman.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    method : {"auto", "in-the-large", "pseudo", "logistic", "ipcw"}
        ``"in-the-large"``: the shift on the complementary log-log scale at which the mean predicted
        risk equals the observed risk (Kaplan-Meier or Aalen-Johansen); its sign always agrees with
        E/O. ``"logistic"``: regression with the logit as offset, outcome known for all.
        ``"pseudo"``: regression of pseudo-values with the complementary log-log as offset, Gaussian
        variance and robust errors. ``"ipcw"``: binomial regression with the same offset, weighted
        by the inverse probability of censoring, robust errors. ``"auto"`` uses ``"logistic"``
        if no row is censored, otherwise ``"pseudo"``.
    censoring : Censoring, optional
        From :func:`fit_censoring`, where censoring depends on covariates or strata; with
        ``"in-the-large"`` and ``"ipcw"``; the standard error of ``"ipcw"`` treats the weights as
        known.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        0 means calibrated; below 0 the model overestimates. p tests against 0. NaN with a reason
        for fewer than two cancers.

    See Also
    --------
    calibration_slope
    expected_observed_ratio
    poisson_calibration

    Notes
    -----
    Regressions on pseudo-values give more weight to women of high risk. If the calibration curve is
    not parallel to the diagonal, their intercept may have another sign than one minus E/O.
    Calibration in the large does not.

    References
    ----------
    Cox 1958, doi 10.1093/biomet/45.3-4.562; Van Calster 2019, doi 10.1186/s12916-019-1466-7;
    van Geloven 2022, doi 10.1136/bmj-2021-069249.

    Examples
    --------
    >>> from mammorisk.metrics import calibration_intercept, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(calibration_intercept(outcome, risk, 5))
    calibration intercept at 5 y: -0.1223 (-0.3537 to 0.1092)
    >>> print(calibration_intercept(outcome, other, 5, method="in-the-large"))
    calibration in the large at 5 y: -0.197 (-0.405 to 0.01096)
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    _check_censoring(censoring, method)
    if method == "in-the-large":
        return _in_the_large(outcome, values, year, level, censoring)
    fitted = _fit(outcome, values, year, method, censoring, slope=False)
    return _estimate("calibration intercept", fitted, 0, 0.0, outcome, year, level)


def _check_censoring(censoring: Censoring | None, method: Method) -> None:
    if censoring is not None and method not in ("in-the-large", "ipcw"):
        raise EvaluationError(
            f"the method {method!r} does not use censoring weights",
            where="censoring",
            remedy='Use "ipcw".',
        )


def _in_the_large(
    outcome: Outcome, values: Floats, year: float, level: float, censoring: Censoring | None
) -> Estimate:
    """Shift on the complementary log-log scale at which the mean risk is the observed one."""
    name = f"calibration in the large at {year:g} y"
    observed = cumulative_incidence(outcome, year, censoring=censoring, level=level)
    n, events = observed.n, observed.events
    if events is not None and events < 2:
        told = "no cancers" if events == 0 else "one cancer"
        return unavailable(name, f"{told} by the horizon", n=n, events=events)
    if observed.influence is None or not 0 < observed.value < 1:
        return unavailable(name, observed.reason or "every woman has cancer", n=n, events=events)
    predictor, weight = cloglog(values), outcome.weight / outcome.weight.sum()

    def shifted(shift: float) -> float:
        return float(weight @ -np.expm1(-np.exp(predictor + shift)))

    furthest = 40.0
    if not shifted(-furthest) < observed.value < shifted(furthest):
        return unavailable(name, "no shift gives the observed risk", n=n, events=events)
    value = float(
        brentq(lambda shift: shifted(shift) - observed.value, -furthest, furthest, xtol=1e-12)
    )
    hazard = np.exp(predictor + value)
    slope = float(weight @ (hazard * np.exp(-hazard)))
    return from_influence(
        name,
        value,
        observed.influence / slope,
        outcome,
        events=events,
        null=0.0,
        level=level,
        ddof=0,
        reason=observed.reason,
    )


def calibration_slope(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    method: Method = "auto",
    censoring: Censoring | None = None,
    level: float = 0.95,
) -> Estimate:
    """Calibration slope: the coefficient of the linear predictor in the data.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        In [0, 1].
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    method : {"auto", "pseudo", "logistic", "ipcw", "cox"}
        As :func:`calibration_intercept`. ``"cox"``: Cox model of the complementary log-log of risk,
        follow-up cut at the horizon (competing events censored).
    censoring : Censoring, optional
        As :func:`calibration_intercept`.
    level : float

    Returns
    -------
    Estimate
        1 means calibrated; below 1 the risks are too extreme. p tests against 1.

    See Also
    --------
    calibration_intercept
    calibration_curve : Smooth observed risk over predicted risk.

    Examples
    --------
    >>> from mammorisk.metrics import calibration_slope, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(calibration_slope(outcome, risk, 5))
    calibration slope at 5 y: 0.889 (0.5368 to 1.241)
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    _check_censoring(censoring, method)
    if np.ptp(values[outcome.weight > 0]) == 0:
        return unavailable(
            f"calibration slope at {year:g} y", "every woman has the same risk", n=len(outcome)
        )
    if method == "cox":
        fitted = fit_cox(outcome, cloglog(values)[:, None], horizon=year)
        return _estimate("calibration slope", fitted, 0, 1.0, outcome, year, level)
    fitted = _fit(outcome, values, year, method, censoring, slope=True)
    return _estimate("calibration slope", fitted, 1, 1.0, outcome, year, level)


def _fit(
    outcome: Outcome,
    values: Floats,
    year: float,
    method: Method,
    censoring: Censoring | None,
    *,
    slope: bool,
) -> Fit:
    if method == "in-the-large":
        raise EvaluationError(
            "calibration in the large has no slope", where="method", remedy='Use "pseudo".'
        )
    if method not in ("auto", "pseudo", "logistic", "ipcw", "cox"):
        raise EvaluationError(f"{method!r} is not a known method of calibration", where="method")
    complete = outcome.is_complete(year)
    if method == "auto":
        method = "logistic" if complete else "pseudo"
    one = np.ones((len(outcome), 1))
    predictor = logit(values) if method == "logistic" else cloglog(values)
    design = np.column_stack([one, predictor]) if slope else one
    offset = None if slope else predictor
    if method == "logistic":
        if not complete:
            raise EvaluationError(
                "logistic calibration needs every outcome known by the horizon",
                where="method",
                remedy='Use "pseudo".',
            )
        return fit_glm(outcome.is_case(year).astype(float), design, outcome, "logistic", offset)
    if method == "ipcw":
        weights = (censoring or fit_censoring(outcome)).weights(year)
        case = outcome.is_case(year).astype(float)
        if weights is None or not (weights * case).any():
            return _none(design.shape[1])
        return fit_glm(case, design, outcome.with_weight(weights), "cloglog", offset)
    try:
        response = pseudo_values(outcome, year)
    except EvaluationError:
        return _none(design.shape[1])
    if not outcome.is_case(year)[outcome.weight > 0].any():
        return _none(design.shape[1])
    return fit_glm(response, design, outcome, "pseudo", offset)


def _none(p: int) -> Fit:
    return Fit(
        coef=np.full(p, np.nan),
        covariance=np.full((p, p), np.nan),
        log_likelihood=np.nan,
        converged=False,
    )


def _estimate(
    name: str, fitted: Fit, which: int, null: float, outcome: Outcome, year: float, level: float
) -> Estimate:
    used = outcome.weight > 0
    n, events = int(used.sum()), int((outcome.is_case(year) & used).sum())
    label = f"{name} at {year:g} y"
    if events < 2:
        told = "no cancers" if events == 0 else "one cancer"
        return unavailable(f"{label}", f"{told} by the horizon", n=n, events=events)
    if not fitted.converged or not np.isfinite(fitted.coef).all():
        return unavailable(
            label, "the regression has no solution on these data", n=n, events=events
        )
    value, se = float(fitted.coef[which]), float(fitted.se[which])
    z = normal_quantile(level)
    influence = None if fitted.influence is None else fitted.influence[:, which]
    if events < FEWEST_EVENTS:
        return Estimate(
            name=label,
            value=value,
            n=n,
            events=events,
            influence=influence,
            reason=few_events(events),
        )
    return Estimate(
        name=label,
        value=value,
        se=se,
        lower=value - z * se,
        upper=value + z * se,
        n=n,
        events=events,
        p=two_sided_p((value - null) / se) if se > 0 else float("nan"),
        null=null,
        influence=influence,
    )


def poisson_calibration(
    outcome: Outcome, counts: Floats, horizon: float, *, level: float = 0.95
) -> Estimate:
    """Calibration in the large over follow-up: log of observed over expected cancers.

    Parameters
    ----------
    outcome : Outcome
    counts : array_like, shape (n,)
        Cancers expected during follow-up, for example from :func:`expected_counts`. Rows with an
        expected count of 0 are left out.
    horizon : float
        Years.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        0 means calibrated; p tests against 0. NaN with a reason for fewer than two cancers.

    See Also
    --------
    standardised_incidence_ratio
    calibration_intercept

    References
    ----------
    Crowson 2016, doi 10.1177/0962280213497434.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import example_risks, expected_counts, poisson_calibration
    >>> outcome, risk, other = example_risks()
    >>> risks = np.column_stack([1 - (1 - risk) ** 0.2, risk])
    >>> counts = expected_counts(outcome, risks, (1, 5), 5)
    >>> print(poisson_calibration(outcome, counts, 5))
    calibration intercept (Poisson) at 5 y: -0.0846 (-0.2878 to 0.1186)
    """
    expected = check_risk(outcome, counts)
    year = check_horizon(horizon, outcome)
    rows = np.flatnonzero(expected > 0)
    if len(rows) == 0:
        return unavailable("calibration intercept (Poisson)", "the expected count is 0", n=0)
    some = outcome.take(rows)
    fitted = fit_glm(
        some.is_case(year).astype(float),
        np.ones((len(rows), 1)),
        some,
        "poisson",
        np.log(expected[rows]),
    )
    return _estimate("calibration intercept (Poisson)", fitted, 0, 0.0, some, year, level)
