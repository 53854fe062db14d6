"""ROC curve under censoring: its points, fixed operating points, Youden's cut, partial areas."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    Estimate,
    check_fraction,
    check_horizon,
    check_risk,
    few_events,
    unavailable,
)
from mammorisk.metrics.roc_resampling import resampled_curves
from mammorisk.metrics.time_dependent_auc import Controls
from mammorisk.records.outcome import Outcome

#: How to interpolate between the points of a curve.
Between = Literal["linear", "upper", "none"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RocCurve:
    """Operating points, from no woman positive to all women positive.

    Attributes
    ----------
    threshold : ndarray, shape (k,)
        Positive where the score is at least this; infinite, then the distinct scores descending.
    sensitivity, specificity : ndarray, shape (k,)

    See Also
    --------
    roc_curve : Computes it.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, roc_curve
    >>> outcome, risk, other = example_risks()
    >>> curve = roc_curve(outcome, risk, 5)
    >>> round(float(curve.sensitivity_at(0.9)), 3)
    0.274
    """

    threshold: Floats
    sensitivity: Floats
    specificity: Floats

    def sensitivity_at(self, specificity: float, *, between: Between = "linear") -> float:
        """Sensitivity at a specificity of at least this.

        ``"linear"`` between neighbouring points of the curve, as pROC's ``coords``; ``"upper"``
        between the upper ends of its vertical parts, as R's ``approx(ties=max)``; ``"none"``: the
        best single operating point.
        """
        return largest_at(1 - self.specificity, self.sensitivity, 1 - specificity, between)

    def specificity_at(self, sensitivity: float, *, between: Between = "linear") -> float:
        """Specificity at a sensitivity of at least this."""
        return largest_at(
            1 - self.sensitivity[::-1], self.specificity[::-1], 1 - sensitivity, between
        )

    def partial_area(
        self, low: float, high: float, *, focus: Literal["specificity", "sensitivity"]
    ) -> float:
        """Area under the part of the curve where ``focus`` is between ``low`` and ``high``."""
        if focus == "specificity":
            x, y = 1 - self.specificity, self.sensitivity
        else:
            x, y = 1 - self.sensitivity[::-1], self.specificity[::-1]
        start, end = 1 - high, 1 - low
        grid = np.unique(np.r_[start, x[(x > start) & (x < end)], end])
        total = 0.0
        for left, right in itertools.pairwise(grid):
            total += (right - left) * (_limit(x, y, left, "right") + _limit(x, y, right, "left"))
        return total / 2

    def youden(self) -> tuple[float, float, float]:
        """Threshold, sensitivity and specificity where the sum of both is largest."""
        best = int(np.argmax(np.round(self.sensitivity + self.specificity, 12)))
        cut = self.threshold[best]
        below = self.threshold[best + 1] if best + 1 < len(self.threshold) else cut
        if np.isfinite(cut):
            cut = (cut + below) / 2
        return float(cut), float(self.sensitivity[best]), float(self.specificity[best])


def standardised_partial_auc(area: float, low: float, high: float) -> float:
    """Partial area under the ROC curve on the scale of the full area.

    Parameters
    ----------
    area : float
        Partial area from :meth:`RocCurve.partial_area`.
    low, high : float
        Range of specificity or sensitivity of that area.

    Returns
    -------
    float
        0.5 is no better than chance, 1 is perfect.

    See Also
    --------
    roc_curve : ROC curve of cancer within the horizon, censoring- and sampling-weighted.

    References
    ----------
    McClish 1989, doi 10.1177/0272989X8900900307.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, roc_curve, standardised_partial_auc
    >>> outcome, risk, other = example_risks()
    >>> area = roc_curve(outcome, risk, 5).partial_area(0.8, 1, focus="specificity")
    >>> print(round(standardised_partial_auc(area, 0.8, 1), 3))
    0.581
    """
    width = high - low
    smallest = (1 - low) ** 2 / 2 - (1 - high) ** 2 / 2
    return (1 + (area - smallest) / (width - smallest)) / 2


def largest_at(x: Floats, y: Floats, wanted: float, between: Between = "linear") -> float:
    """Largest ``y`` where the ascending ``x`` is at most ``wanted``."""
    within = x <= wanted + 1e-12
    best = float(y[within].max())
    beyond = np.flatnonzero(~within)
    if between == "none" or len(beyond) == 0:
        return best
    if between == "upper":
        ends = np.append(np.flatnonzero(np.diff(x) > 0), len(x) - 1)
        return float(np.interp(wanted, x[ends], y[ends]))
    k, last = beyond[0], np.flatnonzero(within)[-1]
    return float(y[last] + (wanted - x[last]) / (x[k] - x[last]) * (y[k] - y[last]))


def _limit(x: Floats, y: Floats, at: float, side: str) -> float:
    """Value of a piecewise linear curve at a point; at a jump, its limit from one side."""
    here = np.flatnonzero(x == at)
    if len(here):
        return float(y[here].max() if side == "right" else y[here].min())
    return float(np.interp(at, x, y))


def roc_curve(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    controls: Controls = "not_case",
    censoring: Censoring | Ties = "riskregression",
) -> RocCurve | None:
    """ROC curve of cancer within the horizon, censoring- and sampling-weighted.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    controls : {"not_case", "event_free"}
        Women without cancer; see :func:`cumulative_dynamic_auc`.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.

    Returns
    -------
    RocCurve or None
        None without cases or controls, or where nobody is followed to the horizon.

    Raises
    ------
    EvaluationError
        ``controls`` is not a known definition of controls.

    See Also
    --------
    cumulative_dynamic_auc
    operating_point : Sensitivity at a fixed specificity, or specificity at a fixed sensitivity.
    standardised_partial_auc : Partial area under the ROC curve on the scale of the full area.

    References
    ----------
    Heagerty, Lumley, Pepe 2000, doi 10.1111/j.0006-341X.2000.00337.x; Uno 2007, doi
    10.1198/016214507000000149.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, roc_curve
    >>> outcome, risk, other = example_risks()
    >>> curve = roc_curve(outcome, risk, 5)
    >>> print(round(curve.sensitivity_at(0.9), 3))
    0.274
    """
    score = check_risk(outcome, risk)
    year = check_horizon(horizon, outcome)
    if controls not in ("not_case", "event_free"):
        raise EvaluationError(
            f"{controls!r} is not a known definition of controls", where="controls"
        )
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    weights = fitted.weights(year)
    if weights is None:
        return None
    case = outcome.is_case(year)
    cases, others = np.where(case, weights, 0.0), np.where(case, 0.0, weights)
    if controls == "event_free":
        others[outcome.is_competing(year)] = 0.0
    if not cases.sum() > 0 or not others.sum() > 0:
        return None
    threshold, place = np.unique(-score[weights > 0], return_inverse=True)
    found = np.cumsum(np.bincount(place, cases[weights > 0])) / cases.sum()
    false = np.cumsum(np.bincount(place, others[weights > 0])) / others.sum()
    return RocCurve(
        threshold=np.r_[np.inf, -threshold],
        sensitivity=np.minimum(np.r_[0.0, found], 1.0),
        specificity=np.maximum(1 - np.r_[0.0, false], 0.0),
    )


def operating_point(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    specificity: float | None = None,
    sensitivity: float | None = None,
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> Estimate:
    """Sensitivity at a fixed specificity, or specificity at a fixed sensitivity.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    specificity, sensitivity : float, optional
        One of them, between 0 and 1.
    resamples : int
        Number of bootstrap samples for the standard error and the percentile interval. They are
        stratified by outcome; women are drawn if rows are clustered. (Influence values would need
        the density of scores.)
    seed : int
        Seed of the bootstrap.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]; no interval with fewer than ten cancers.

    Raises
    ------
    EvaluationError
        Neither or both of ``specificity`` and ``sensitivity``, or one outside (0, 1).

    See Also
    --------
    roc_curve : ROC curve of cancer within the horizon, censoring- and sampling-weighted.
    classification_measure

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, operating_point
    >>> outcome, risk, other = example_risks()
    >>> print(operating_point(outcome, risk, 5, specificity=0.9, resamples=100))
    sensitivity at specificity 0.9 at 5 y: 0.2742 (0.1655 to 0.3801)
    """
    if (specificity is None) == (sensitivity is None):
        raise EvaluationError("give either a specificity or a sensitivity", where="fixed_point")
    wanted = (
        check_fraction(specificity, "specificity")
        if specificity is not None
        else check_fraction(sensitivity, "sensitivity")  # type: ignore[arg-type]
    )
    score, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    told = "sensitivity at specificity" if specificity is not None else "specificity at sensitivity"
    name = f"{told} {wanted:g} at {year:g} y"
    n, events = int((outcome.weight > 0).sum()), int(outcome.is_case(year).sum())
    censoring = fit_censoring(outcome)
    curve, weights = roc_curve(outcome, score, year, censoring=censoring), censoring.weights(year)
    if curve is None or weights is None:
        return unavailable(
            name, "no cases or controls, or no follow-up to the horizon", n=n, events=events
        )
    value = (
        curve.sensitivity_at(wanted) if specificity is not None else curve.specificity_at(wanted)
    )
    if events < FEWEST_EVENTS:
        return Estimate(name=name, value=value, n=n, events=events, reason=few_events(events))
    found = []
    for true, false in resampled_curves(outcome, score, year, weights, resamples, seed):
        if true[-1] > 0 and false[-1] > 0:
            true, false = true / true[-1], false / false[-1]
            found.append(
                largest_at(false, true, 1 - wanted)
                if specificity is not None
                else largest_at(1 - true[::-1], 1 - false[::-1], 1 - wanted)
            )
    tail = (1 - level) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Estimate(
        name=name,
        value=value,
        se=float(np.std(found, ddof=1)),
        lower=float(low),
        upper=float(high),
        n=n,
        events=events,
    )
