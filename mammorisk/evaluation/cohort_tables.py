"""Tables of the cohort: flow, follow-up, characteristics by outcome, missing data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.metrics.follow_up import median_follow_up
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.records.alignment import Aligned
from mammorisk.records.follow_up import CANCER, COMPETING

#: Columns that are not characteristics of women.
_NOT_FEATURES = {
    *("patient_id", "exam_id", "exam_date", "path", "prior_path", "time", "event", "entry"),
    *("weight", "split", "file_path", "matched_set"),
}


def flow_table(aligned: Aligned, year: float) -> pd.DataFrame:
    """Remaining rows after each step, and their follow-up; columns ``item`` and ``value``."""
    outcome, weight = aligned.outcome, aligned.outcome.weight
    rows: list[tuple[str, object]] = [*aligned.flow]
    rows += [
        ("women", int(outcome.n_independent)),
        ("cancers in follow-up", int((outcome.event == CANCER).sum())),
        (f"cancers within {year:g} y", int(outcome.is_case(year).sum())),
        ("competing events in follow-up", int((outcome.event == COMPETING).sum())),
        (
            f"censored before {year:g} y",
            int(((outcome.event == 0) & (outcome.time < year)).sum()),
        ),
    ]
    median = median_follow_up(outcome)
    if np.isfinite(median.value):
        rows.append(("median follow-up (reverse Kaplan-Meier), y", round(median.value, 2)))
    rows.append(("longest follow-up, y", round(float(outcome.time.max()), 2)))
    if outcome.has_entry:
        rows.append(("rows with late entry", int((outcome.entry > 0).sum())))
    if outcome.is_weighted:
        rows.append(("sum of weights", float(round(weight.sum(), 1))))
        rows.append(
            ("effective sample size", float(round(weight.sum() ** 2 / (weight**2).sum(), 1)))
        )
    risk = cumulative_incidence(outcome, year)
    if np.isfinite(risk.value):
        text = f"{100 * risk.value:.2f}% ({100 * risk.lower:.2f} to {100 * risk.upper:.2f})"
        rows.append((f"observed risk by {year:g} y", text))
    return pd.DataFrame(rows, columns=["item", "value"])


def features(table: pd.DataFrame) -> list[str]:
    """Return the columns with characteristics of women: numbers, and categories with few levels."""
    found = []
    for name in table.columns:
        if name in _NOT_FEATURES or not isinstance(name, str):
            continue
        values = table[name].dropna()
        if len(values) == 0:
            continue
        is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if is_number or values.astype(str).nunique() <= 12:
            found.append(name)
    return found


def table_one(aligned: Aligned, year: float) -> pd.DataFrame:
    """Characteristics of women with cancer by the horizon and of all others, weighted.

    Returns
    -------
    DataFrame
        ``feature``, ``all``, ``cancer``, ``no cancer``: mean (standard deviation) of numbers,
        percent of categories; ``missing``, percent.
    """
    outcome = aligned.outcome
    case = outcome.is_case(year)
    sets = {"all": np.ones(len(case), bool), "cancer": case, "no cancer": ~case}
    rows: list[dict[str, object]] = [
        {"feature": "exams", **{name: f"{int(rows.sum()):,}" for name, rows in sets.items()}}
    ]
    for name in features(aligned.table):
        values = aligned.table[name]
        missing = f"{100 * values.isna().mean():.1f}%"
        is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if is_number and values.nunique() > 2:
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            row: dict[str, object] = {"feature": f"{name}, mean (SD)"}
            row |= {
                label: _mean(numbers[inside], outcome.weight[inside])
                for label, inside in sets.items()
            }
            rows.append(row | {"missing": missing})
            continue
        for level in sorted(values.dropna().unique(), key=str):
            row = {"feature": f"{name}: {level}"}
            there = values.notna().to_numpy()
            has = (values == level).fillna(False).to_numpy(dtype=bool)
            for label, inside in sets.items():
                weights = outcome.weight[inside & there]
                share = np.average(has[inside & there], weights=weights) if weights.sum() else None
                row[label] = "" if share is None else f"{100 * share:.1f}%"
            rows.append(row | {"missing": missing})
    return pd.DataFrame(rows)


def _mean(values: Floats, weights: Floats) -> str:
    there = np.isfinite(values) & (weights > 0)
    if not there.any():
        return ""
    mean = np.average(values[there], weights=weights[there])
    spread = np.sqrt(np.average((values[there] - mean) ** 2, weights=weights[there]))
    return f"{mean:.1f} ({spread:.1f})"


def missing_table(aligned: Aligned) -> pd.DataFrame:
    """Missing values of every characteristic and of the risks of every model."""
    rows = []
    for name in features(aligned.table):
        gone = int(aligned.table[name].isna().sum())
        rows.append({"column": name, "missing": gone, "share": gone / len(aligned.table)})
    for model, risks in aligned.risks.items():
        gone = int(risks.isna().all(axis=1).sum())
        rows.append({"column": f"risk of {model}", "missing": gone, "share": gone / len(risks)})
    return pd.DataFrame(rows)
