"""Findings of a result as text and HTML, for review."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from mammorisk._utils.page import drawn
from mammorisk.prediction.plain import warning_text

if TYPE_CHECKING:
    from mammorisk.findings.findings import Findings

#: Stated with all findings.
_MEANING = "Scores order findings. They are not risks, and no risk depends on them."
_COLUMNS = {
    "finding_id": "finding",
    "view": "view",
    "type": "type",
    "score": "score",
    "size_mm": "size, mm",
    "quadrant": "quadrant",
    "depth": "depth",
    "pair_id": "pair",
}
#: Digits of numbers.
_DIGITS = {"score": 2, "size_mm": 0, "depth": 2}


def findings_line(findings: Mapping[str, Any]) -> str:
    """Return the findings as one line of text.

    Parameters
    ----------
    findings : mapping
        As :meth:`mammorisk.Findings.to_dict` returns it.
    """
    places = ", ".join(f"{one['view']} {one['type']}" for one in findings["findings"])
    return f"findings for review ({findings['model']}): {places or 'none'}"


def findings_html(findings: Mapping[str, Any]) -> str:
    """Return the table of findings with the warnings about the search.

    Parameters
    ----------
    findings : mapping
        As :meth:`mammorisk.Findings.to_dict` returns it.
    """
    header = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS.values())
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(one, name))}</td>" for name in _COLUMNS) + "</tr>"
        for one in findings["findings"]
    )
    table = (
        f"<div class='wide' style='overflow-x:auto'><table><thead><tr>{header}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else "<p>No finding above the operating points of the detector.</p>"
    )
    notes = "".join(f"<li>{escape(warning_text(one))}</li>" for one in findings["warnings"])
    return f"<p>Detector {escape(findings['model'])}. {_MEANING}</p>{table}" + (
        f"<ul>{notes}</ul>" if notes else ""
    )


def findings_picture(findings: Findings) -> str:
    """Return the views with a box around each finding, as an HTML element."""
    figure: Any = findings.plot().figure
    return drawn(figure, "the views, with a box around each finding", dpi=80)


def _cell(finding: Mapping[str, Any], name: str) -> str:
    value = finding[name]
    if value is None:
        return ""
    return f"{value:.{_DIGITS[name]}f}" if name in _DIGITS else str(value)
