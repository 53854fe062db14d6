"""HTML page of a report, in one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from mammorisk._utils.page import Section, drawn, folded, html_page
from mammorisk.evaluation.captions import note
from mammorisk.evaluation.plots.draw import KINDS, Request, plot
from mammorisk.evaluation.plots.look import PAGE, unless_set
from mammorisk.evaluation.table_text import as_html

#: Size of a figure on the page, inches.
_SIZES = {
    "roc": (4.8, 4.7),
    "calibration": (4.8, 5.1),
    "auc": (5.6, 3.6),
    "distribution": (5.6, 4.0),
    "incidence": (5.6, 4.8),
    "triage": (5.4, 4.4),
    "flow": (5.6, 4.6),
}
_SIZE = (5.6, 4.2)
#: Number of models whose calibration is drawn; the others are in the tables.
_MOST_MODELS = 6


def page(
    tables: Mapping[str, pd.DataFrame],
    request: Request,
    *,
    title: str,
    level: float,
    notes: Sequence[str],
    paragraph: str,
    simulated: bool,
    cluster: str | None,
) -> str:
    """Build the page.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        The tables of a report by name, and ``methods``.
    request : Request
        Draws the figures.
    title : str
    level : float
        Confidence level of the intervals.
    notes : sequence of str
        Shown first.
    paragraph : str
        For the methods section of a paper.
    simulated : bool
        Whether the women are simulated.
    cluster : str or None
        Column of sites.

    Returns
    -------
    str
        HTML. The page loads no other files.
    """
    models, horizons = request.models, request.horizons
    year, first = horizons[-1], models[0]
    figures = _Figures(request, year)
    sections = [
        (
            "cohort",
            "Cohort and follow-up",
            [figures.one("flow"), _open(tables["flow"]), *_noted("flow")],
        ),
        (
            "models",
            "Models",
            [
                _open(tables["models_used"]),
                _open(tables["model_warnings"], "Assumptions and warnings of the models"),
            ],
        ),
        (
            "summary",
            f"{first} compared with other models" if len(models) > 1 else "Performance",
            [
                _open(tables["table_two"]),
                *_noted("table_two"),
                figures.comparison(tables["comparison"]),
                _open(_of_year(tables["comparison"], year), "Paired differences"),
                _folded("Every horizon", tables["comparison"]),
            ],
        ),
        (
            "discrimination",
            "Discrimination",
            [
                figures.one("roc"),
                figures.one("auc") if len(horizons) > 1 else "",
                _open(_of_year(tables["discrimination"], year)),
                _folded("Every horizon", tables["discrimination"]),
            ],
        ),
        (
            "calibration",
            "Calibration",
            [
                *(figures.one("calibration", models=[name]) for name in figures.scored),
                _open(tables["calibration"]),
                _folded("By tenth of risk", tables["calibration_groups"]),
            ],
        ),
        (
            "recalibration",
            "Before and after recalibration",
            [_open(tables["recalibration"]), *_noted("recalibration", tables)],
        ),
        (
            "overall",
            "Overall accuracy",
            [
                _open(_of_year(tables["overall"], year)),
                _folded("Every horizon", tables["overall"]),
            ],
        ),
        ("distribution", "Risks by outcome", [figures.one("distribution")]),
        ("incidence", "Cancers by category of risk", [figures.one("incidence")]),
        (
            "utility",
            "Net benefit",
            [figures.one("decision"), _folded("Net benefit by threshold", tables["utility"])],
        ),
        (
            "thresholds",
            "Thresholds",
            [
                _open(_of_model(tables["thresholds"], first)),
                _folded("Every model", tables["thresholds"]),
                _open(_of_model(tables["two_by_two"], first), "Exams by test and outcome"),
                *_noted("two_by_two", tables),
                _folded("Exams by test and outcome, every model", tables["two_by_two"]),
                figures.one("triage") if len(tables["triage"]) else "",
            ],
        ),
        (
            "effect",
            "Strength of association",
            [
                _open(_of_model(tables["effect_size"], first)),
                _open(_of_model(tables["incidence"], first)),
                _folded("Every model", tables["effect_size"]),
                _folded("Tenths of every model", tables["incidence"]),
            ],
        ),
        (
            "reclassification",
            "Reclassification",
            [_open(tables["reclassification"]), *_cross_tables(tables["reclassified"])],
        ),
        (
            "subgroups",
            "Subgroups and fairness",
            [
                *figures.forests(tables["subgroups"]),
                _open(_of_model(tables["subgroups"], first))
                or "<p>No subgroups were asked for.</p>",
                _folded("Every model", tables["subgroups"]) if len(models) > 1 else "",
            ],
        ),
        (
            "heterogeneity",
            f"Heterogeneity by {cluster}",
            [_open(tables["heterogeneity"]), *_noted("heterogeneity", tables)],
        ),
        (
            "tableone",
            "Women with and without cancer",
            [_open(tables["table_one"]), *_noted("table_one", tables)],
        ),
        ("missing", "Missing data", [_open(tables["missing"])]),
        ("methods", "Methods", [f"<p>{escape(paragraph)}</p>", _open(tables["methods"])]),
        ("checklist", "TRIPOD+AI", [_open(tables["checklist"])]),
    ]
    told = "<p><strong>Simulated women.</strong></p>" if simulated else ""
    lead = (
        f"{told}<p>{escape(', '.join(models))}. Risks over "
        f"{', '.join(f'{y:g}' for y in horizons)} years. Confidence level of the intervals: "
        f"{100 * level:g}%.</p><ul>{''.join(f'<li>{escape(text)}</li>' for text in notes)}</ul>"
    )
    return html_page(
        title,
        [Section(key=key, title=heading, parts=parts) for key, heading, parts in sections],
        lead=lead,
    )


class _Figures:
    """The figures of the page, with its settings of matplotlib."""

    def __init__(self, request: Request, year: float) -> None:
        self._request = request
        self._year = year
        known = [name for name in request.models if request.source.has(name, year)]
        self.scored = known[:_MOST_MODELS]

    def one(self, kind: str, *, size: tuple[float, float] | None = None, **options: object) -> str:
        import matplotlib.pyplot as plt

        with plt.rc_context(unless_set(PAGE)):
            figure, ax = plt.subplots(figsize=size or _SIZES.get(kind, _SIZE), layout="constrained")
            data = self._request.data(kind, horizon=self._year, **options)  # type: ignore[arg-type]
            plot(data, kind, ax)
            words = KINDS[kind].words
            if len(data.models) == 1:
                words += f": {data.models[0]}"
                if kind == "calibration":
                    ax.set_title(data.looks[data.models[0]].label)
            return drawn(figure, words)

    def comparison(self, table: pd.DataFrame) -> str:
        if (
            table.empty
            or not ((table["measure"] == "AUC") & (table["horizon"] == self._year)).any()
        ):
            return ""
        return self.one("comparison", size=(5.6, 1.4 + 0.32 * len(self._request.models)))

    def forests(self, table: pd.DataFrame) -> list[str]:
        if table.empty:
            return []
        groups = len(table[["column", "group"]].drop_duplicates())
        models = self.scored[:3]
        size = (5.6, 1.8 + (0.2 + 0.12 * len(models)) * (groups + 1))
        known = set(table["measure"])
        return [
            self.one("forest", size=size, models=models, measure=measure)
            for measure in ("AUC", "E/O")
            if measure in known
        ]


def _cross_tables(table: pd.DataFrame) -> list[str]:
    """Categories of one model by those of the other, for every pair and outcome."""
    parts = []
    if table.empty:
        return []
    for (old, new, outcome), part in table.groupby(["from", "to", "outcome"], sort=False):
        order = list(dict.fromkeys(part["to_category"]))
        counts = part.pivot(index="from_category", columns="to_category", values="n")
        counts = counts.loc[order, order].reset_index(names=f"{old}, by {new}")
        parts.append(_folded(f"{old} to {new}: exams, {outcome}", counts))
    return parts


def _of_year(table: pd.DataFrame, year: float) -> pd.DataFrame:
    return table[(table["horizon"] == year) | table["horizon"].isna()] if len(table) else table


def _of_model(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model] if len(table) else table


def _open(table: pd.DataFrame, title: str = "") -> str:
    if table.empty:
        return ""
    return (f"<h3>{escape(title)}</h3>" if title else "") + as_html(table)


def _noted(name: str, tables: Mapping[str, pd.DataFrame] | None = None) -> list[str]:
    """Description of the columns of a table, if the table has rows."""
    text = note(name)
    empty = tables is not None and tables[name].empty
    return [] if empty or not text else [f"<p><small>{escape(text)}</small></p>"]


def _folded(title: str, table: pd.DataFrame) -> str:
    return folded(title, "" if table.empty else as_html(table))
