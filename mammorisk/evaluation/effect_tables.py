"""Strength of association by model, and observed risk by tenth of predicted risk."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk.evaluation.classification_tables import SHARES
from mammorisk.evaluation.interval_methods import LOG, LOG_COX, NORMAL, POISSON
from mammorisk.evaluation.rows import row, rows_of
from mammorisk.metrics.cancer_share import share_of_cancers
from mammorisk.metrics.effect_size import hazard_ratio_per_sd, ratios_by_group
from mammorisk.metrics.incidence_groups import incidence_by_group
from mammorisk.metrics.links import cloglog
from mammorisk.records.alignment import Aligned


def effect_size_table(aligned: Aligned, year: float, level: float) -> pd.DataFrame:
    """Hazard ratio per SD (also adjusted for age) and by fifths; share of cancers at the top."""
    rows = []
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        score = cloglog(values)
        made = hazard_ratio_per_sd(outcome, score, level=level)
        rows.append(row(made, "HR per SD", outcome=outcome, interval=LOG_COX, model=model))
        if "age" in aligned.table.columns:
            there = risks[year].notna().to_numpy()
            age = aligned.table["age"].to_numpy(dtype=float, na_value=np.nan)[there]
            if np.isfinite(age).all() and np.ptp(age) > 0:
                made = hazard_ratio_per_sd(outcome, score, adjust=age, level=level)
                name = "HR per SD, adjusted for age"
                rows.append(row(made, name, outcome=outcome, interval=LOG_COX, model=model))
        for k, made in enumerate(ratios_by_group(outcome, values, year, level=level), start=2):
            # n and events are those of the two groups compared.
            name = f"HR of fifth {k} against fifth 1"
            rows.append(row(made, name, interval=LOG_COX, model=model))
        for share in SHARES:
            made = share_of_cancers(outcome, values, share, year, level=level)
            name = f"share of cancers in the top {100 * share:g}%"
            rows.append(
                row(made, name, outcome=outcome, horizon=year, interval=NORMAL, model=model)
            )
    return pd.DataFrame(rows)


def incidence_table(aligned: Aligned, year: float, level: float) -> pd.DataFrame:
    """Observed risk by tenth of predicted risk with its ratio to the mean, by model."""
    parts = []
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        table = incidence_by_group(outcome, values, year, level=level)
        table = table.rename(columns={"cancers": "events"})
        table.insert(0, "model", model)
        table.insert(1, "horizon", year)
        dependent = outcome.is_weighted or outcome.is_clustered
        table["interval"] = LOG if dependent else POISSON
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
