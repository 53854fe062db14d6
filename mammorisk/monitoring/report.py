"""MonitorReport: what a monitor found, as tables, JSON and a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk._utils.output_file import write_output
from mammorisk._utils.style import NOTICE
from mammorisk._utils.utc_time import utc_text
from mammorisk.monitoring.charts import Alarm
from mammorisk.monitoring.devices import Device
from mammorisk.monitoring.page import monitor_page

#: Times of a device.
_TIMES = ("first", "last", "noticed_at", "compared_at")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MonitorReport:
    """Result of :func:`mammorisk.monitor`.

    Attributes
    ----------
    alarms : tuple of Alarm
        In order of time, also those that were acknowledged.
    acknowledged : dict of str to str
        Reason by the id of an alarm.
    devices : tuple of Device
        Devices with their software versions, in the order in which they came.
    summary : DataFrame
        A row for each chart and device: ``exams`` with a value, ``first`` (mean or share of the
        first 200 exams), ``last`` (of the last 100; of a ratio the geometric mean) and
        ``alarms``.
    risk_lines : dict of str to DataFrame
        Smoothed risk relative to age by device, for the figure.
    canary : DataFrame
        Runs of the canary exam.
    observed : DataFrame
        Observed over expected cancers. Empty without outcomes.
    notes : tuple of str
        What limits the report.
    numbers : dict
        Numbers of events, exams and failures, and the settings.

    See Also
    --------
    mammorisk.monitor : Makes the report.

    Examples
    --------
    >>> import mammorisk as mr
    >>> report = mr.monitor("outbox/.queue")  # doctest: +SKIP
    >>> report.is_alarmed  # doctest: +SKIP
    False
    """

    alarms: tuple[Alarm, ...]
    acknowledged: Mapping[str, str]
    devices: tuple[Device, ...]
    summary: pd.DataFrame
    risk_lines: Mapping[str, pd.DataFrame]
    canary: pd.DataFrame
    observed: pd.DataFrame
    notes: tuple[str, ...]
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open_alarms(self) -> tuple[Alarm, ...]:
        """Alarms that were not acknowledged."""
        return tuple(one for one in self.alarms if one.id not in self.acknowledged)

    @property
    def is_alarmed(self) -> bool:
        """Whether there is an alarm that was not acknowledged."""
        return bool(self.open_alarms)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, with times as text (UTC).

        Returns
        -------
        dict
            Fields of the report, with ``id`` and ``acknowledged`` of each alarm.

        Examples
        --------
        >>> import mammorisk as mr
        >>> mr.monitor("outbox/.queue").to_dict()["is_alarmed"]  # doctest: +SKIP
        False
        """
        return {
            "is_alarmed": self.is_alarmed,
            "alarms": [
                {
                    **asdict(one),
                    "at": _utc(one.at),
                    "id": one.id,
                    "acknowledged": self.acknowledged.get(one.id),
                }
                for one in self.alarms
            ],
            "devices": [
                {**asdict(one), **{name: _utc(getattr(one, name)) for name in _TIMES}}
                for one in self.devices
            ],
            "summary": _records(self.summary),
            "canary": [{**row, "at": _utc(row["at"])} for row in _records(self.canary)],
            "observed": _records(self.observed),
            "notes": list(self.notes),
            "numbers": dict(self.numbers),
            "notice": NOTICE,
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as the text of a JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one self-contained HTML page.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            The file cannot be written.

        Examples
        --------
        >>> import mammorisk as mr
        >>> mr.monitor("outbox/.queue").to_html("monitor.html")  # doctest: +SKIP
        """
        return write_output(Path(path), self.to_page(), "the report")

    def to_page(self) -> str:
        """Return the report as the text of an HTML page."""
        told = self.to_dict()
        return monitor_page(told, self.summary, self.risk_lines, self.observed)

    def __repr__(self) -> str:
        lines = [
            f"MonitorReport: {self.numbers['exams']:,} exams, {len(self.devices)} devices, "
            f"{len(self.open_alarms)} open alarms"
        ]
        lines += [f"  ALARM {one.device}: {one.text}" for one in self.open_alarms]
        lines += [
            f"  {one.name}: collecting, {one.exams} exams so far"
            for one in self.devices
            if one.state == "collecting"
        ]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def _utc(at: float | None) -> str | None:
    return None if at is None or not math.isfinite(at) else utc_text(at)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
