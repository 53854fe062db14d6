"""TRIPOD+AI items: which the report answers, and which are for the authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from mammorisk.evaluation.report import Report

#: Items that concern the evaluation of a model (Collins 2024, doi 10.1136/bmj-2023-078378). The
#: wording is ours; numbers of 12 to 24 were not checked against the paper.
_ITEMS = (
    ("3c", "known inequalities in the outcome between groups", None),
    ("5a", "sources of the data and why they were chosen", None),
    ("5b", "dates of accrual and end of follow-up", None),
    ("6", "setting, eligibility, treatments", None),
    ("8", "outcome: definition, horizon, how and by whom assessed", "horizons"),
    ("9", "predictors: definition, how and when measured", None),
    ("10", "sample size", "flow"),
    ("11", "missing data: how many, how handled", "missing"),
    ("12e", "measures of performance and plots, with reasons", "methods"),
    ("12f", "updating of the model", None),
    ("14", "fairness: approaches and their reasons", "subgroups"),
    ("20", "flow of participants, events, follow-up; characteristics", "flow"),
    ("22", "specification of the model, so that others can use it", None),
    ("23a", "performance with intervals, also in key subgroups", "discrimination"),
    ("23b", "heterogeneity of performance between clusters", "subgroups"),
    ("24", "results of updating", None),
    ("25", "interpretation, also of fairness", None),
    ("26", "limitations", "notes"),
)
_WHERE = {
    "horizons": "horizons {horizons} y; event 1 breast cancer, 2 competing event",
    "flow": "cohort: {n} exams, {cancers} cancers",
    "missing": "missing data: rows without risk or outcome are left out and counted",
    "methods": "methods; discrimination, calibration, utility, distribution of risks",
    "subgroups": "subgroups: {subgroups}",
    "discrimination": "all tables give intervals",
    "notes": "notes: {notes} on these data",
}


def checklist(report: Report) -> pd.DataFrame:
    """Items with where the report answers them; columns ``item``, ``asks``, ``answer``.

    An item that data cannot answer says "for the authors".
    """
    flow = dict(zip(report.flow["item"], report.flow["value"], strict=True))
    told = {
        "horizons": ", ".join(f"{year:g}" for year in report.horizons),
        "n": flow["with a risk of the first model"],
        "cancers": flow["cancers in follow-up"],
        "subgroups": report.methods["subgroups"],
        "notes": len(report.notes),
    }
    rows = []
    for item, asks, where in _ITEMS:
        answer = "for the authors"
        if where == "subgroups" and report.subgroups.empty:
            answer = "not asked for: pass by=[...]"
        elif where is not None:
            answer = _WHERE[where].format(**told)
        rows.append({"item": item, "asks": asks, "answer": answer})
    return pd.DataFrame(rows)
