"""Cumulative/dynamic area under the ROC curve at a horizon."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    from_influence,
    unavailable,
)
from mammorisk.metrics.ranking import placements
from mammorisk.records.outcome import Outcome

#: Definition of controls in the presence of competing events.
Controls = Literal["not_case", "event_free"]


def cumulative_dynamic_auc(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    controls: Controls = "not_case",
    censoring: Censoring | Ties = "riskregression",
    censoring_known: bool = False,
    level: float = 0.95,
) -> Estimate:
    """Probability that a woman with cancer within the horizon has a higher score than one without.

    Weighted by the inverse probability of censoring; ties in the score count one half.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    controls : {"not_case", "event_free"}
        ``"not_case"``: event-free beyond the horizon, or a competing event within it
        (riskRegression; definition 2 of Blanche 2013). ``"event_free"``: the former only
        (definition 1). The same without competing events.
    censoring : Censoring or str
        See :func:`~mammorisk.metrics.censoring.fit_censoring`; fit it once for many calls.
    censoring_known : bool
        Leave out the uncertainty of the estimated censoring weights
        (``conservative=TRUE`` of riskRegression).
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1], with influence values; p against 0.5. NaN with a reason without cases or
        controls, or where nobody is followed beyond the horizon.

    Raises
    ------
    EvaluationError
        The length of the risks is wrong, or an option is unknown.

    See Also
    --------
    auc : Area under the ROC curve at a horizon, with the standard error that fits the data.
    delong_auc : Area under the ROC curve with DeLong's standard error.
    roc_curve : ROC curve of cancer within the horizon, censoring- and sampling-weighted.
    concordance_index
    difference : Difference of two estimates on the same rows, with their covariance.

    Notes
    -----
    With late entry the weights are also divided by the probability of having entered, so that the
    estimate is for all women from their exam onwards, and not only for those under observation.

    The interval is normal on the scale of the AUC itself, limited to [0, 1]. There is no interval
    with fewer than ten cancers.

    References
    ----------
    Blanche, Dartigues, Jacqmin-Gadda 2013, Statistics in Medicine 32:5381, doi 10.1002/sim.5958.

    Examples
    --------
    >>> from mammorisk.metrics import cumulative_dynamic_auc, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(cumulative_dynamic_auc(outcome, risk, 5))
    AUC at 5 y: 0.6708 (0.6116 to 0.73)
    >>> print(cumulative_dynamic_auc(outcome, risk, 5, controls="event_free"))
    AUC at 5 y: 0.6674 (0.6078 to 0.727)
    """
    score = check_risk(outcome, risk)
    year = check_horizon(horizon, outcome)
    if controls not in ("not_case", "event_free"):
        raise EvaluationError(
            f"{controls!r} is not a known definition of controls", where="controls"
        )
    name = f"AUC at {year:g} y"
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    weights = fitted.weights(year)
    case = outcome.is_case(year)
    counts = outcome.weight > 0
    n, events = int(counts.sum()), int((case & counts).sum())
    if weights is None:
        return unavailable(
            name, "nobody is followed to the horizon, so censoring weights are undefined",
            n=n, events=events,
        )  # fmt: skip
    as_case = np.where(case, weights, 0.0)
    as_control = np.where(case, 0.0, weights)
    if controls == "event_free":
        as_control[outcome.is_competing(year)] = 0.0
    total_cases, total_controls = float(as_case.sum()), float(as_control.sum())
    if not total_cases > 0 or not total_controls > 0:
        missing = "no cases" if not total_cases > 0 else "no controls"
        return unavailable(name, f"{missing} at the horizon", n=n, events=events)
    below, above = placements(score, as_case / total_cases, as_control / total_controls)
    value = float(as_case @ below) / total_cases
    influence = (below - value) * (as_case / total_cases)
    influence += (above - value) * (as_control / total_controls)
    if not censoring_known:
        influence = influence + fitted.correction(influence, year)
    return from_influence(
        name,
        value,
        influence,
        outcome,
        events=events,
        null=0.5,
        level=level,
        bounds=(0.0, 1.0),
        reason=fitted.note(year),
    )
