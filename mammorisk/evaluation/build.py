"""Computation of all tables of a report."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from mammorisk._utils.progress import progress_bar
from mammorisk.errors import EvaluationError
from mammorisk.evaluation import (
    calibration_tables,
    characteristics,
    cohort_tables,
    comparison_tables,
    effect_tables,
    model_tables,
)
from mammorisk.evaluation.checklist import checklist
from mammorisk.evaluation.classification_tables import (
    threshold_section,
    triage_table,
    two_by_two_table,
)
from mammorisk.evaluation.discrimination_tables import discrimination_table, overall_table
from mammorisk.evaluation.heterogeneity import heterogeneity_table
from mammorisk.evaluation.methods_text import Settings, methods, paragraph
from mammorisk.evaluation.plot_data import PlotSource, category_shares
from mammorisk.evaluation.recalibration_tables import before_and_after
from mammorisk.evaluation.report import Report
from mammorisk.evaluation.rows import row, rows_of
from mammorisk.evaluation.subgroups import (
    MULTIPLICITY,
    check_bins,
    group_labels,
    subgroup_table,
)
from mammorisk.metrics.censoring import Ties, fit_censoring
from mammorisk.metrics.estimate import normal_quantile
from mammorisk.metrics.links import cloglog
from mammorisk.metrics.matched_sets import matched_concordance, matched_odds_ratio
from mammorisk.metrics.reclassification import CAUTION
from mammorisk.records.alignment import Aligned, align, by_model
from mammorisk.records.simulated_ids import are_simulated

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
    bins: Mapping[str, float | Sequence[float]] | None = None,
    characteristics_of: Sequence[str] | Mapping[str, str] | None = None,
    cluster: str | None = None,
    recalibrated: bool = False,
    same_exam: str | Sequence[str] = (),
    censoring: Ties = "riskregression",
    fewest_cancers: int = 20,
    level: float = 0.95,
    seed: int = 1,
    title: str = "Evaluation of breast cancer risk",
    data: str = "",
    simulated: bool | None = None,
    progress: bool = False,
) -> Report:
    """Compute every table. See :func:`mammorisk.evaluate` for the parameters."""
    normal_quantile(level)
    wanted = None if horizons is None else tuple(float(year) for year in horizons)
    given = by_model(risks)
    aligned = align(given, cohort, wanted)
    names = [by] if isinstance(by, str) else list(by)
    _check_columns(aligned.table, names, "by")
    if cluster is not None:
        _check_columns(aligned.table, [cluster], "cluster")
    detection = [same_exam] if isinstance(same_exam, str) else list(same_exam)
    if unknown := [name for name in detection if name not in aligned.risks]:
        raise EvaluationError(
            f"there is no model {', '.join(map(repr, unknown))}",
            where="same_exam",
            remedy=f"Models: {', '.join(aligned.risks)}.",
        )
    edges = check_bins(bins or {}, names)
    features = characteristics.choose_features(aligned.table, characteristics_of)
    first = next(iter(aligned.risks))
    years = [float(year) for year in aligned.risks[first].columns]
    year = years[-1]
    source = PlotSource(
        outcome=aligned.outcome,
        risks=aligned.risks,
        thresholds=tuple(sorted(thresholds)),
        censoring=censoring,
        level=level,
    )
    settings = Settings(
        title=title,
        data=data,
        censoring=censoring,
        level=level,
        thresholds=tuple(thresholds),
        fewest_cancers=fewest_cancers,
        by=tuple(names),
        cluster=cluster,
        recalibrated=recalibrated,
        seed=seed,
        simulated=are_simulated(aligned.table) if simulated is None else simulated,
    )
    scored = [model for model in aligned.risks if source.has(model, year)]
    common = comparison_tables.common_rows(aligned, year)
    made: dict[str, pd.DataFrame] = {}

    def tables() -> Iterator[str]:
        """Compute the tables one by one."""
        fitted = fit_censoring(aligned.outcome, censoring)
        made["flow"] = cohort_tables.flow_table(aligned, year)
        made["characteristics"] = characteristics.characteristics_table(aligned, year, features)
        made["missing"] = characteristics.missing_table(aligned, features)
        made["models_used"] = model_tables.model_table(given)
        made["model_warnings"] = model_tables.warning_table(given, aligned.table)
        yield "cohort"
        made["discrimination"] = discrimination_table(aligned, fitted, level)
        yield "discrimination"
        made["overall"] = overall_table(aligned, censoring, level)
        yield "overall"
        curves = {model: source.curve(model, year) for model in scored}
        made["calibration"] = calibration_tables.calibration_table(aligned, curves, level)
        made["calibration_groups"] = pd.concat(
            [
                calibration_tables.tenths(model, *rows_of(aligned, model, year), year, level)
                for model in scored
            ],
            ignore_index=True,
        )
        yield "calibration"
        made["utility"] = source.decision(list(common.risks), year)
        yield "utility"
        made["thresholds"] = threshold_section(
            aligned, year, thresholds, censoring, level, seed=seed
        )
        made["two_by_two"] = two_by_two_table(aligned, year, thresholds, censoring)
        made["triage"] = triage_table(aligned, detection)
        yield "thresholds"
        made["effect_size"] = effect_tables.effect_size_table(aligned, year, level)
        made["incidence"] = effect_tables.incidence_table(aligned, year, level)
        yield "effect"
        made["comparison"] = comparison_tables.comparison_table(
            common, first, years, censoring, level
        )
        made["reclassification"] = comparison_tables.reclassification_table(
            common, first, year, thresholds, level
        )
        made["reclassified"] = comparison_tables.reclassified_table(
            common, first, year, sorted(thresholds)
        )
        yield "comparison"
        made["subgroups"] = _by_model_and_column(
            aligned, scored, year, names, edges, thresholds, fewest_cancers, level
        )
        yield "subgroups"
        made["heterogeneity"] = (
            pd.DataFrame()
            if cluster is None
            else _by_cluster(aligned, scored, year, cluster, fewest_cancers, level)
        )
        made["recalibration"] = (
            _recalibration(aligned, scored, year, level, seed) if recalibrated else pd.DataFrame()
        )
        yield "recalibration"

    with progress_bar("parts of the report", 10, show=progress) as tell:
        for done, _ in enumerate(tables(), start=1):
            if tell is not None:
                tell(done, 10)
    made["checklist"] = checklist(
        horizons=years,
        subgroups=names,
        cluster=cluster,
        recalibrated=recalibrated,
        models_known=bool(made["models_used"]["version"].notna().all()),
    )
    notes = [*aligned.notes, *_notes(aligned, year, settings), *common.notes]
    if len(made["subgroups"]):
        notes.append(MULTIPLICITY)
    if len(common.risks) > 1:
        notes.append(CAUTION)
    told = methods(settings)
    outcome = aligned.outcome
    marks = {
        "weighted": outcome.is_weighted,
        "clustered": outcome.is_clustered,
        "competing": bool((outcome.event == 2).any()),
        "entry": outcome.has_entry,
    }
    return Report(
        models=list(aligned.risks),
        horizons=years,
        level=level,
        simulated=settings.simulated,
        cluster=cluster,
        notes=notes,
        methods=told,
        methods_paragraph=paragraph(
            settings, told, made["models_used"], made["flow"], years, marks
        ),
        layouts={
            "risk_groups": pd.concat(
                [
                    category_shares(model, *rows_of(aligned, model, year), year, thresholds)
                    for model in scored
                ],
                ignore_index=True,
            )
            if len(thresholds)
            else pd.DataFrame(),
            "matched": _matched(aligned, first, year),
        },
        source=source,
        **made,
    )


def _check_columns(table: pd.DataFrame, names: Sequence[str], where: str) -> None:
    if unknown := [name for name in names if name not in table.columns]:
        raise EvaluationError(
            f"the cohort has no column {', '.join(map(repr, unknown))}",
            where=where,
            remedy=f"It has: {', '.join(map(str, table.columns[:40]))}.",
        )


def _by_model_and_column(
    aligned: Aligned,
    models: Sequence[str],
    year: float,
    names: Sequence[str],
    bins: Mapping[str, list[float]],
    thresholds: Sequence[float],
    fewest: int,
    level: float,
) -> pd.DataFrame:
    """Subgroups of every column for every model."""
    labels = {
        name: group_labels(aligned.table[name], bins=bins.get(name)).rename(name) for name in names
    }
    parts = []
    for model in models:
        there = aligned.risks[model][year].notna().to_numpy()
        outcome, risk = rows_of(aligned, model, year)
        for label in labels.values():
            part = subgroup_table(
                outcome,
                risk,
                label[there].reset_index(drop=True),
                year,
                threshold=thresholds[0] if len(thresholds) else None,
                fewest_cancers=fewest,
                level=level,
            )
            part.insert(0, "model", model)
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _by_cluster(
    aligned: Aligned, models: Sequence[str], year: float, cluster: str, fewest: int, level: float
) -> pd.DataFrame:
    """Performance by site for every model."""
    sites = aligned.table[cluster].astype(object)
    sites = sites.where(sites.notna(), "missing").astype(str).rename(cluster)
    parts = []
    for model in models:
        there = aligned.risks[model][year].notna().to_numpy()
        part = heterogeneity_table(
            *rows_of(aligned, model, year),
            sites[there].reset_index(drop=True),
            year,
            fewest_cancers=fewest,
            level=level,
        )
        part.insert(0, "model", model)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _recalibration(
    aligned: Aligned, models: Sequence[str], year: float, level: float, seed: int
) -> pd.DataFrame:
    """Before and after recalibration for every model."""
    parts = []
    for model in models:
        part = before_and_after(*rows_of(aligned, model, year), year, seed=seed, level=level)
        part.insert(0, "model", model)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


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
    found = [
        row(
            matched_concordance(case, score, sets),
            "matched C",
            horizon=year,
            interval="normal (sets independent)",
            model=model,
        )
    ]
    if 0 < case.sum() < len(case):
        found.append(
            row(
                matched_odds_ratio(case, score, sets),
                "OR in matched sets",
                horizon=year,
                interval="normal on the log scale (conditional logistic regression)",
                model=model,
            )
        )
    return pd.DataFrame(found)


def _notes(aligned: Aligned, year: float, settings: Settings) -> list[str]:
    """Notes that TRIPOD+AI and PROBAST+AI ask for."""
    outcome = aligned.outcome
    notes = []
    if settings.simulated:
        notes.append("the women are simulated: nothing here is evidence about real women")
    cancers = int(outcome.is_case(year).sum())
    if cancers < 100:
        notes.append(
            f"{cancers} cancers within {year:g} y: with fewer than 100, estimates are unstable"
        )
    if outcome.is_weighted:
        low, high = float(outcome.weight.min()), float(outcome.weight.max())
        notes.append(
            f"sampling weights from {low:g} to {high:g} are applied: estimates are for the "
            "population that was sampled"
        )
    if outcome.is_clustered:
        notes.append(
            "exams of one woman are not independent: standard errors are computed by woman"
        )
    if (outcome.event == 2).any():
        notes.append("competing deaths: observed risks are Aalen-Johansen estimates")
    if outcome.has_entry:
        notes.append("late entry: women are at risk from their entry on")
    steps = [n for _, n in aligned.flow]
    left = sum(max(before - after, 0) for before, after in itertools.pairwise(steps))
    if left:
        notes.append(f"{left} exams left out: no outcome or no risk (see the flow)")
    return notes
