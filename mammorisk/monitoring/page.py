"""HTML page of a monitor, in one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from mammorisk._utils.page import Section, drawn, folded, html_page
from mammorisk._utils.style import COLOURS, DASHES
from mammorisk.evaluation.plots.look import PAGE, unless_set
from mammorisk.evaluation.table_text import as_html

#: Devices in the figure: those with the most exams.
_DRAWN = 6
_RUNS = 30


def monitor_page(
    told: Mapping[str, Any],
    summary: pd.DataFrame,
    risk_lines: Mapping[str, pd.DataFrame],
    observed: pd.DataFrame,
) -> str:
    """Build the page.

    Parameters
    ----------
    told : mapping
        As :meth:`MonitorReport.to_dict` returns it.
    summary : DataFrame
        Charts by device.
    risk_lines : mapping of str to DataFrame
        Smoothed risk by device.
    observed : DataFrame
        Observed over expected cancers.
    """
    is_open = [one for one in told["alarms"] if one["acknowledged"] is None]
    known = [one for one in told["alarms"] if one["acknowledged"] is not None]
    numbers = told["numbers"]
    lead = (
        f"<p>{numbers['exams']:,} exams, {numbers['failed']:,} failed, "
        f"{numbers['events']:,} events. "
        + (f"<b>{len(is_open)} open alarms.</b>" if is_open else "<b>No open alarms.</b>")
        + "</p>"
    )
    sections = [
        Section(key="alarms", title="Open alarms", parts=[_alarms(is_open) or "<p>None.</p>"]),
        Section(key="notes", title="Notes", parts=[_list(told["notes"])]),
        Section(
            key="risk",
            title="Risk relative to age",
            parts=[_risk_figure(risk_lines, told["alarms"]), _RISK_TEXT],
        ),
        Section(key="devices", title="Devices", parts=[_devices(told["devices"])]),
        Section(key="charts", title="Charts", parts=_charts(summary)),
        Section(key="canary", title="Canary exam", parts=[_canary(told["canary"])]),
        Section(
            key="observed",
            title="Observed over expected cancers",
            parts=[as_html(observed) if len(observed) else ""],
        ),
        Section(key="known", title="Acknowledged alarms", parts=[_alarms(known)]),
        Section(key="limits", title="Limits", parts=[_limits(numbers)]),
    ]
    return html_page("Monitor of the risk service", sections, lead=lead)


_RISK_TEXT = (
    "<p class='legend'>Exponentially weighted geometric mean of the risk over five years, divided "
    "by that of the average woman of the same age; each exam has weight 0.02. Triangles are alarms "
    "of the mean risk.</p>"
)


def _limits(numbers: Mapping[str, Any]) -> str:
    return (
        f"<p>Charts of a device give alarms after its first {numbers['hold']:,} exams. A device "
        f"without a change has an alarm within the next {numbers['within_exams']:,} exams with "
        f"probability {numbers['false_alarms']:g}, all charts together. A chart starts again after "
        "an alarm. No alarm is no proof that nothing changed.</p>"
    )


def _list(texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(one)}</li>" for one in texts)
    return f"<ul>{items}</ul>" if items else ""


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> str:
    if not alarms:
        return ""
    rows = [
        {
            "found (UTC)": str(one["at"]).replace("T", " ").removesuffix("Z"),
            "change": one["text"],
            "device": one["device"],
            "exam": f"{one['exam']:,}",
            "probably since exam": f"{one['since']:,}",
        }
        | ({"acknowledged": one["acknowledged"]} if one["acknowledged"] is not None else {})
        for one in alarms
    ]
    return as_html(pd.DataFrame(rows))


def _devices(devices: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in devices:
        found = [
            f"{other['text']} (p {_p(other['p'])})"
            + (", expected between vendors" if other["is_expected"] else "")
            for other in one["differences"]
        ]
        compared = f"{one['compared_with']}: {'; '.join(found) or 'no difference'}"
        rows.append(
            {
                "device": one["name"],
                "state": one["state"],
                "exams": one["exams"],
                "first": one["first"][:10],
                "last": one["last"][:10],
                "compared with": compared if one["compared_with"] else "",
            }
        )
    return as_html(pd.DataFrame(rows)) if rows else ""


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.1g}"


def _charts(summary: pd.DataFrame) -> list[str]:
    made = []
    for device, own in summary.groupby("device", sort=False):
        shown = own.drop(columns="device").rename(
            columns={"first": "first 200 exams", "last": "last 100 exams"}
        )
        for name in ("first 200 exams", "last 100 exams"):
            shown[name] = shown[name].map("{:.3g}".format)
        made.append(folded(str(device), as_html(shown)))
    return made


def _canary(runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return ""
    last = runs[-_RUNS:][::-1]
    rows = [
        {
            "run (UTC)": str(one["at"]).replace("T", " ").removesuffix("Z"),
            "five-year risk": "" if one["five_year"] is None else f"{one['five_year']:.8f}",
            "difference": "" if one["difference"] is None else f"{one['difference']:.1e}",
            "changed": one["changed"] or "",
            "error": one["error"] or "",
        }
        for one in last
    ]
    text = f"<p class='legend'>The last {len(rows)} of {len(runs):,} runs.</p>"
    return as_html(pd.DataFrame(rows)) + text


def _risk_figure(lines: Mapping[str, pd.DataFrame], alarms: Sequence[Mapping[str, Any]]) -> str:
    drawable = {name: line for name, line in lines.items() if len(line) > 1}
    names = sorted(drawable, key=lambda one: len(drawable[one]), reverse=True)[:_DRAWN]
    if not names:
        return ""
    import matplotlib.pyplot as plt

    with plt.rc_context(unless_set(PAGE)):
        figure, ax = plt.subplots(figsize=(8.4, 3.6), layout="constrained")
        for i, name in enumerate(one for one in drawable if one in names):
            line = drawable[name]
            times = pd.to_datetime(line["at"], unit="s")
            # The last exam of each day: a line within a day would be vertical.
            ends = ~times.dt.date.duplicated(keep="last")
            look: Any = {"color": COLOURS[i], "ls": DASHES[i]}
            # Names come from headers: a dollar would begin a formula.
            label = name.replace("$", r"\$")
            ax.plot(times[ends], line["ratio"][ends], label=label, **look)
            found = [
                one["exam"] - 1
                for one in alarms
                if (one["device"], one["chart"]) == (name, "log_risk") and one["exam"] > 1
            ]
            there = [at for at in found if at in line.index]
            ax.plot(times[there], line["ratio"][there], "v", color=COLOURS[i], ms=9)
        ax.set_ylabel("risk relative to age")
        ax.axhline(1, color="0.7", lw=0.8, zorder=0)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False)
        return drawn(figure, "Risk relative to age by device over time")
