"""Thresholds, two-by-two counts and triage by model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.evaluation.interval_methods import (
    NORMAL,
    of_bootstrap,
    of_observed_risk,
    of_share,
    of_share_positive,
)
from mammorisk.evaluation.rows import row, rows_of
from mammorisk.metrics.cancer_share import false_negative_rate_at_share
from mammorisk.metrics.censoring import Ties, fit_censoring
from mammorisk.metrics.decision_analysis import number_per_cancer
from mammorisk.metrics.roc import operating_point
from mammorisk.metrics.thresholds import Measure, classification_measure
from mammorisk.metrics.triage import triage_curve
from mammorisk.records.alignment import Aligned
from mammorisk.records.outcome import Outcome

_MEASURES: tuple[Measure, ...] = (
    *("sensitivity", "specificity", "positive predictive value", "negative predictive value"),
    *("false-negative rate", "share positive"),
)
#: Shares of women of highest risk.
SHARES = (0.05, 0.1, 0.2)
_SPECIFICITIES = (0.8, 0.9)
#: Resamples of the only bootstrap of the report.
RESAMPLES = 500


def threshold_section(
    aligned: Aligned,
    year: float,
    thresholds: Sequence[float],
    ties: Ties,
    level: float,
    *,
    seed: int,
) -> pd.DataFrame:
    """Every threshold, fixed specificities and matched positive rates, by model."""
    rows = []
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        fitted = fit_censoring(outcome, ties)
        same: dict[str, Any] = {"outcome": outcome, "horizon": year, "model": model}
        for threshold in thresholds:
            for measure in _MEASURES:
                made = classification_measure(
                    outcome, values, threshold, measure, year, censoring=fitted, level=level
                )
                method = (
                    of_share_positive(outcome)
                    if measure == "share positive"
                    else of_share(outcome, year)
                )
                rows.append(row(made, measure, interval=method, threshold=threshold, **same))
            made = number_per_cancer(outcome, values, threshold, year, level=level)
            rows.append(
                row(
                    made,
                    "women at or above per cancer",
                    interval=f"inverse of the observed risk's: {of_observed_risk(made.events)}",
                    threshold=threshold,
                    **same | {"outcome": outcome.take(np.flatnonzero(values >= threshold))}
                    if (values >= threshold).any()
                    else same | {"outcome": None},
                )
            )
        for share in _SPECIFICITIES:
            made = operating_point(
                outcome,
                values,
                year,
                specificity=share,
                resamples=RESAMPLES,
                seed=seed,
                level=level,
            )
            name = f"sensitivity at specificity {100 * share:g}%"
            method = of_bootstrap(RESAMPLES, seed)
            rows.append(row(made, name, interval=method, threshold=np.nan, **same))
        for share in SHARES:
            made = false_negative_rate_at_share(outcome, values, share, year, level=level)
            name = f"false-negative rate at {100 * share:g}% positive"
            rows.append(row(made, name, interval=NORMAL, threshold=np.nan, **same))
    return pd.DataFrame(rows)


def two_by_two_table(
    aligned: Aligned, year: float, thresholds: Sequence[float], ties: Ties
) -> pd.DataFrame:
    """Exams by test and outcome at every threshold.

    Returns
    -------
    DataFrame
        ``model``, ``horizon``, ``threshold``, ``test`` (``"positive"`` at or above the threshold),
        ``outcome`` (``"cancer"``, ``"no cancer"``, ``"unknown"``: follow-up ended before the
        horizon), ``n`` and ``weighted``: the number of exams represented, by sampling weights and
        the inverse probability of censoring; NaN if the outcome is unknown.
    """
    rows = []
    for model, risks in aligned.risks.items():
        if year not in risks.columns or risks[year].notna().sum() == 0:
            continue
        outcome, values = rows_of(aligned, model, year)
        weights = fit_censoring(outcome, ties).weights(year)
        case = outcome.is_case(year)
        control = outcome.is_event_free(year) | outcome.is_competing(year)
        used = outcome.weight > 0
        for threshold in thresholds:
            for test, called in (
                ("positive", values >= threshold),
                ("negative", values < threshold),
            ):
                for name, inside in (
                    ("cancer", case),
                    ("no cancer", control),
                    ("unknown", ~(case | control)),
                ):
                    there = called & inside & used
                    of_known = None if name == "unknown" or weights is None else weights
                    rows.append(
                        {
                            "model": model,
                            "horizon": year,
                            "threshold": threshold,
                            "test": test,
                            "outcome": name,
                            "n": int(there.sum()),
                            "weighted": np.nan
                            if of_known is None
                            else float(of_known[there].sum()),
                        }
                    )
    return pd.DataFrame(rows)


def triage_table(
    aligned: Aligned, models: Sequence[str], horizon: float | None = None
) -> pd.DataFrame:
    """Triage by scores of the same exam, among rows whose outcome is known.

    Parameters
    ----------
    aligned : Aligned
    models : sequence of str
        Models whose values are scores of the exam itself, not risks of later years.
    horizon : float, optional
        Years. Default: the first horizon of each model.

    Returns
    -------
    DataFrame
        ``model``, ``horizon``, ``threshold``, ``not_read``, ``cancers_missed``; empty without such
        models or without cancers.
    """
    parts = []
    for model in models:
        year = float(aligned.risks[model].columns[0]) if horizon is None else horizon
        outcome, score = rows_of(aligned, model, year)
        found = _curve(outcome, score, year)
        if len(found):
            found.insert(0, "model", model)
            found.insert(1, "horizon", year)
            parts.append(found)
    columns = ["model", "horizon", "threshold", "not_read", "cancers_missed"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _curve(outcome: Outcome, score: Floats, year: float) -> pd.DataFrame:
    known = outcome.is_case(year) | outcome.is_competing(year) | outcome.is_event_free(year)
    case = outcome.is_case(year)[known]
    if not case.any() or (outcome.is_weighted and not outcome.is_complete(year)):
        return pd.DataFrame()
    table = triage_curve(case, score[known])
    # About two hundred points are enough to draw and to print.
    step = max(1, len(table) // 200)
    return table.iloc[::step].reset_index(drop=True)
