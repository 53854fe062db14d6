"""Titles of the tables and descriptions of their columns, for documents."""

from __future__ import annotations

CAPTIONS: dict[str, str] = {
    "flow": "Exams and women, outcomes and follow-up",
    "table_one": "Characteristics of women with cancer within {year} years and of the others",
    "table_two": "Performance of the models at {year} years",
    "missing": "Missing values",
    "models_used": "Models",
    "model_warnings": "Assumptions and warnings of the models",
    "discrimination": "Discrimination",
    "overall": "Overall accuracy",
    "calibration": "Calibration",
    "calibration_groups": "Expected and observed risk by tenth of risk",
    "utility": "Net benefit by threshold",
    "thresholds": "Performance at thresholds",
    "two_by_two": "Exams by test result and outcome",
    "effect_size": "Strength of association",
    "incidence": "Observed risk by tenth of predicted risk",
    "comparison": "Paired differences between models",
    "reclassification": "Reclassification",
    "reclassified": "Exams by category of risk under two models",
    "subgroups": "Performance in subgroups",
    "heterogeneity": "Performance by {cluster}, with random-effects summaries",
    "recalibration": "Performance before and after recalibration",
    "triage": "Exams not read and cancers missed",
    "checklist": "TRIPOD+AI items",
}

N_AND_EVENTS = (
    "n: exams with a risk and an outcome, or those of the group named in the row; events: breast "
    "cancers among them within the horizon, or in follow-up in rows without a horizon."
)
_NOTES: dict[str, str] = {
    "table_one": (
        "Mean (standard deviation) or n (%). Percentages are of women to whom the question applies "
        "and whose answer is known; those of missing are of women to whom it applies. The others "
        "include women whose follow-up ended before the horizon. Standardised differences are "
        "between the two last columns; of several categories a distance without a sign."
    ),
    "table_two": (
        "Estimate (interval). The method of each interval is in the tables of its measure. Net "
        "benefit: true positives less false positives at the odds of the threshold, per 1,000 "
        "women, where all models have a risk."
    ),
    "two_by_two": (
        "Unknown: follow-up ended before the horizon. Weighted: what the exams stand for by "
        "sampling weights and the inverse probability of censoring."
    ),
    "heterogeneity": "p of a summary: Cochran's Q. tau: on the logit of AUC and the log of E/O.",
    "recalibration": "The risks after recalibration are of women whom it was not fitted to.",
    "triage": "Exams whose outcome is known.",
}
_WITHOUT_ESTIMATES = (
    "flow",
    "missing",
    "models_used",
    "model_warnings",
    "checklist",
    "reclassified",
)


def caption(name: str, *, horizon: float, cluster: str | None, simulated: bool) -> str:
    """Title of a table; it states if the women are simulated."""
    text = CAPTIONS[name].format(year=f"{horizon:g}", cluster=cluster or "site")
    return f"{text} (simulated women)" if simulated else text


def note(name: str) -> str:
    """Description of the columns of a table."""
    own = _NOTES.get(name, "")
    if name in _NOTES and name not in ("heterogeneity", "recalibration"):
        return own
    return own if name in _WITHOUT_ESTIMATES else f"{own} {N_AND_EVENTS}".strip()
