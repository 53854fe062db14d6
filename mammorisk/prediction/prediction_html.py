"""A result as HTML: for notebooks, and as a page in one file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from mammorisk._utils.style import NOTICE
from mammorisk.prediction.findings_html import findings_html
from mammorisk.prediction.percent import horizon_name, percent
from mammorisk.prediction.plain import warning_text
from mammorisk.prediction.policy_result import marks

# Five horizons fit a telephone of 390 px: labels wrap, and cells have little padding.
_CELL = "style='text-align:right;padding:2px 4px;min-width:0;white-space:nowrap'"
_LABEL = (
    "style='text-align:left;padding:2px 4px;min-width:0;overflow-wrap:anywhere;"
    "border-bottom:1px solid #ddd'"
)
_TABLE = "style='border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums'"


def without_risk(result: Mapping[str, Any]) -> list[str]:
    """Return one line per baseline without any risk, with the reason."""
    reasons = result["provenance"].get("baseline_warnings", {})
    silent = [
        name
        for name, risks in result["baselines"].items()
        if all(risk is None for risk in risks.values())
    ]
    return [
        f"{name} gives no risk: "
        + ("; ".join(one["text"] for one in reasons.get(name, ())) or "not applicable")
        for name in silent
    ]


def density_text(density: Mapping[str, Any]) -> str:
    """Return breast density and its source as a sentence."""
    if not density.get("category"):
        return "Breast density unknown."
    return f"Breast density {density['category']}, {density['source']}."


def prediction_html(
    result: Mapping[str, Any], *, baselines: bool = True, findings: bool = True
) -> str:
    """Return a result as an HTML fragment.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    baselines : bool
        Whether to show the risks of the other published models.
    findings : bool
        Whether to show the findings, if there are any.
    """
    lesions = result["findings"] if findings else None
    rows = [_row(result["model"], result["risk"].values(), bold=True)]
    level = ""
    if result["interval"] is not None:
        level = f"{100 * result['interval']['level']:g}%"
        rows += [_row(f"{level} {end}", result["interval"][end].values()) for end in _ENDS]
    if baselines:
        rows += [_row(name, risks.values()) for name, risks in result["baselines"].items()]
    names = [_horizon(horizon) for horizon in result["risk"]]
    header = "".join(f"<th {_CELL}>{escape(name)}</th>" for name in names)
    notes = [warning_text(one) for one in result["warnings"]]
    notes += without_risk(result) if baselines else []
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        "<div style='font-family:sans-serif;max-width:60em'>"
        f"<p><b>Absolute risk of breast cancer</b> (model {escape(result['model'])}). "
        f"{escape(density_text(result['density']))}</p>"
        "<div style='overflow-x:auto'>"
        f"<table {_TABLE}><thead><tr><th></th>{header}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        + (f"<p>{level} interval of the {result['interval']['estimand']}.</p>" if level else "")
        + _policy(result["policy"])
        + (_contributions(result["contributions"]) if baselines else "")
        + (f"<ul>{listed}</ul>" if listed else "")
        + ("" if lesions is None else f"<p><b>Findings for review</b></p>{findings_html(lesions)}")
        + f"<p style='color:#666'>{NOTICE}</p></div>"
    )


_ENDS = ("lower", "upper")


def _horizon(key: str) -> str:
    return key if key == "lifetime" else horizon_name(float(key))


def _row(label: str, risks: Iterable[float | None], bold: bool = False) -> str:
    values = [percent(math.nan if risk is None else risk) for risk in risks]
    cells = "".join(f"<td {_CELL}>{value}</td>" for value in values)
    text = escape(str(label))
    return f"<tr><th {_LABEL}>{f'<b>{text}</b>' if bold else text}</th>{cells}</tr>"


def _policy(policy: Mapping[str, Any] | None) -> str:
    if policy is None:
        return ""
    told = "".join(f"<li>{escape(one)}</li>" for one in marks(policy))
    return (
        f"<p><b>{escape(policy['title'])}</b>: {escape(str(policy['label']))}"
        f" ({escape(str(policy['category']))}), {escape(str(policy['modality'] or 'no action'))}."
        f" Reason: {escape(str(policy['reason']))}. {escape(policy['notice'])}</p>"
        + (f"<ul>{told}</ul>" if told else "")
    )


def _contributions(contributions: Mapping[str, float | None]) -> str:
    factors = "".join(
        f"<tr><th {_LABEL}>{escape(str(name))}</th><td {_CELL}>{value:+.3f}</td>"
        f"<td {_CELL}>&times;{math.exp(value):.2f}</td></tr>"
        for name, value in contributions.items()
        if value is not None
    )
    if not factors:
        return ""
    return (
        "<details><summary>Contributions (log relative risk, relative risk)</summary>"
        f"<table {_TABLE}>{factors}</table></details>"
    )
