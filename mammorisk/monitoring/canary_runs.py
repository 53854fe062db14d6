"""Check of the canary: its risk stays the same to 1e-6, on every day with exams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from mammorisk.monitoring.charts import Alarm
from mammorisk.service.event_log import Event
from mammorisk.service.own_exam import TOLERANCE, risk_difference
from mammorisk.service.watch import CANARY_EVENT

#: What is recorded of a run beside its risk.
_RECORDED = ("model", "software", "weights", "config", "backend", "images_used", "libraries")
_COLUMNS = ["at", "five_year", "difference", "changed", "error"]


def canary_runs(events: Sequence[Event]) -> tuple[pd.DataFrame, list[Alarm]]:
    """Compare each run of the canary with the first one, or the last that gave an alarm.

    Parameters
    ----------
    events : sequence of Event
        All events of a queue.

    Returns
    -------
    runs : DataFrame
        ``at`` (seconds since 1970), ``five_year``, ``difference`` (largest absolute difference of
        a risk), ``changed`` (what is recorded as changed) and ``error``.
    alarms : list of Alarm
        A difference above the tolerance, or an error.
    """
    rows: list[dict[str, Any]] = []
    alarms: list[Alarm] = []
    reference: Mapping[str, Any] | None = None
    for one in events:
        if one.event != CANARY_EVENT:
            continue
        number = len(rows) + 1
        if "error" in one.detail:
            rows.append({"at": one.at, "error": one.detail["error"]})
            text = f"the canary exam cannot be scored ({one.detail['error']})"
            alarms.append(_alarm(number, one.at, text))
            continue
        reference = one.detail if reference is None else reference
        difference = risk_difference(reference["risk"], one.detail["risk"])
        changed = _changed(reference, one.detail)
        rows.append(
            {
                "at": one.at,
                "five_year": one.detail["risk"].get("5"),
                "difference": difference,
                "changed": changed,
                "error": "",
            }
        )
        if difference > TOLERANCE:
            why = changed or "nothing that is recorded"
            text = f"the risk of the canary exam changed by up to {difference:.2g}; changed: {why}"
            alarms.append(_alarm(number, one.at, text))
            reference = one.detail
    return pd.DataFrame(rows, columns=_COLUMNS), alarms


def days_without(events: Sequence[Event], scored_at: Sequence[float]) -> list[str]:
    """Return the days (UTC) on which exams were scored, but not the canary."""
    tested = {_day(one.at) for one in events if one.event == CANARY_EVENT}
    return sorted({_day(at) for at in scored_at} - tested)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _alarm(number: int, at: float, text: str) -> Alarm:
    return Alarm(chart="canary", device="service", exam=number, since=number, at=at, text=text)


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    names = []
    for name in _RECORDED:
        if a.get(name) == b.get(name):
            continue
        if name == "libraries":
            one, other = a.get(name) or {}, b.get(name) or {}
            names += sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
        else:
            names.append(name.replace("_", " "))
    return ", ".join(names)
