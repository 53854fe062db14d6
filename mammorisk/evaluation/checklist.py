"""TRIPOD+AI items, with the parts of the report that answer them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

AUTHORS = "for the authors"

#: Items on the evaluation of a model (Collins 2024, doi 10.1136/bmj-2023-078378), in our own words.
#: The item numbers were not checked against the checklist.
_ITEMS = (
    ("3c", "known health inequalities between groups"),
    ("5a", "sources of the data and why they represent the target population"),
    ("5b", "dates of accrual and end of follow-up"),
    ("6", "setting, eligibility, treatments"),
    ("8", "outcome: definition, horizon, how and by whom assessed"),
    ("9", "predictors: definition, how and when measured"),
    ("10", "how the sample size was arrived at"),
    ("11", "how missing data were handled, and why so"),
    ("12e", "measures of performance and their rationale"),
    ("12f", "updating of the model"),
    ("14", "fairness: approaches and their rationale"),
    ("16", "differences between development and evaluation data"),
    ("20a", "flow of participants, with and without the outcome, follow-up"),
    ("20b", "characteristics of participants, missing values"),
    ("21", "participants and events in each analysis"),
    ("22", "full specification of the model"),
    ("23a", "performance with intervals, also in key subgroups"),
    ("23b", "heterogeneity of performance between clusters"),
    ("24", "results of updating"),
    ("25", "interpretation, also of fairness"),
    ("26", "limitations"),
)


def checklist(*, horizons: Sequence[float], subgroups: Sequence[str]) -> pd.DataFrame:
    """Return items of TRIPOD+AI with the answers of the report.

    Parameters
    ----------
    horizons : sequence of float
        Years.
    subgroups : sequence of str
        Columns whose groups were evaluated.

    Returns
    -------
    DataFrame
        ``item``, ``asks``, ``status`` (``"given"``, ``"in part"`` or ``"for the authors"``) and
        ``where``: the tables of the report, and what they do not answer. An item is ``"given"``
        only if its answer follows from the data alone.
    """
    years = ", ".join(f"{year:g}" for year in horizons)
    by = ", ".join(subgroups)
    given = {
        "8": ("in part", f"horizons {years} y and coding of events; not definition or assessment"),
        "11": ("in part", "missing: counts; exams without outcome or risk are left out, see flow"),
        "12e": ("in part", "methods: the measures; not their rationale"),
        "14": ("in part", f"subgroups by {by}; not the rationale") if by else None,
        "20a": ("given", "flow"),
        "20b": ("given", "table_one, missing"),
        "21": ("given", "columns n and events of every table"),
        "23a": ("given", f"all tables; subgroups by {by}")
        if by
        else ("in part", "all tables; no subgroups were asked for (by=[...])"),
    }
    rows = []
    for item, asks in _ITEMS:
        status, where = given.get(item) or (AUTHORS, "")
        rows.append({"item": item, "asks": asks, "status": status, "where": where})
    return pd.DataFrame(rows)
