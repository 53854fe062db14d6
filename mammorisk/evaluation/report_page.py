"""A report as one self-contained page."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.errors import OutputError
from mammorisk.evaluation.figures import FIGURES
from mammorisk.evaluation.table_text import as_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mammorisk.evaluation.report import Report

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 2.4rem; font-size: 1.3rem;
       border-bottom: 2px solid #0072B2; padding-bottom: .2rem; }
.notice { background: #fff3cd; padding: .6rem 1rem; }
nav { font-size: .9rem; } nav a { margin-right: .8rem; color: #00528a; white-space: nowrap; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid #ddd;
         vertical-align: top; } th { border-bottom: 2px solid #999; }
td { font-variant-numeric: tabular-nums; min-width: 4rem; }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
details { margin: .6rem 0; } summary { cursor: pointer; color: #00528a; }
@media print { nav { display: none; } details > * { display: block; } .wide { overflow: visible; }
  h2 { break-after: avoid; } img, tr { break-inside: avoid; } body { max-width: none; }
  table { font-size: .7rem; } }
"""


def write_page(report: Report, path: Path) -> Path:
    """Write the page; nothing on it is fetched from elsewhere.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = page(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda file: file.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise OutputError(
            f"the report cannot be written ({error.strerror})",
            where=str(path),
            remedy="Give another file.",
        ) from None
    return path


def page(report: Report) -> str:
    """The page as HTML."""
    from mammorisk.evaluation.report import NOTICE

    year = report.horizons[-1]
    first = report.models[0]
    sections: list[tuple[str, str, list[str]]] = [
        ("cohort", "Cohort and follow-up", [as_html(report.flow)]),
        (
            "summary",
            f"{escape(first)} and the models beside it",
            [
                _figure(report, "comparison"),
                _open_table("Paired differences", _of_year(report.comparison, year)),
                _folded("Every horizon", report.comparison),
            ],
        ),
        (
            "discrimination",
            "Discrimination",
            [
                _figure(report, "roc"),
                as_html(_of_year(report.discrimination, year)),
                _folded("Every horizon", report.discrimination),
            ],
        ),
        (
            "calibration",
            "Calibration",
            [
                _figure(report, "calibration"),
                as_html(report.calibration),
                _folded("By tenth of risk", report.calibration_groups),
            ],
        ),
        (
            "overall",
            "Overall accuracy",
            [as_html(_of_year(report.overall, year)), _folded("Every horizon", report.overall)],
        ),
        ("distribution", "Risks by outcome", [_figure(report, "distribution")]),
        (
            "utility",
            "Net benefit",
            [_figure(report, "decision"), _folded("Net benefit by threshold", report.utility)],
        ),
        (
            "thresholds",
            "Thresholds",
            [
                as_html(_of_model(report.thresholds, first)),
                _folded("Every model", report.thresholds),
                _figure(report, "triage"),
            ],
        ),
        (
            "effect",
            "Strength of association",
            [
                as_html(_of_model(report.effect_size, first)),
                as_html(report.incidence),
                _folded("Every model", report.effect_size),
            ],
        ),
        (
            "reclassification",
            "Reclassification",
            [as_html(report.reclassification) if len(report.reclassification) else ""],
        ),
        (
            "subgroups",
            "Subgroups and fairness",
            [
                _figure(report, "subgroups"),
                as_html(report.subgroups) if len(report.subgroups) else "<p>Not asked for.</p>",
            ],
        ),
        ("tableone", "Women with and without cancer", [as_html(report.table_one)]),
        ("missing", "Missing data", [as_html(report.missing)]),
        (
            "methods",
            "Methods",
            [as_html(pd.DataFrame(report.methods.items(), columns=["what", "how"]))],
        ),
        ("checklist", "TRIPOD+AI", [as_html(report.checklist)]),
    ]
    shown = [(key, title, [p for p in parts if p]) for key, title, parts in sections]
    shown = [section for section in shown if section[2]]
    links = " ".join(f"<a href='#{key}'>{title}</a>" for key, title, _ in shown)
    body = "\n".join(
        f"<section id='{key}'><h2>{title}</h2>\n{chr(10).join(parts)}</section>"
        for key, title, parts in shown
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    title = escape(str(report.methods["title"]))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<link rel='icon' href='data:,'>"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{title}</h1><p class='notice'>{NOTICE}</p>"
        f"<p>{escape(', '.join(report.models))}; risks over "
        f"{', '.join(f'{y:g}' for y in report.horizons)} years; intervals are "
        f"{100 * report.level:g}%.</p><ul>{notes}</ul><nav>{links}</nav>{body}</body></html>"
    )


def _of_year(table: pd.DataFrame, year: float) -> pd.DataFrame:
    return table[(table["horizon"] == year) | table["horizon"].isna()] if len(table) else table


def _of_model(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model] if len(table) else table


def _open_table(title: str, table: pd.DataFrame) -> str:
    return f"<h3>{title}</h3>{as_html(table)}" if len(table) else ""


def _folded(title: str, table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    return f"<details><summary>{title}</summary>{as_html(table)}</details>"


def _figure(report: Report, name: str) -> str:
    make, words = FIGURES[name]
    made = make(report)
    if made is None:
        return ""
    return f"<img alt='{escape(words)}' src='data:image/png;base64,{_encoded(made)}'>"


def _encoded(figure: Figure) -> str:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()
