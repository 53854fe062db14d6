"""AUC of binary outcomes with DeLong's variance, paired and unpaired comparisons, partial areas."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    Estimate,
    check_horizon,
    check_risk,
    few_events,
    interval,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.metrics.ranking import placements
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class _Components:
    """Share of controls below each case, and of cases above each control."""

    of_cases: Floats
    of_controls: Floats

    @property
    def auc(self) -> float:
        return float(self.of_cases.mean())

    def covariance(self, other: _Components) -> float:
        m, n = len(self.of_cases), len(self.of_controls)
        if m < 2 or n < 2:
            return math.nan
        cases = float(np.cov(self.of_cases, other.of_cases)[0, 1])
        controls = float(np.cov(self.of_controls, other.of_controls)[0, 1])
        return cases / m + controls / n


def _components(outcome: Outcome, risk: Floats, year: float) -> _Components | None:
    """Placements of cases and controls; None where there are none of one kind."""
    score = check_risk(outcome, risk)
    if not outcome.is_complete(year) or outcome.is_weighted or outcome.is_clustered:
        raise EvaluationError(
            "DeLong's variance needs independent, unweighted rows whose outcome is known",
            where="outcome",
            remedy="Use cumulative_dynamic_auc, which allows censoring, weights and clusters.",
        )
    case = outcome.is_case(year)
    if not case.any() or case.all():
        return None
    below, above = placements(score, case / case.sum(), ~case / (~case).sum())
    return _Components(of_cases=below[case], of_controls=above[~case])


def _of_one_class(name: str, outcome: Outcome, year: float) -> Estimate:
    case = outcome.is_case(year)
    told = "there are no cases" if not case.any() else "there are no controls"
    return unavailable(name, told, n=len(outcome), events=int(case.sum()))


def delong_auc(
    outcome: Outcome, risk: Floats, horizon: float | None = None, *, level: float = 0.95
) -> Estimate:
    """Area under the ROC curve with DeLong's standard error.

    Parameters
    ----------
    outcome : Outcome
        Independent, unweighted rows whose outcome by the horizon is known.
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        As pROC's ``ci.auc``; influence values as :func:`cumulative_dynamic_auc`.

    Raises
    ------
    EvaluationError
        Weighted, clustered or censored outcomes.

    See Also
    --------
    auc : Area under the ROC curve at a horizon, with the standard error that fits the data.
    delong_paired : Difference of the AUC of two scores of the same women.
    delong_unpaired : Difference of the AUC in two separate groups of women.

    Notes
    -----
    Not for censored, weighted or clustered rows: use :func:`cumulative_dynamic_auc`.

    References
    ----------
    DeLong 1988, doi 10.2307/2531595.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import delong_auc, example_risks
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> print(delong_auc(known, risk))
    AUC: 0.6771 (0.6195 to 0.7347)
    """
    year = check_horizon(horizon, outcome)
    parts = _components(outcome, risk, year)
    if parts is None:
        return _of_one_class("AUC", outcome, year)
    made = cumulative_dynamic_auc(outcome, risk, year, level=level)
    variance = parts.covariance(parts)
    se = math.sqrt(variance) if variance >= 0 else math.nan
    low, high = interval(parts.auc, se, level=level, bounds=(0.0, 1.0))
    p = two_sided_p((parts.auc - 0.5) / se) if se > 0 else math.nan
    if (fewest := min(len(parts.of_cases), len(parts.of_controls))) < FEWEST_EVENTS:
        kind = "cancer" if fewest == len(parts.of_cases) else "control"
        return replace(
            made, name="AUC", value=parts.auc, se=math.nan, lower=math.nan, upper=math.nan,
            p=math.nan, reason=few_events(fewest, kind),
        )  # fmt: skip
    return replace(made, name="AUC", value=parts.auc, se=se, lower=low, upper=high, p=p, null=0.5)


def auc(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    level: float = 0.95,
) -> Estimate:
    """Area under the ROC curve at a horizon, with the standard error that fits the data.

    DeLong's standard error for independent, unweighted rows whose outcome by the horizon is known,
    otherwise the one from influence values. Both agree in large samples.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]; p against 0.5. NaN with a reason without cancers or controls.

    See Also
    --------
    cumulative_dynamic_auc
    delong_auc : Area under the ROC curve with DeLong's standard error.
    concordance_index

    Notes
    -----
    Cannot be compared between cohorts with different age ranges: age alone separates women with and
    without cancer.

    Examples
    --------
    >>> from mammorisk.metrics import auc, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(auc(outcome, risk, 5))
    AUC at 5 y: 0.6708 (0.6116 to 0.73)
    """
    year = check_horizon(horizon, outcome)
    case = outcome.is_case(year)
    simple = outcome.is_complete(year) and not (outcome.is_weighted or outcome.is_clustered)
    if simple and 1 < case.sum() < len(case) - 1:
        made = delong_auc(outcome, risk, year, level=level)
        fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
        note = fitted.note(year)
        return replace(made, name=f"AUC at {year:g} y", reason=made.reason or note)
    return cumulative_dynamic_auc(outcome, risk, year, censoring=censoring, level=level)


def delong_paired(
    outcome: Outcome,
    first: Floats,
    second: Floats,
    horizon: float | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Difference of the AUC of two scores of the same women.

    Parameters
    ----------
    outcome : Outcome
        Independent, unweighted rows whose outcome by the horizon is known.
    first, second : array_like, shape (n,)
        Scores, higher for more risk.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        ``first`` minus ``second``; p against 0.

    Raises
    ------
    EvaluationError
        Weighted, clustered or censored outcomes.

    See Also
    --------
    difference : Difference of two estimates on the same rows, with their covariance.
    delong_unpaired : Difference of the AUC in two separate groups of women.
    delong_auc : Area under the ROC curve with DeLong's standard error.

    References
    ----------
    DeLong 1988, doi 10.2307/2531595.

    Examples
    --------
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import delong_paired, example_risks
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> print(delong_paired(known, risk, other))
    difference of AUC: 0.02549 (-0.01394 to 0.06492)
    """
    year = check_horizon(horizon, outcome)
    a, b = _components(outcome, first, year), _components(outcome, second, year)
    if a is None or b is None:
        return _of_one_class("difference of AUC", outcome, year)
    variance = a.covariance(a) + b.covariance(b) - 2 * a.covariance(b)
    difference = a.auc - b.auc
    se = math.sqrt(variance) if variance > 0 else 0.0
    low, high = interval(difference, se, level=level)
    if len(a.of_cases) < FEWEST_EVENTS:
        return Estimate(
            name="difference of AUC",
            value=difference,
            n=len(outcome),
            events=len(a.of_cases),
            reason=few_events(len(a.of_cases)),
        )
    return Estimate(
        name="difference of AUC",
        value=difference,
        se=se,
        lower=low,
        upper=high,
        n=len(outcome),
        events=len(a.of_cases),
        p=two_sided_p(difference / se) if se > 0 else math.nan,
        null=0.0,
        reason=None if se > 0 else "both scores order all women alike",
    )


