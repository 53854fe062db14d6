"""HTML page of a report, in one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from mammorisk._utils.page import Section, drawn, folded, html_page
from mammorisk.evaluation.figures import FIGURES, FigureData
from mammorisk.evaluation.table_text import as_html


def page(
    tables: Mapping[str, pd.DataFrame],
    *,
    title: str,
    models: Sequence[str],
    horizons: Sequence[float],
    level: float,
    notes: Sequence[str],
) -> str:
    """Build the page.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        The tables of a report by name, ``methods`` and the plot data.
    title : str
    models : sequence of str
        The first is the model that is evaluated; the others are compared with it.
    horizons : sequence of float
        Years, ascending.
    level : float
        Confidence level of the intervals.
    notes : sequence of str
        Shown first.

    Returns
    -------
    str
        HTML. The page loads no other files.
    """
    year, first = horizons[-1], models[0]
    data = FigureData(tables=tables, models=models, horizon=year)
    sections = [
        ("cohort", "Cohort and follow-up", [_open(tables["flow"])]),
        (
            "summary",
            f"{first} compared with other models",
            [
                _figure(data, "comparison"),
                _open(_of_year(tables["comparison"], year), "Paired differences"),
                _folded("Every horizon", tables["comparison"]),
            ],
        ),
        (
            "discrimination",
            "Discrimination",
            [
                _figure(data, "roc"),
                _open(_of_year(tables["discrimination"], year)),
                _folded("Every horizon", tables["discrimination"]),
            ],
        ),
        (
            "calibration",
            "Calibration",
            [
                _figure(data, "calibration"),
                _open(tables["calibration"]),
                _folded("By tenth of risk", tables["calibration_groups"]),
            ],
        ),
        (
            "overall",
            "Overall accuracy",
            [
                _open(_of_year(tables["overall"], year)),
                _folded("Every horizon", tables["overall"]),
            ],
        ),
        ("distribution", "Risks by outcome", [_figure(data, "distribution")]),
        (
            "utility",
            "Net benefit",
            [_figure(data, "decision"), _folded("Net benefit by threshold", tables["utility"])],
        ),
        (
            "thresholds",
            "Thresholds",
            [
                _open(_of_model(tables["thresholds"], first)),
                _folded("Every model", tables["thresholds"]),
                _figure(data, "triage"),
            ],
        ),
        (
            "effect",
            "Strength of association",
            [
                _open(_of_model(tables["effect_size"], first)),
                _open(tables["incidence"]),
                _folded("Every model", tables["effect_size"]),
            ],
        ),
        ("reclassification", "Reclassification", [_open(tables["reclassification"])]),
        (
            "subgroups",
            "Subgroups and fairness",
            [
                _figure(data, "subgroups"),
                _open(tables["subgroups"]) or "<p>No subgroups were requested.</p>",
            ],
        ),
        ("tableone", "Women with and without cancer", [_open(tables["table_one"])]),
        ("missing", "Missing data", [_open(tables["missing"])]),
        ("methods", "Methods", [_open(tables["methods"])]),
        ("checklist", "TRIPOD+AI", [_open(tables["checklist"])]),
    ]
    lead = (
        f"<p>{escape(', '.join(models))}. Risks over "
        f"{', '.join(f'{y:g}' for y in horizons)} years. Confidence level of the intervals: "
        f"{100 * level:g}%.</p><ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"
    )
    return html_page(
        title,
        [Section(key=key, title=heading, parts=parts) for key, heading, parts in sections],
        lead=lead,
    )


def _of_year(table: pd.DataFrame, year: float) -> pd.DataFrame:
    return table[(table["horizon"] == year) | table["horizon"].isna()] if len(table) else table


def _of_model(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model] if len(table) else table


def _open(table: pd.DataFrame, title: str = "") -> str:
    if table.empty:
        return ""
    return (f"<h3>{escape(title)}</h3>" if title else "") + as_html(table)


def _folded(title: str, table: pd.DataFrame) -> str:
    return folded(title, "" if table.empty else as_html(table))


def _figure(data: FigureData, name: str) -> str:
    make, words = FIGURES[name]
    made = make(data)
    return "" if made is None else drawn(made, words)
