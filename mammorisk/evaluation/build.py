"""Computation of all tables of a report."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mammorisk._utils.progress import progress_bar
from mammorisk.clinical.rates import Rates
from mammorisk.clinical.registry import CLINICAL_MODELS
from mammorisk.errors import EvaluationError
from mammorisk.evaluation import characteristics, comparison_tables
from mammorisk.evaluation.checklist import checklist
from mammorisk.evaluation.methods_text import Settings, methods, paragraph
from mammorisk.evaluation.plot_data import PlotSource, category_shares
from mammorisk.evaluation.report import Report
from mammorisk.evaluation.rows import row, rows_of
from mammorisk.evaluation.sections import Parts, compute, joined, tasks_of
from mammorisk.evaluation.subgroups import MULTIPLICITY, check_bins
from mammorisk.metrics.censoring import Ties
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
    rates: Rates | None = None,
    workers: int = 1,
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
        rates=None if rates is None else rates.summary,
    )
    common = comparison_tables.common_rows(aligned, year)
    parts = Parts(
        aligned=aligned,
        common=common,
        given=given,
        source=source,
        thresholds=settings.thresholds,
        features=features,
        names=names,
        bins=edges,
        cluster=cluster,
        recalibrated=recalibrated,
        detection=detection,
        fewest_cancers=fewest_cancers,
        seed=seed,
    )
    found = []
    total = len(tasks_of(parts))
    with progress_bar("parts of the report", total, show=progress) as tell:
        for tables in compute(parts, workers):
            found.append(tables)
            if tell is not None:
                tell(len(found), total)
    made = joined(found)
    made["checklist"] = checklist(
        horizons=years,
        subgroups=names,
        cluster=cluster,
        recalibrated=recalibrated,
        models_known=bool(made["models_used"]["version"].notna().all()),
    )
    notes = [*aligned.notes, *_notes(aligned, year, settings), *common.notes]
    notes += _rates_notes(given, rates)
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
                    for model in parts.scored
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


def _rates_notes(given: Mapping[str, object], rates: Rates | None) -> list[str]:
    """Models of the report that differ in their incidence and mortality."""
    replaced, own = [], []
    for name, risks in given.items():
        if not isinstance(risks, pd.DataFrame) or "warning_codes" not in risks.columns:
            continue
        codes = risks["warning_codes"].fillna("").astype(str)
        if codes.str.contains("rates-replaced", regex=False).any():
            replaced.append(name)
        elif name in CLINICAL_MODELS:
            own.append(name)
    if not replaced or not own:
        return []
    remedy = "" if rates is not None else "; rates= gives published models other rates"
    return [
        f"incidence and mortality differ: other rates for {', '.join(replaced)}, those of the "
        f"publication for {', '.join(own)}{remedy}"
    ]


def _check_columns(table: pd.DataFrame, names: Sequence[str], where: str) -> None:
    if unknown := [name for name in names if name not in table.columns]:
        raise EvaluationError(
            f"the cohort has no column {', '.join(map(repr, unknown))}",
            where=where,
            remedy=f"It has: {', '.join(map(str, table.columns[:40]))}.",
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
