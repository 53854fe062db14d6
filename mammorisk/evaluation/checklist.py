"""TRIPOD+AI items, with the parts of the report that address them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

AUTHORS, PART, GIVEN = "for the authors", "in part", "given"

#: Items of TRIPOD+AI (Collins 2024, doi 10.1136/bmj-2023-078378, table 2) that apply to the
#: evaluation of a model, in our own words. Items for development alone (9a, 12a to 12c, 15, 22,
#: 27a, 27b) are left out.
_ITEMS = (
    ("1", "title: evaluation of a model, population and outcome"),
    ("2", "abstract, by the checklist for abstracts"),
    ("3a", "context and reasons for evaluating the model, existing models"),
    ("3b", "target population, purpose and users of the model"),
    ("3c", "known health inequalities between groups"),
    ("4", "objectives"),
    ("5a", "sources of the data, reasons for them, representativeness"),
    ("5b", "dates of accrual and end of follow-up"),
    ("6a", "setting, number and location of centres"),
    ("6b", "eligibility"),
    ("6c", "treatments and how they were handled"),
    (
        "7",
        "preparation and quality checks of the data, and whether they were similar in all groups",
    ),
    ("8a", "outcome: definition, horizon, assessment, consistency across groups"),
    ("8b", "assessors of the outcome, if it is subjective"),
    ("8c", "blinding of the assessment of the outcome"),
    ("9b", "predictors: definition, how and when measured, blinding"),
    ("9c", "assessors of predictors, if they are subjective"),
    ("10", "how the sample size was determined, and whether it is sufficient"),
    ("11", "how missing data were handled, reasons for omitting data"),
    ("12d", "whether and how heterogeneity between clusters was quantified"),
    ("12e", "measures and plots of performance, and their rationale"),
    ("12f", "updating of the model that follows from the evaluation"),
    ("12g", "how the predictions were calculated"),
    ("13", "class imbalance methods"),
    ("14", "approaches to fairness and their rationale"),
    ("16", "differences between development and evaluation data"),
    ("17", "ethical approval and consent"),
    ("18a", "funding"),
    ("18b", "conflicts of interest"),
    ("18c", "protocol"),
    ("18d", "registration"),
    ("18e", "availability of the data"),
    ("18f", "availability of the analysis code"),
    ("19", "involvement of patients and the public"),
    ("20a", "flow of participants, with and without the outcome, follow-up time"),
    ("20b", "characteristics, dates, treatments, missing data, differences between groups"),
    ("20c", "comparison with the development data"),
    ("21", "participants and events in each analysis"),
    ("23a", "performance with intervals, also in key subgroups"),
    ("23b", "heterogeneity of performance between clusters, if examined"),
    ("24", "results of updating"),
    ("25", "interpretation, also of fairness"),
    ("26", "limitations"),
    ("27c", "next steps for research"),
)


def checklist(
    *,
    horizons: Sequence[float],
    subgroups: Sequence[str] = (),
    cluster: str | None = None,
    recalibrated: bool = False,
    models_known: bool = False,
) -> pd.DataFrame:
    """Items of TRIPOD+AI with the contribution of the report.

    Parameters
    ----------
    horizons : sequence of float
        Years.
    subgroups : sequence of str
        Columns whose groups were evaluated.
    cluster : str, optional
        Column of sites whose heterogeneity was estimated.
    recalibrated : bool
        Whether risks were recalibrated.
    models_known : bool
        Whether the version of every model is known.

    Returns
    -------
    DataFrame
        ``item``, ``asks``, ``status`` (``"given"``, ``"in part"`` or ``"for the authors"``) and
        ``where``: the tables of the report, and what they leave open. An item is given only if it
        follows from the data alone.
    """
    years = ", ".join(f"{year:g}" for year in horizons)
    by = ", ".join(subgroups)
    given: dict[str, tuple[str, str]] = {
        "8a": (PART, f"horizons {years} y and coding of events; not definition or assessment"),
        "11": (PART, "missing, model_warnings: counts and what models assumed; not the reasons"),
        "12e": (PART, "methods: measures and plots; not their rationale"),
        "12g": (PART, "models, methods: models and versions")
        if models_known
        else (PART, "models: names; the version of a model is not on record"),
        "18f": (PART, "methods: software and versions; not the authors' own code"),
        "20a": (PART, "flow: from the table of the cohort on; not recruitment and eligibility"),
        "20b": (PART, "table_one, missing: characteristics and missing data; not treatments"),
        "21": (GIVEN, "columns n and events of every table"),
        "23a": (PART, f"all tables; subgroups by {by}; not whether they are the key ones")
        if by
        else (PART, "all tables; no subgroups were asked for (by=[...])"),
    }
    if by:
        given["14"] = (PART, f"subgroups by {by}; not the approaches or their rationale")
    if cluster:
        given["12d"] = (GIVEN, f"methods: random-effects summary over {cluster}")
        given["23b"] = (GIVEN, f"heterogeneity by {cluster}")
    if recalibrated:
        given["12f"] = (PART, "methods: rule and method; not whether it is called for")
        given["24"] = (PART, "recalibration: performance; the updated model: recalibrate()")
    rows = []
    for item, asks in _ITEMS:
        status, where = given.get(item, (AUTHORS, ""))
        rows.append({"item": item, "asks": asks, "status": status, "where": where})
    return pd.DataFrame(rows)
