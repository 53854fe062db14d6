"""Observations of a monitor: one row an exam, read from the events of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.service.event_log import Event

#: Largest difference between the ages in questionnaire and header that is no contradiction.
_AGE_TOLERANCE_YEARS = 1
_UNKNOWN = "not stated"


def observations(events: Sequence[Event]) -> pd.DataFrame:
    """Return the exams that were scored, in order of time.

    Of an exam that was scored several times, because a view or answers came late, only the first
    job that was done counts: its observations would not be independent. An exam that failed before
    is one more row.

    Parameters
    ----------
    events : sequence of Event

    Returns
    -------
    DataFrame
        ``job``, ``exam``, ``at`` (seconds since 1970), ``model``, ``failed``, ``device``
        (manufacturer and model), ``software``, ``model_version`` (of the risk model), and the
        values and flags of the charts. A job that failed has no values.
    """
    exam_of = {one.job: one.detail.get("exam", one.job) for one in events if one.event == "added"}
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for one in events:
        if one.event not in ("done", "failed"):
            continue
        if one.event == "done" and "facts" not in one.detail:
            continue
        exam = exam_of.get(one.job, one.job)
        if (one.event, exam) in seen:
            continue
        seen.add((one.event, exam))
        row = {"job": one.job, "exam": exam, "at": one.at, "failed": one.event == "failed"}
        rows.append(row | (_values(one.detail) if one.event == "done" else {}))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


_VALUES = ("log_risk", "relative_log_risk", "thickness_mm", "force", "kvp", "glandular_dose_mgy")
_MEASURES = ("percent_density", "guard_distance", "unknown_answers")
_TOLD = ("density", "anode_filter", "refused", "outside_domain", "images_used", "known")
_COLUMNS = (
    *("job", "exam", "at", "failed", "model", "device", "software"),
    *("model_version", "risk"),
    *(*_VALUES, *_MEASURES, *_TOLD, "age_mismatch"),
)


def _values(detail: dict[str, Any]) -> dict[str, Any]:
    facts = detail["facts"]
    maker, device = facts["manufacturer"], facts["device_model"]
    asked, stated = facts["questionnaire_age"], facts["header_age"]
    both = asked is not None and stated is not None
    return {
        "model": detail.get("model"),
        "model_version": facts["model_version"],
        "risk": facts["risk"],
        "device": " ".join(one for one in (maker, device) if one) or _UNKNOWN,
        "software": facts["software"] or _UNKNOWN,
        **{name: facts[name] for name in _VALUES if name != "relative_log_risk"},
        "relative_log_risk": _difference(facts["log_risk"], facts["log_average_risk"]),
        "percent_density": facts["percent_density"],
        "guard_distance": facts["guard_distance"],
        "unknown_answers": len(FIELDS) - len(facts["known"]),
        "density": facts["density"],
        "anode_filter": facts["anode_filter"],
        "refused": bool(facts["refusals"]),
        "outside_domain": facts["outside_domain"],
        "images_used": facts["images_used"],
        "known": tuple(facts["known"]),
        "age_mismatch": abs(asked - stated) > _AGE_TOLERANCE_YEARS if both else False,
    }


def _difference(a: float | None, b: float | None) -> float:
    return np.nan if a is None or b is None else a - b


def values_of(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return the known values of a column as numbers, indexed by the position of the exam."""
    found: pd.Series = pd.to_numeric(rows[column].reset_index(drop=True), errors="coerce")
    known: pd.Series = found[np.isfinite(found)]
    return known
