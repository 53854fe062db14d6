"""Rows of the tables of estimates: the same columns, with the same meaning, in every table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.estimate import Estimate
from mammorisk.records.alignment import Aligned
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome

NO_DIFFERENCE = "no difference"
#: Smaller standard errors are rounding errors, for example of a share of 0 or 1.
_NO_VARIATION = 1e-9


def rows_of(aligned: Aligned, model: str, year: float) -> tuple[Outcome, Floats]:
    """Outcome and risks of the rows with a risk from the model."""
    values = aligned.risks[model][year].to_numpy(dtype=float)
    there = np.isfinite(values)
    if there.all():
        return aligned.outcome, values
    rows = np.flatnonzero(there)
    return aligned.outcome.take(rows), values[rows]


def years_of(aligned: Aligned, model: str) -> list[float]:
    """Horizons in years at which the model has any risk."""
    risks = aligned.risks[model]
    return [float(year) for year in risks.columns if risks[year].notna().any()]


def count(outcome: Outcome, horizon: float | None) -> tuple[int, int, float]:
    """Exams of positive weight, cancers among them by the horizon, and the sum of weights.

    Without a horizon all cancers of the follow-up are counted.
    """
    used = outcome.weight > 0
    case = outcome.event == CANCER if horizon is None else outcome.is_case(horizon)
    return int(used.sum()), int((case & used).sum()), float(outcome.weight.sum())


def row(
    estimate: Estimate,
    measure: str,
    *,
    outcome: Outcome | None = None,
    horizon: float | None = None,
    threshold: float | None = None,
    interval: str,
    null: str | None = None,
    **head: Any,
) -> dict[str, Any]:
    """An estimate as a row.

    Parameters
    ----------
    estimate : Estimate
    measure : str
        Name of the estimand, without its horizon and threshold.
    outcome : Outcome, optional
        The exams that the estimate describes, from which ``n``, ``events`` and ``weight`` are
        counted. Without it they are those of the estimate itself.
    horizon : float, optional
        Years.
    threshold : float, optional
        Adds a column; NaN for measures without a threshold in a table of thresholds.
    interval : str
        Method of the interval.
    null : str, optional
        What the p value tests. Default: the measure at its null value.
    **head
        Columns before ``measure``, such as ``model`` and ``group``.

    Returns
    -------
    dict
        ``head``, ``measure``, ``horizon``, ``value``, ``se``, ``lower``, ``upper``, ``interval``
        (its method), ``p``, ``null`` (what p tests), ``n`` (exams), ``events`` (cancers by the
        horizon, or in follow-up), ``weight`` (sum of weights) and ``reason``.
    """
    n, events, weight = (
        (estimate.n, estimate.events, float(estimate.n))
        if outcome is None
        else count(outcome, horizon)
    )
    has_limits = not math.isnan(estimate.lower)
    reason = estimate.reason
    if has_limits and interval.startswith("normal") and not estimate.se > _NO_VARIATION:
        has_limits, reason = False, reason or "no variation in the sample: no interval"
    if not has_limits and reason is None:
        reason = "no interval is computed"
    tested = not math.isnan(estimate.p)
    if tested and null is None:
        null = f"{measure} = {estimate.null:g}"
    return {
        **head,
        "measure": measure,
        "horizon": math.nan if horizon is None else horizon,
        **({} if threshold is None else {"threshold": threshold}),
        "value": estimate.value,
        "se": estimate.se,
        "lower": estimate.lower if has_limits else math.nan,
        "upper": estimate.upper if has_limits else math.nan,
        "interval": interval if has_limits else None,
        "p": estimate.p,
        "null": null if tested else None,
        "n": n,
        "events": events,
        "weight": weight,
        "reason": reason,
    }


def null_value(null: object) -> float:
    """Number at the end of a text of the column ``null``; 0 for no difference.

    Examples
    --------
    >>> from mammorisk.evaluation.rows import null_value
    >>> null_value("AUC = 0.5"), null_value("no difference"), null_value("calibrated")
    (0.5, 0.0, nan)
    """
    if null == NO_DIFFERENCE:
        return 0.0
    if not isinstance(null, str) or " = " not in null:
        return math.nan
    return float(null.rsplit(" = ", 1)[1])
