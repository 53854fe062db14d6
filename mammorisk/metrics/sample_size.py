"""Sample size of a validation study: number of women for intervals of a given width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, ndtri, owens_t

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import check_fraction, check_horizon, normal_quantile
from mammorisk.metrics.links import logit
from mammorisk.metrics.ranking import placements
from mammorisk.metrics.sample_size_simulation import simulated_errors

if TYPE_CHECKING:
    import pandas as pd

#: Formula for the variance of an AUC in the planned study.
AucVariance = Literal["newcombe", "binormal", "distribution"]
Method = Literal["auto", "closed-form", "simulation"]
#: Number of points that represent a normal distribution.
_POINTS = 20_001


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Assumptions about the women of the study; the model is assumed to be calibrated."""

    risk: Floats
    mean: float
    auc: float


def validation_sample_size(
    risk: ArrayLike | None = None,
    *,
    mean_risk: float | None = None,
    auc: float | None = None,
    horizon: float = 5.0,
    censored: float = 0.0,
    competing: float = 0.0,
    threshold: float | None = None,
    oe_width: float | None = 0.2,
    intercept_width: float | None = None,
    slope_width: float | None = 0.2,
    auc_width: float | None = 0.1,
    net_benefit_width: float | None = 0.2,
    auc_variance: AucVariance = "newcombe",
    method: Method = "auto",
    level: float = 0.95,
    women: int = 200_000,
    seed: int = 1,
) -> pd.DataFrame:
    """Number of women needed to validate a model with confidence intervals of given widths.

    Parameters
    ----------
    risk : array_like, shape (m,), optional
        Risks that the model predicts for women like those of the study, in [0, 1]; no outcomes are
        needed. Otherwise ``mean_risk`` and ``auc`` give a normal distribution of the logit of risk.
    mean_risk, auc : float, optional
        Anticipated share with cancer by the horizon, and AUC. The defaults are those of ``risk``.
        If both are given, formulas that need a distribution use ``risk``, the others these values.
    horizon : float
        Years; used with ``censored`` or ``competing``.
    censored : float
        Share of women lost before the horizon if none had an event, at a constant rate.
    competing : float
        Share of women with a competing event by the horizon if none had cancer, at a constant rate.
    threshold : float, optional
        Risk threshold of the net benefit, which is then included.
    oe_width, intercept_width, slope_width, auc_width, net_benefit_width : float or None
        Width of the interval of the ratio of observed to expected cancers, calibration intercept,
        calibration slope, AUC, and net benefit over the share with cancer. None leaves a measure
        out.
    auc_variance : {"newcombe", "binormal", "distribution"}
        Variance of the AUC: by the formula of Newcombe 2006, as in Riley 2021; for scores that are
        normal with equal variance in both groups, as equation 9 of Pavlou 2021; or from the
        distribution of ``risk`` itself.
    method : {"auto", "closed-form", "simulation"}
        ``"closed-form"``: formulas for outcomes known for all. ``"simulation"``: standard errors of
        this package's estimators in one large simulated study (Riley 2022), which shrink with the
        root of the number of women. ``"auto"``: the latter where there is censoring or a competing
        event.
    level : float
        Confidence level of the intervals.
    women : int
        Size of the simulated study. With 200,000 women ``n`` varies by about 2% between seeds.
    seed : int
        Seed of the simulation.

    Returns
    -------
    DataFrame
        Columns ``measure``, ``expected`` (its value), ``width``, ``se`` (the standard error that
        gives the width; of the logarithm for O/E), ``n``, ``cancers`` (expected to be observed by
        the horizon), ``method``. The study needs the largest ``n``.

    Raises
    ------
    EvaluationError
        Values out of range, neither risks nor ``mean_risk`` and ``auc``, or formulas asked for
        censored outcomes.

    See Also
    --------
    expected_observed_ratio
    calibration_slope
    cumulative_dynamic_auc
    net_benefit

    Notes
    -----
    The model is assumed to be calibrated in the women of the study. All formulas are for large
    samples. With few cancers, simulate the whole study (:func:`mammorisk.simulate`).
    The simulation draws cancers at a constant rate for each woman that gives her risk by the
    horizon in the presence of the competing event.

    The widths of Riley 2021 (0.2, 0.2, 0.1, 0.2) need many women if cancers are rare; give larger
    widths if the purpose allows.

    References
    ----------
    Riley 2021, doi 10.1002/sim.9025 (formulas); Pavlou 2021, doi 10.1177/09622802211007522;
    Riley 2022, doi 10.1002/sim.9275 (censored outcomes); Newcombe 2006, doi 10.1002/sim.2324.

    Examples
    --------
    >>> from mammorisk.metrics import validation_sample_size
    >>> needed = validation_sample_size(mean_risk=0.2, auc=0.78, threshold=0.1)
    >>> print(needed[["measure", "width", "n", "cancers"]].to_string())
                        measure  width     n  cancers
    0                       O/E    0.2  1542      308
    1         calibration slope    0.2  2998      600
    2                       AUC    0.1   511      102
    3  standardised net benefit    0.2   350       70
    >>> lost = validation_sample_size(
    ...     mean_risk=0.2, auc=0.78, censored=0.3, competing=0.05, women=50_000
    ... )
    >>> bool(lost["n"].max() > needed["n"].max())
    True
    """
    import pandas as pd

    z = normal_quantile(level)
    year = check_horizon(horizon)
    plan = _plan(risk, mean_risk, auc)
    for name, share in (("censored", censored), ("competing", competing)):
        if not 0 <= share < 1:
            raise EvaluationError(f"{share!r} is not a share", where=name)
    if threshold is not None:
        check_fraction(threshold, "threshold")
    if auc_variance not in ("newcombe", "binormal", "distribution"):
        raise EvaluationError(f"{auc_variance!r} is not a known variance", where="auc_variance")
    if method not in ("auto", "closed-form", "simulation"):
        raise EvaluationError(f"{method!r} is not a known method", where="method")
    known = censored == 0 and competing == 0
    if method == "closed-form" and not known:
        raise EvaluationError(
            "the formulas need outcomes that are known for all women",
            where="method",
            remedy='Use "simulation".',
        )
    widths = {
        "O/E": oe_width,
        "calibration intercept": intercept_width,
        "calibration slope": slope_width,
        "AUC": auc_width,
        "standardised net benefit": None if threshold is None else net_benefit_width,
    }
    wanted = {name: width for name, width in widths.items() if width is not None}
    for name, width in wanted.items():
        if not 0 < width < math.inf:
            raise EvaluationError(f"{width!r} is not a width of the interval of {name}", where=name)
    # Interval of a ratio of 1: exp(-z se) to exp(z se).
    targets = {
        name: math.asinh(width / 2) / z if name == "O/E" else width / (2 * z)
        for name, width in wanted.items()
    }
    simulate = method == "simulation" or not known
    if simulate:
        if women < 1000:
            raise EvaluationError(f"{women!r} women are too few to simulate", where="women")
        values, units, observed = simulated_errors(
            plan.risk, year, censored, competing, threshold, list(wanted), women, seed
        )
    else:
        values, units = _closed_form(plan, threshold, auc_variance, wanted, targets)
        observed = plan.mean
    rows = []
    for name, width in wanted.items():
        n = math.ceil((units[name] / targets[name]) ** 2 - 1e-9)
        rows.append(
            {
                "measure": name,
                "expected": values[name],
                "width": width,
                "se": targets[name],
                "n": n,
                "cancers": round(n * observed),
                "method": "simulation" if simulate else "closed form",
            }
        )
    return pd.DataFrame(rows)