def delong_unpaired(
    first: tuple[Outcome, Floats],
    second: tuple[Outcome, Floats],
    horizon: float | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Difference of the AUC in two separate groups of women.

    Parameters
    ----------
    first, second : tuple of (Outcome, array_like)
        Outcome and score of each group; no woman in both.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        ``first`` minus ``second``. The p value is from a t distribution with Satterthwaite's
        degrees of freedom (Welch), as in pROC's unpaired test.

    Raises
    ------
    EvaluationError
        Weighted, clustered or censored outcomes.

    See Also
    --------
    delong_paired : Difference of the AUC of two scores of the same women.

    References
    ----------
    DeLong 1988, doi 10.2307/2531595.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.records.outcome import Outcome
    >>> from mammorisk.metrics import delong_unpaired, example_risks
    >>> outcome, risk, other = example_risks()
    >>> known = Outcome.binary(outcome.is_case(5))
    >>> half = np.arange(1000) < 500
    >>> first = known.take(half), risk[half]
    >>> print(delong_unpaired(first, (known.take(~half), risk[~half])))
    difference of AUC: -0.04143 (-0.1575 to 0.0746)
    """
    year = check_horizon(horizon, first[0])
    a, b = (_components(outcome, risk, year) for outcome, risk in (first, second))
    if a is None or b is None:
        return _of_one_class("difference of AUC", first[0] if a is None else second[0], year)
    spread_a, spread_b = a.covariance(a), b.covariance(b)
    difference, se = a.auc - b.auc, math.sqrt(spread_a + spread_b)
    size_a = len(a.of_cases) + len(a.of_controls)
    size_b = len(b.of_cases) + len(b.of_controls)
    freedom = (spread_a + spread_b) ** 2 / (spread_a**2 / (size_a - 1) + spread_b**2 / (size_b - 1))
    z = normal_quantile(level)
    parts = (a.of_cases, b.of_cases, a.of_controls, b.of_controls)
    fewest = min(len(part) for part in parts)
    if fewest < FEWEST_EVENTS:
        kind = "cancer" if fewest in (len(a.of_cases), len(b.of_cases)) else "control"
        return Estimate(
            name="difference of AUC",
            value=difference,
            n=size_a + size_b,
            events=len(a.of_cases) + len(b.of_cases),
            reason=f"{few_events(fewest, kind)} (in one of the groups)",
        )
    return Estimate(
        name="difference of AUC",
        value=difference,
        se=se,
        lower=difference - z * se,
        upper=difference + z * se,
        n=size_a + size_b,
        events=len(a.of_cases) + len(b.of_cases),
        p=float(2 * stats.t.sf(abs(difference / se), freedom)) if se > 0 else math.nan,
        null=0.0,
    )
