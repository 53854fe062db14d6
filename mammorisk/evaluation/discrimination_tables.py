"""Discrimination and overall accuracy of every model at every horizon."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.metrics.brier import brier_score, integrated_brier_score, null_brier_score
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.delong import auc
from mammorisk.metrics.estimate import Estimate
from mammorisk.metrics.logarithmic_score import log_score
from mammorisk.metrics.prediction_accuracy import index_of_prediction_accuracy
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.alignment import Aligned
from mammorisk.records.follow_up import COMPETING
from mammorisk.records.outcome import Outcome


def rows_of(aligned: Aligned, model: str, year: float) -> tuple[Outcome, Floats]:
    """Return outcome and risks of the rows for which the model has a risk."""
    values = aligned.risks[model][year].to_numpy(dtype=float)
    there = np.isfinite(values)
    if there.all():
        return aligned.outcome, values
    rows = np.flatnonzero(there)
    return aligned.outcome.take(rows), values[rows]


def row(model: str, estimate: Estimate, year: float | None = None) -> dict[str, object]:
    return {"model": model, "horizon": year, **estimate.row()}


def discrimination_table(aligned: Aligned, censoring: Censoring, level: float) -> pd.DataFrame:
    """AUC by horizon (with competing events also with event-free controls), and C indices."""
    rows = []
    for model, risks in aligned.risks.items():
        years = [float(y) for y in risks.columns if risks[y].notna().any()]
        for year in years:
            outcome, values = rows_of(aligned, model, year)
            same = outcome is aligned.outcome
            fitted = censoring if same else fit_censoring(outcome, censoring.ties)
            rows.append(row(model, auc(outcome, values, year, censoring=fitted, level=level), year))
            if (outcome.event == COMPETING).any():
                made = cumulative_dynamic_auc(
                    outcome, values, year, controls="event_free", censoring=fitted, level=level
                )
                rows.append(row(model, _renamed(made, f"{made.name}, event-free controls"), year))
        if not years:
            continue
        year = years[-1]
        outcome, values = rows_of(aligned, model, year)
        rows.append(
            row(model, _renamed(concordance_index(outcome, values, level=level), "Harrell's C"))
        )
        if not outcome.is_complete(year) or outcome.time.max() > year:
            uno = concordance_index(outcome, values, weighting="uno", truncation=year, level=level)
            rows.append(row(model, _renamed(uno, f"Uno's C to {year:g} y"), year))
    return pd.DataFrame(rows)


def _renamed(estimate: Estimate, name: str) -> Estimate:
    from dataclasses import replace

    return replace(estimate, name=name)


def overall_table(aligned: Aligned, ties: Ties, level: float) -> pd.DataFrame:
    """Brier score, IPA and log score by horizon, integrated Brier score."""
    rows = []
    for model, risks in aligned.risks.items():
        years = [float(y) for y in risks.columns if risks[y].notna().any()]
        for year in years:
            outcome, values = rows_of(aligned, model, year)
            fitted = fit_censoring(outcome, ties)
            for made in (
                brier_score(outcome, values, year, censoring=fitted, level=level),
                _renamed(
                    null_brier_score(outcome, year, censoring=fitted, level=level),
                    f"Brier score of the observed risk at {year:g} y",
                ),
                index_of_prediction_accuracy(outcome, values, year, censoring=fitted, level=level),
                log_score(outcome, values, year, censoring=fitted, level=level),
            ):
                rows.append(row(model, made, year))
        if len(years) > 1:
            table = risks[years].to_numpy(dtype=float)
            there = np.flatnonzero(np.isfinite(table).all(axis=1))
            made = integrated_brier_score(
                aligned.outcome.take(there), table[there], years, censoring=ties, level=level
            )
            rows.append(row(model, made))
    return pd.DataFrame(rows)
