"""Computation of all tables of a report."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.evaluation import calibration_tables, cohort_tables, comparison_tables, plot_data
from mammorisk.evaluation.checklist import checklist
from mammorisk.evaluation.classification_tables import (
    effect_size_table,
    threshold_section,
    triage_table,
)
from mammorisk.evaluation.discrimination_tables import discrimination_table, overall_table, rows_of
from mammorisk.evaluation.report import Report
from mammorisk.evaluation.subgroups import MULTIPLICITY, group_labels, subgroup_table
from mammorisk.metrics.censoring import Ties, fit_censoring
from mammorisk.metrics.decision_analysis import decision_curve
from mammorisk.metrics.estimate import FEWEST_EVENTS, estimates_table, normal_quantile
from mammorisk.metrics.incidence_groups import incidence_by_group
from mammorisk.metrics.links import cloglog
from mammorisk.metrics.matched_sets import matched_concordance, matched_odds_ratio
from mammorisk.metrics.reclassification import CAUTION
from mammorisk.metrics.roc import roc_curve
from mammorisk.records.alignment import Aligned, align

#: Five-year risks used as thresholds by guidelines: NCCN 2026 and the image-based groups of Lamb
#: 2026.
THRESHOLDS = (0.017, 0.03)


def evaluate_risks(
    risks: object,
    cohort: object,
    by: str | Sequence[str] = (),
    *,
    horizons: Sequence[float] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    bins: dict[str, list[float]] | None = None,
    censoring: Ties = "riskregression",
    fewest_cancers: int = 20,
    level: float = 0.95,
    title: str = "Evaluation of breast cancer risk",
) -> Report:
    """Compute every table. See :func:`mammorisk.evaluate` for the parameters."""
    normal_quantile(level)
    wanted = None if horizons is None else tuple(float(year) for year in horizons)
    aligned = align(risks, cohort, wanted)
    names = [by] if isinstance(by, str) else list(by)
    if unknown := [name for name in names if name not in aligned.table.columns]:
        raise EvaluationError(
            f"the cohort has no column {', '.join(map(repr, unknown))}",
            where="by",
            remedy=f"It has: {', '.join(map(str, aligned.table.columns[:40]))}.",
        )
    first = next(iter(aligned.risks))
    years = [float(year) for year in aligned.risks[first].columns]
    year = years[-1]
    notes = [*aligned.notes, *_notes(aligned, year)]
    fitted = fit_censoring(aligned.outcome, censoring)
    main = aligned.risks[first][year].to_numpy(dtype=float)
    whole = rows_of(aligned, first, year)
    labels = {
        name: group_labels(aligned.table[name], bins=(bins or {}).get(name)).rename(name)
        for name in names
    }
    there = np.isfinite(main)
    outcome, risk = whole
    subgroups = [
        subgroup_table(
            outcome,
            risk,
            label[there].reset_index(drop=True),
            year,
            threshold=thresholds[0] if len(thresholds) else None,
            fewest_cancers=fewest_cancers,
            level=level,
        )
        for label in labels.values()
    ]
    if subgroups:
        notes.append(MULTIPLICITY)
    common = comparison_tables.common_rows(aligned, year)
    notes += common.notes
    if len(common.risks) > 1:
        notes.append(CAUTION)
    groups, curves = calibration_tables.curves(aligned, year, level)
    return Report(
        models=list(aligned.risks),
        horizons=years,
        level=level,
        flow=cohort_tables.flow_table(aligned, year),
        table_one=cohort_tables.table_one(aligned, year),
        missing=cohort_tables.missing_table(aligned),
        discrimination=discrimination_table(aligned, fitted, level),
        overall=overall_table(aligned, censoring, level),
        calibration=calibration_tables.calibration_table(aligned, curves, level),
        calibration_groups=groups,
        utility=decision_curve(common.outcome, common.risks, _grid(common), year, level=level),
        thresholds=threshold_section(aligned, year, thresholds, censoring, level),
        effect_size=effect_size_table(aligned, year, level),
        incidence=incidence_by_group(outcome, risk, year, level=level),
        comparison=comparison_tables.comparison_table(common, first, years, censoring, level),
        reclassification=comparison_tables.reclassification_table(
            common, first, year, thresholds, level
        ),
        subgroups=pd.concat(subgroups, ignore_index=True) if subgroups else pd.DataFrame(),
        triage=triage_table(outcome, risk, year),
        checklist=checklist(horizons=years, subgroups=names),
        notes=notes,
        methods=_methods(title, censoring, level, thresholds, fewest_cancers, names),
        plot_data={
            "calibration_lines": plot_data.calibration_lines(curves),
            "roc": plot_data.roc_points(
                {y: roc_curve(*rows_of(aligned, first, y), y, censoring=censoring) for y in years}
            ),
            "risk_histogram": pd.concat(
                [
                    plot_data.risk_histogram(model, *rows_of(aligned, model, year), year)
                    for model in curves
                ],
                ignore_index=True,
            ),
            "risk_groups": plot_data.risk_groups(outcome, risk, year),
            "matched": _matched(aligned, first, year),
        },
    )


def _matched(aligned: Aligned, model: str, year: float) -> pd.DataFrame:
    """Concordance and odds ratio within matched sets; empty if the cohort has none."""
    if "matched_set" not in aligned.table.columns:
        return pd.DataFrame()
    there = aligned.table["matched_set"].notna().to_numpy()
    values = aligned.risks[model][year].to_numpy(dtype=float)
    there = there & np.isfinite(values)
    case = aligned.outcome.is_case(year)[there]
    sets = aligned.table["matched_set"].to_numpy()[there]
    score = cloglog(values[there])
    found = [matched_concordance(case, score, sets)]
    if 0 < case.sum() < len(case):
        found.append(matched_odds_ratio(case, score, sets))
    return estimates_table(found)


def _grid(common: comparison_tables.Common) -> list[float]:
    """Thresholds of a decision curve, up to the 99th percentile of risk."""
    top = max(float(np.quantile(risk, 0.99)) for risk in common.risks.values())
    grid = np.linspace(top / 40, max(top, 1e-4), 40).clip(1e-6, 0.99)
    return [float(threshold) for threshold in grid]


def _notes(aligned: Aligned, year: float) -> list[str]:
    """Notes required by TRIPOD+AI and PROBAST+AI."""
    outcome = aligned.outcome
    notes = []
    cancers = int(outcome.is_case(year).sum())
    if cancers < 100:
        notes.append(f"{cancers} cancers within {year:g} y: with under 100, estimates are unstable")
    if outcome.is_weighted:
        notes.append(
            "sampling weights are applied: estimates are for the population that was sampled"
        )
    if outcome.is_clustered:
        notes.append(
            "exams of one woman are not independent: standard errors are computed by woman"
        )
    if (outcome.event == 2).any():
        notes.append("competing deaths: observed risks are Aalen-Johansen estimates")
    if outcome.has_entry:
        notes.append("late entry: women are at risk from their entry")
    lost = [
        step
        for step, after in zip(aligned.flow, aligned.flow[1:], strict=False)
        if after[1] < step[1]
    ]
    if lost:
        left = aligned.flow[0][1] - aligned.flow[-1][1]
        notes.append(f"{left} exams left out: no outcome or no risk (see the flow)")
    return notes


def _methods(
    title: str,
    censoring: str,
    level: float,
    thresholds: Sequence[float],
    fewest: int,
    by: list[str],
) -> dict[str, Any]:
    packages = ("numpy", "pandas", "scipy", "lifelines", "statsmodels")
    return {
        "title": title,
        "censoring weights": f"marginal Kaplan-Meier, ties as {censoring}",
        "date": datetime.now(UTC).date().isoformat(),
        "n": "exams with a risk and an outcome (of the groups compared, where a row is of groups)",
        "events": "cancers within the horizon, or in follow-up where a row has no horizon",
        "standard errors": "influence functions, summed by woman",
        "intervals": (
            f"{100 * level:g}%; normal, on the log scale for ratios, complementary log-log for "
            "observed risks; Wilson for proportions known for all; percentile bootstrap (500 "
            f"resamples, seed 1) at fixed specificity; exact or none under {FEWEST_EVENTS} cancers"
        ),
        "p": "two-sided, against the value in the column null",
        "tied risks": "count one half",
        "thresholds": ", ".join(f"{100 * t:g}%" for t in thresholds) or "none",
        "suppressed": f"groups with fewer than {fewest} cancers",
        "subgroups": ", ".join(by) or "none",
        "multiplicity": "p values are not adjusted, except in columns named p_adjusted",
        "versions": ", ".join(
            [f"Python {platform.python_version()}"] + [f"{p} {version(p)}" for p in packages]
        ),
    }
