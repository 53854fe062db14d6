"""Thresholds, effect sizes and triage by model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.discrimination_tables import row, rows_of
from mammorisk.metrics.cancer_share import false_negative_rate_at_share, share_of_cancers
from mammorisk.metrics.censoring import Ties, fit_censoring
from mammorisk.metrics.decision_analysis import number_per_cancer
from mammorisk.metrics.effect_size import hazard_ratio_per_sd, ratios_by_group
from mammorisk.metrics.links import cloglog
from mammorisk.metrics.roc import operating_point
from mammorisk.metrics.thresholds import Measure, classification_measure
from mammorisk.metrics.triage import triage_curve
from mammorisk.records.alignment import Aligned
from mammorisk.records.outcome import Outcome

_MEASURES: tuple[Measure, ...] = (
    *("sensitivity", "specificity", "positive predictive value", "negative predictive value"),
    *("false-negative rate", "share positive"),
)
_SHARES = (0.05, 0.1, 0.2)
_SPECIFICITIES = (0.8, 0.9)


def threshold_section(
    aligned: Aligned, year: float, thresholds: Sequence[float], ties: Ties, level: float
) -> pd.DataFrame:
    """Every threshold, fixed specificities and matched positive rates, by model."""
    rows = []
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        fitted = fit_censoring(outcome, ties)
        for threshold in thresholds:
            for measure in _MEASURES:
                made = classification_measure(
                    outcome, values, threshold, measure, year, censoring=fitted, level=level
                )
                rows.append(row(model, made, year))
            rows.append(
                row(model, number_per_cancer(outcome, values, threshold, year, level=level), year)
            )
        for share in _SPECIFICITIES:
            rows.append(
                row(
                    model,
                    operating_point(outcome, values, year, specificity=share, level=level),
                    year,
                )
            )
        for share in _SHARES:
            rows.append(
                row(
                    model,
                    false_negative_rate_at_share(outcome, values, share, year, level=level),
                    year,
                )
            )
    return pd.DataFrame(rows)


def effect_size_table(aligned: Aligned, year: float, level: float) -> pd.DataFrame:
    """Hazard ratio per SD (also adjusted for age) and by fifths; share of cancers at the top."""
    rows = []
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        score = cloglog(values)
        rows.append(row(model, hazard_ratio_per_sd(outcome, score, level=level)))
        if "age" in aligned.table.columns:
            there = risks[year].notna().to_numpy()
            age = aligned.table["age"].to_numpy(dtype=float, na_value=np.nan)[there]
            if np.isfinite(age).all() and np.ptp(age) > 0:
                from dataclasses import replace

                made = hazard_ratio_per_sd(outcome, score, adjust=age, level=level)
                rows.append(row(model, replace(made, name="HR per SD, adjusted for age")))
        for made in ratios_by_group(outcome, values, year, level=level):
            rows.append(row(model, made))
        for share in _SHARES:
            rows.append(
                row(model, share_of_cancers(outcome, values, share, year, level=level), year)
            )
    return pd.DataFrame(rows)


def triage_table(outcome: Outcome, risk: Floats, year: float) -> pd.DataFrame:
    """Triage by risk among rows with a known outcome; empty without cancers."""
    known = (outcome.event > 0) | (outcome.time > year)
    case = outcome.is_case(year)[known]
    if not case.any() or (outcome.is_weighted and not outcome.is_complete(year)):
        return pd.DataFrame(columns=["threshold", "not_read", "cancers_missed"])
    table = triage_curve(case, risk[known])
    # About two hundred points are enough for plots and tables.
    step = max(1, len(table) // 200)
    return table.iloc[::step].reset_index(drop=True)
