"""Discrimination and overall accuracy of every model at every horizon."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk.evaluation.interval_methods import NORMAL, of_auc
from mammorisk.evaluation.rows import row, rows_of, years_of
from mammorisk.metrics.brier import brier_score, integrated_brier_score, null_brier_score
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.delong import auc
from mammorisk.metrics.logarithmic_score import log_score
from mammorisk.metrics.prediction_accuracy import index_of_prediction_accuracy
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.alignment import Aligned
from mammorisk.records.follow_up import COMPETING


def discrimination_table(aligned: Aligned, censoring: Censoring, level: float) -> pd.DataFrame:
    """AUC by horizon (with competing events also with event-free controls), and C indices."""
    rows = []
    for model in aligned.risks:
        years = years_of(aligned, model)
        for year in years:
            outcome, values = rows_of(aligned, model, year)
            same = outcome is aligned.outcome
            fitted = censoring if same else fit_censoring(outcome, censoring.ties)
            rows.append(
                row(
                    auc(outcome, values, year, censoring=fitted, level=level),
                    "AUC",
                    outcome=outcome,
                    horizon=year,
                    interval=of_auc(outcome, year),
                    model=model,
                )
            )
            if (outcome.event == COMPETING).any():
                made = cumulative_dynamic_auc(
                    outcome, values, year, controls="event_free", censoring=fitted, level=level
                )
                rows.append(
                    row(
                        made,
                        "AUC, event-free controls",
                        outcome=outcome,
                        horizon=year,
                        interval=NORMAL,
                        model=model,
                    )
                )
        if not years:
            continue
        year = years[-1]
        outcome, values = rows_of(aligned, model, year)
        harrell = concordance_index(outcome, values, level=level)
        rows.append(row(harrell, "Harrell's C", outcome=outcome, interval=NORMAL, model=model))
        if not outcome.is_complete(year) or outcome.time.max() > year:
            uno = concordance_index(outcome, values, weighting="uno", truncation=year, level=level)
            rows.append(
                row(uno, "Uno's C", outcome=outcome, horizon=year, interval=NORMAL, model=model)
            )
    return pd.DataFrame(rows)


def overall_table(aligned: Aligned, ties: Ties, level: float) -> pd.DataFrame:
    """Brier score, IPA and log score by horizon, integrated Brier score."""
    rows = []
    for model, risks in aligned.risks.items():
        years = years_of(aligned, model)
        for year in years:
            outcome, values = rows_of(aligned, model, year)
            fitted = fit_censoring(outcome, ties)
            null = null_brier_score(outcome, year, censoring=fitted, level=level)
            found = {
                "Brier score": brier_score(outcome, values, year, censoring=fitted, level=level),
                "Brier score of the observed risk": null,
                "IPA": index_of_prediction_accuracy(
                    outcome, values, year, censoring=fitted, level=level
                ),
                "log score": log_score(outcome, values, year, censoring=fitted, level=level),
            }
            rows += [
                row(made, name, outcome=outcome, horizon=year, interval=NORMAL, model=model)
                for name, made in found.items()
            ]
        if len(years) > 1:
            table = risks[years].to_numpy(dtype=float)
            there = np.flatnonzero(np.isfinite(table).all(axis=1))
            some = aligned.outcome.take(there)
            made = integrated_brier_score(some, table[there], years, censoring=ties, level=level)
            rows.append(
                row(
                    made,
                    "integrated Brier score",
                    outcome=some,
                    horizon=years[-1],
                    interval=NORMAL,
                    model=model,
                )
            )
    return pd.DataFrame(rows)
