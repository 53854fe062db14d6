"""Devices and software versions: a new one is held, then compared with the exams before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from scipy import stats

from mammorisk.monitoring.charts import CHARTS, HOLD, Alarm, ChartSpec, chart_flags
from mammorisk.monitoring.observations import values_of

#: Probability of a false alarm of a comparison, for all its tests together.
_LEVEL = 0.001
#: Largest number of exams with which a new device is compared: the last before it came.
_REFERENCE_EXAMS = 2000
#: Exams from which on a device is not a visitor's.
_STRAY = 5
#: Fewest exams with which it can be compared.
_FEWEST = 50

#: ``"collecting"``: fewer exams than are needed. ``"monitored"``: its charts give alarms.
State = Literal["collecting", "monitored"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference between the first exams of a device and the exams before it.

    Attributes
    ----------
    chart : str
    text : str
    p : float
    is_expected : bool
        Whether devices of two vendors differ in this anyway.
    """

    chart: str
    text: str
    p: float
    is_expected: bool


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device with one software version.

    Attributes
    ----------
    name : str
        Manufacturer, model and software of the device, and version of the risk model.
    state : {"collecting", "monitored"}
    exams : int
    first, last : float
        Times of its first and last exam, seconds since 1970.
    news : str
        What is new: ``"device"``, ``"software of the device"`` or ``"version of the risk model"``.
        Empty for the devices with which the log begins.
    noticed_at : float
        Time of its fifth exam: fewer may be of a visitor.
    compared_at : float
        Time of the last exam of the comparison.
    compared_with : str
        What its first exams were compared with. Empty for the first device, and before.
    differences : tuple of Difference
    """

    name: str
    state: State
    exams: int
    first: float
    last: float
    news: str = ""
    noticed_at: float = math.nan
    compared_at: float = math.nan
    compared_with: str = ""
    differences: tuple[Difference, ...] = ()

    def alarms(self, hold: int) -> list[Alarm]:
        """Return an alarm for a new device, and one for each difference from the exams before.

        A difference that vendors have anyway is no alarm.

        Parameters
        ----------
        hold : int
            Number of exams that were compared.
        """
        found = []
        if self.news:
            found.append(
                Alarm(
                    chart="new_device",
                    device=self.name,
                    exam=_STRAY,
                    since=1,
                    at=self.noticed_at,
                    text=f"new {self.news}; its charts hold for {hold} exams",
                )
            )
        return found + [
            Alarm(
                chart=one.chart,
                device=self.name,
                exam=hold,
                since=1,
                at=self.compared_at,
                text=f"compared with {self.compared_with}: {one.text}",
            )
            for one in self.differences
            if not one.is_expected
        ]


def devices_of(rows: pd.DataFrame, hold: int = HOLD) -> list[tuple[Device, pd.DataFrame]]:
    """Return each device, by its versions, with its exams, in the order in which they came.

    Parameters
    ----------
    rows : DataFrame
        Observations without the jobs that failed.
    hold : int
        Number of exams that are collected before a comparison.
    """
    found = []
    groups = rows.groupby(["device", "software", "model_version"], sort=False)
    for (device, software, version), own in groups:
        first, last = float(own["at"].iloc[0]), float(own["at"].iloc[-1])
        name = f"{device}, software {software}, risk model {version}"
        told: dict[str, Any] = {"name": name, "exams": len(own), "first": first, "last": last}
        before = rows[rows["at"] < first]
        if len(before) >= hold and len(own) >= _STRAY:
            told |= {
                "news": _news(before, str(device), str(software)),
                "noticed_at": float(own["at"].iloc[_STRAY - 1]),
            }
        state: State = "collecting" if len(own) < hold else "monitored"
        if state == "monitored":
            told |= _compared(before, own.iloc[:hold], str(device))
        found.append((Device(state=state, **told), own))
    return found


def _news(before: pd.DataFrame, device: str, software: str) -> str:
    same = before[before["device"] == device]
    if same.empty:
        return "device"
    is_known = (same["software"] == software).any()
    return "version of the risk model" if is_known else "software of the device"


def _compared(before: pd.DataFrame, own: pd.DataFrame, device: str) -> dict[str, Any]:
    same = before[before["device"] == device]
    is_same = len(same) >= _FEWEST
    reference = (same if is_same else before).tail(_REFERENCE_EXAMS)
    if len(reference) < _FEWEST:
        return {}
    makers = set(reference["device"].str.split().str[0]) | {device.split()[0]}
    differences = []
    for spec in CHARTS:
        for text, p in _tests(spec, reference, own):
            if p < _LEVEL / len(CHARTS):
                differences.append(
                    Difference(
                        chart=spec.name,
                        text=f"{spec.title}: {text}",
                        p=p,
                        is_expected=spec.differs_by_vendor and len(makers) > 1,
                    )
                )
    what = "the versions before" if is_same else "the devices before"
    return {
        "compared_with": f"{what} ({len(reference):,} exams)",
        "compared_at": float(own["at"].iloc[-1]),
        "differences": tuple(differences),
    }


def _tests(spec: ChartSpec, reference: pd.DataFrame, own: pd.DataFrame) -> list[tuple[str, float]]:
    if spec.n_proportions:
        return _proportions(spec, reference, own)
    if spec.name == "dose_for_thickness":
        return _means(spec, _dose_per_mm(reference), _dose_per_mm(own))
    return _means(spec, values_of(reference, spec.column), values_of(own, spec.column))


def _dose_per_mm(rows: pd.DataFrame) -> pd.Series:
    dose, thickness = values_of(rows, "glandular_dose_mgy"), values_of(rows, "thickness_mm")
    return (dose / thickness).dropna()


def _means(spec: ChartSpec, before: pd.Series, after: pd.Series) -> list[tuple[str, float]]:
    if len(before) < _FEWEST or len(after) < _FEWEST:
        return []
    p = float(stats.mannwhitneyu(before, after).pvalue)
    if spec.name == "log_risk":
        return [(f"{math.exp(after.mean() - before.mean()):.2f} times that before", p)]
    unit = f" {spec.unit}" if spec.unit else ""
    return [(f"mean {after.mean():.3g}{unit}, before {before.mean():.3g}{unit}", p)]


def _proportions(
    spec: ChartSpec, reference: pd.DataFrame, own: pd.DataFrame
) -> list[tuple[str, float]]:
    both = pd.concat([reference, own], ignore_index=True)
    flags = chart_flags(spec, both)
    is_own = flags.index >= len(reference)
    after, before = flags[is_own], flags[~is_own]
    if not len(after) or not len(before):
        return []
    found = []
    for column in flags.columns:
        a, b = int(after[column].sum()), int(before[column].sum())
        table = [[a, len(after) - a], [b, len(before) - b]]
        # Bonferroni over the proportions of a chart.
        p = min(1.0, float(stats.fisher_exact(table).pvalue) * spec.n_proportions)
        name = str(column).replace("_", " ")
        text = f"{name} {100 * a / len(after):.1f}%, before {100 * b / len(before):.1f}%"
        found.append((text, p))
    return found
