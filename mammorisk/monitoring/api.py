"""monitor: changes of a service over time, from its event log."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk.errors import ServiceError
from mammorisk.monitoring.canary_runs import canary_runs, days_without
from mammorisk.monitoring.charts import (
    CHARTS,
    FAILED,
    HOLD,
    Budget,
    ChartSpec,
    alarms_of,
    chart_flags,
    chart_values,
    force_unit_alarms,
    risk_line,
)
from mammorisk.monitoring.devices import Device, devices_of
from mammorisk.monitoring.observations import observations
from mammorisk.monitoring.observed import observed_over_expected
from mammorisk.monitoring.report import MonitorReport
from mammorisk.service.event_log import Event, append_event, read_events
from mammorisk.service.silent import MODE_EVENT, UNBLINDED_EVENT

#: Event of an acknowledgement.
ACKNOWLEDGED_EVENT = "acknowledged"
#: Exams of the last mean of a summary.
_LAST = 100


def monitor(
    queue: str | Path,
    *,
    outcomes: pd.DataFrame | None = None,
    false_alarms: float = Budget.probability,
    within_exams: int = Budget.exams,
) -> MonitorReport:
    """Look for changes of risks, devices and inputs in the event log of a service.

    Each device (manufacturer, model and software version) has its own charts, under each version
    of the risk model, which give alarms after its first 200 exams. A new device or version is
    compared with the exams before it as soon as it has 200. The log is only read; a service may be
    running.

    Parameters
    ----------
    queue : path
        Folder of the queue of ``mammorisk watch`` or ``mammorisk serve``.
    outcomes : DataFrame, optional
        ``study`` (StudyInstanceUID) or ``exam`` (its digest in the log), ``time`` in years and
        ``event`` (0 none, 1 breast cancer, 2 competing), for observed over expected cancers.
    false_alarms : float
        Probability that a device without a change has an alarm within ``within_exams`` exams after
        its first 200, all charts together, from 1e-6 to 0.5.
    within_exams : int
        At least 100.

    Returns
    -------
    MonitorReport

    Raises
    ------
    ServiceError
        There is no queue, or its event log was changed.
    EvaluationError
        The outcomes cannot be used, or an option is out of range.

    See Also
    --------
    mammorisk.evaluate : Discrimination and calibration of a cohort with outcomes.

    Notes
    -----
    Means are watched by two-sided CUSUM charts of the normal scores of sequential ranks, and
    proportions by exact tests of blocks of exams. The alarm of the mean risk, relative to the
    average woman of the same age, is made for a 1.22-fold change.

    Examples
    --------
    >>> import tempfile
    >>> import mammorisk as mr
    >>> from mammorisk.service.job_queue import JobQueue
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with JobQueue(folder) as queue:
    ...         queue.record("canary", {"risk": {"5": 0.016}, "model": "bcrat"})
    ...         queue.record("canary", {"risk": {"5": 0.017}, "model": "bcrat"})
    ...     report = mr.monitor(folder)
    >>> report.is_alarmed
    True
    >>> print(report.alarms[0].text)
    the risk of the canary exam changed by up to 0.001; changed: nothing that is recorded
    """
    budget = Budget(probability=false_alarms, exams=within_exams)
    events = read_events(Path(queue))
    rows = observations(events)
    failed = rows["failed"].astype(bool)
    scored = rows[~failed]
    devices = devices_of(scored)
    canary, alarms = canary_runs(events)
    alarms += alarms_of(FAILED, rows, "service", budget)
    summary = []
    for device, own in devices:
        alarms += device.alarms(HOLD)
        alarms += force_unit_alarms(own, device.name)
        for spec in CHARTS:
            found = alarms_of(spec, own, device.name, budget)
            alarms += found
            summary += _summary(spec, device, own, len(found))
    observed = pd.DataFrame()
    if outcomes is not None:
        observed, of_outcomes = observed_over_expected(rows, outcomes)
        alarms += of_outcomes
    return MonitorReport(
        alarms=tuple(sorted(alarms, key=lambda one: (one.at, one.id))),
        acknowledged=_acknowledged(events),
        devices=tuple(device for device, _ in devices),
        summary=pd.DataFrame(summary, columns=_SUMMARY),
        risk_lines={device.name: risk_line(own) for device, own in devices},
        canary=canary,
        observed=observed,
        notes=_notes(events, scored),
        numbers={
            "events": len(events),
            "exams": len(scored),
            "failed": int(failed.sum()),
            "false_alarms": false_alarms,
            "within_exams": within_exams,
            "hold": HOLD,
        },
    )


def acknowledge(queue: str | Path, report: MonitorReport, reason: str) -> int:
    """Acknowledge the open alarms of a report. The event log keeps the reason.

    Parameters
    ----------
    queue : path
    report : MonitorReport
    reason : str
        What was found, and who decided what.

    Returns
    -------
    int
        Number of alarms.

    Raises
    ------
    ServiceError
        There is no reason, or the log cannot be written.
    """
    if not reason.strip():
        raise ServiceError(
            "no reason was given", where="--acknowledge", remedy="State what was found."
        )
    ids = [one.id for one in report.open_alarms]
    if ids:
        detail = {"alarms": ids, "reason": reason.strip()}
        append_event(Path(queue), "", ACKNOWLEDGED_EVENT, detail)
    return len(ids)


_SUMMARY = ["device", "chart", "exams", "first", "last", "alarms"]


def _summary(
    spec: ChartSpec, device: Device, own: pd.DataFrame, alarms: int
) -> list[dict[str, Any]]:
    told: dict[str, Any] = {"device": device.name, "alarms": alarms}
    if not spec.n_proportions:
        values = chart_values(spec, own)
        if values.empty:
            return []
        title = f"{spec.title} ({spec.unit})" if spec.unit else spec.title
        first, last = values.iloc[:HOLD].mean(), values.iloc[-_LAST:].mean()
        if spec.is_logarithm:
            title, first, last = f"{title} (ratio)", math.exp(first), math.exp(last)
        row = {"chart": title, "exams": len(values), "first": first, "last": last}
        return [told | row]
    flags = chart_flags(spec, own)
    made = []
    for name in flags.columns:
        label = str(name).replace("_", " ")
        title = spec.title if spec.n_proportions == 1 else f"{spec.title}: {label}"
        first, last = flags[name].iloc[:HOLD].mean(), flags[name].iloc[-_LAST:].mean()
        row = {"chart": f"{title} (%)", "exams": len(flags)}
        made.append(told | row | {"first": 100 * first, "last": 100 * last})
    return made


def _acknowledged(events: Sequence[Event]) -> dict[str, str]:
    return {
        name: one.detail["reason"]
        for one in events
        if one.event == ACKNOWLEDGED_EVENT
        for name in one.detail["alarms"]
    }


def _notes(events: Sequence[Event], scored: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    kinds = Counter(one.event for one in events)
    if not kinds["canary"]:
        notes.append("the canary exam was never scored")
    elif days := days_without(events, scored["at"].tolist()):
        notes.append(f"exams but no canary on {len(days)} days, the last {days[-1]}")
    modes = [one for one in events if one.event == MODE_EVENT]
    if modes and modes[-1].detail["silent"]:
        notes.append("silent trial: results are stored and returned to nobody")
    if kinds[UNBLINDED_EVENT]:
        notes.append(f"results of a silent trial were unblinded {kinds[UNBLINDED_EVENT]} times")
    return tuple(notes)