def _plan(risk: ArrayLike | None, mean_risk: float | None, auc: float | None) -> _Plan:
    if mean_risk is not None:
        check_fraction(mean_risk, "mean_risk")
    if auc is not None and not 0.5 < auc < 1:
        raise EvaluationError(f"{auc!r} is not between 0.5 and 1", where="auc")
    if risk is None:
        if mean_risk is None or auc is None:
            raise EvaluationError(
                "the distribution of risks is missing",
                where="risk",
                remedy="Give risks, or mean_risk and auc.",
            )
        return _Plan(risk=normal_risks(mean_risk, auc), mean=mean_risk, auc=auc)
    try:
        values = np.asarray(risk, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise EvaluationError("the values are not numbers", where="risk") from None
    if len(values) < 2 or not np.isfinite(values).all() or (np.abs(values - 0.5) > 0.5).any():
        raise EvaluationError("risks must be at least two numbers in [0, 1]", where="risk")
    if np.ptp(values) == 0 or not 0 < values.mean() < 1:
        raise EvaluationError("every woman has the same risk", where="risk")
    return _Plan(
        risk=values,
        mean=float(values.mean()) if mean_risk is None else mean_risk,
        auc=_auc_of(values) if auc is None else auc,
    )


def _auc_of(risk: Floats) -> float:
    """AUC of calibrated risks."""
    case, control = risk / risk.sum(), (1 - risk) / (1 - risk).sum()
    below, _ = placements(risk, case, control)
    return float(case @ below)


def normal_risks(mean: float, auc: float) -> Floats:
    """Risks whose logit is normal, with a mean and an AUC."""
    normal = ndtri((np.arange(_POINTS) + 0.5) / _POINTS)

    def risks(sd: float) -> Floats:
        def off(centre: float) -> float:
            return float(expit(centre + sd * normal).mean()) - mean

        span = 10 + 6 * sd
        centre = brentq(off, math.log(mean / (1 - mean)) - span, math.log(mean / (1 - mean)) + span)
        return np.asarray(expit(centre + sd * normal))

    def apart(sd: float) -> float:
        return _auc_of(risks(sd)) - auc

    if apart(20.0) < 0:
        raise EvaluationError(f"no distribution of risk has an AUC of {auc:g}", where="auc")
    return risks(float(brentq(apart, 1e-3, 20.0, xtol=1e-6)))


def _closed_form(
    plan: _Plan,
    threshold: float | None,
    auc_variance: AucVariance,
    wanted: dict[str, float],
    targets: dict[str, float],
) -> tuple[dict[str, float], dict[str, float]]:
    """Expected values, and standard errors times the root of the number of women."""
    phi, risk = plan.mean, plan.risk
    predictor, variance = logit(risk), risk * (1 - risk)
    first, second = float(variance.mean()), float((variance * predictor).mean())
    third = float((variance * predictor**2).mean())
    values = {"O/E": 1.0, "calibration intercept": 0.0, "calibration slope": 1.0, "AUC": plan.auc}
    units = {
        "O/E": math.sqrt((1 - phi) / phi),
        "calibration intercept": 1 / math.sqrt(first),
        "calibration slope": math.sqrt(first / (first * third - second**2)),
    }
    if "AUC" in wanted:
        units["AUC"] = _auc_unit(plan, auc_variance, targets["AUC"])
    if threshold is not None:
        # Riley 2021, section 2.4: of the net benefit over the share with cancer.
        positive = risk >= threshold
        sensitivity = float(risk[positive].sum() / risk.sum())
        specificity = float((1 - risk[~positive]).sum() / (1 - risk).sum())
        odds = (1 - phi) / phi * threshold / (1 - threshold)
        values["standardised net benefit"] = sensitivity - (1 - specificity) * odds
        units["standardised net benefit"] = math.sqrt(
            sensitivity * (1 - sensitivity) / phi
            + odds**2 * specificity * (1 - specificity) / (1 - phi)
            + odds**2 * (1 - specificity) ** 2 / (phi * (1 - phi))
        )
    return values, units


def _auc_unit(plan: _Plan, formula: AucVariance, se: float) -> float:
    phi, c = plan.mean, plan.auc
    if formula == "binormal":
        both = c - 2 * float(owens_t(ndtri(c), 1 / math.sqrt(3)))
        return math.sqrt((both - c**2) / (phi * (1 - phi)))
    if formula == "distribution":
        case, control = plan.risk / plan.risk.sum(), (1 - plan.risk) / (1 - plan.risk).sum()
        below, above = placements(plan.risk, case, control)
        area = float(case @ below)
        of_cases, of_controls = case @ (below - area) ** 2, control @ (above - area) ** 2
        return math.sqrt(float(of_cases) / phi + float(of_controls) / (1 - phi))
    # Newcombe's variance also has a term in 1 / n^2: solve for n.
    slope = (1 - c) / (2 - c) + c / (1 + c)
    factor = c * (1 - c) / (phi * (1 - phi))
    a, b, constant = se**2, -factor * slope / 2, -factor * (1 - slope)
    n = (-b + math.sqrt(b**2 - 4 * a * constant)) / (2 * a)
    return se * math.sqrt(n)
