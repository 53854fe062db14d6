"""The tables of a report in sections, which can be computed in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from mammorisk._utils.parallel import imap_processes
from mammorisk.evaluation import (
    calibration_tables,
    characteristics,
    cohort_tables,
    comparison_tables,
    effect_tables,
    model_tables,
)
from mammorisk.evaluation.classification_tables import (
    threshold_section,
    triage_table,
    two_by_two_table,
)
from mammorisk.evaluation.discrimination_tables import discrimination_table, overall_table
from mammorisk.evaluation.heterogeneity import heterogeneity_table
from mammorisk.evaluation.plot_data import PlotSource
from mammorisk.evaluation.recalibration_tables import before_and_after
from mammorisk.evaluation.rows import rows_of
from mammorisk.evaluation.subgroups import group_labels, subgroup_table
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.records.alignment import Aligned

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What the tables of a report are computed from.

    Attributes
    ----------
    aligned, common : Aligned, Common
        Rows of the evaluation, and those with a risk from every model.
    given : mapping of str to DataFrame or other
        Risks as they were given, with the record of their models and their warnings.
    source : PlotSource
    thresholds : tuple of float
        In the order in which they were given.
    features : mapping of str to str
        Columns of Table 1 and their labels.
    names : list of str
        Columns of subgroups.
    bins : mapping of str to list of float
    cluster : str or None
    recalibrated : bool
    detection : list of str
        Models whose values are scores of the exam itself.
    fewest_cancers : int
    seed : int
    """

    aligned: Aligned
    common: comparison_tables.Common
    given: Mapping[str, object]
    source: PlotSource
    thresholds: tuple[float, ...]
    features: Mapping[str, str]
    names: Sequence[str]
    bins: Mapping[str, list[float]]
    cluster: str | None
    recalibrated: bool
    detection: Sequence[str]
    fewest_cancers: int
    seed: int

    @property
    def first(self) -> str:
        """The model that is compared with the others."""
        return next(iter(self.aligned.risks))

    @property
    def years(self) -> list[float]:
        """Horizons of the first model."""
        return [float(year) for year in self.aligned.risks[self.first].columns]

    @property
    def year(self) -> float:
        """The last horizon."""
        return self.years[-1]

    @property
    def scored(self) -> list[str]:
        """Models with a risk at the last horizon."""
        return [model for model in self.aligned.risks if self.source.has(model, self.year)]


class Task(NamedTuple):
    """One section, for all models or for one."""

    section: str
    model: str | None


def _cohort(parts: Parts) -> Tables:
    aligned = parts.aligned
    return {
        "flow": cohort_tables.flow_table(aligned, parts.year),
        "characteristics": characteristics.characteristics_table(
            aligned, parts.year, parts.features
        ),
        "missing": characteristics.missing_table(aligned, parts.features),
        "models_used": model_tables.model_table(parts.given),
        "model_warnings": model_tables.warning_table(parts.given, aligned.table),
    }


def _discrimination(parts: Parts) -> Tables:
    fitted = fit_censoring(parts.aligned.outcome, parts.source.censoring)
    return {"discrimination": discrimination_table(parts.aligned, fitted, parts.source.level)}


def _overall(parts: Parts) -> Tables:
    source = parts.source
    return {"overall": overall_table(parts.aligned, source.censoring, source.level)}


def _calibration(parts: Parts) -> Tables:
    aligned, source, year = parts.aligned, parts.source, parts.year
    curves = {model: source.curve(model, year) for model in parts.scored}
    return {
        "calibration": calibration_tables.calibration_table(aligned, curves, source.level),
        "calibration_groups": pd.concat(
            [
                calibration_tables.tenths(model, *rows_of(aligned, model, year), year, source.level)
                for model in parts.scored
            ],
            ignore_index=True,
        ),
    }


def _utility(parts: Parts) -> Tables:
    return {"utility": parts.source.decision(list(parts.common.risks), parts.year)}


def _thresholds(parts: Parts, model: str) -> Tables:
    source = parts.source
    own = _only(parts.aligned, model)
    return {
        "thresholds": threshold_section(
            own, parts.year, parts.thresholds, source.censoring, source.level, seed=parts.seed
        ),
        "two_by_two": two_by_two_table(own, parts.year, parts.thresholds, source.censoring),
    }


def _triage(parts: Parts) -> Tables:
    return {"triage": triage_table(parts.aligned, parts.detection)}


def _effects(parts: Parts) -> Tables:
    level = parts.source.level
    return {
        "effect_size": effect_tables.effect_size_table(parts.aligned, parts.year, level),
        "incidence": effect_tables.incidence_table(parts.aligned, parts.year, level),
    }


def _comparison(parts: Parts) -> Tables:
    common, first, source = parts.common, parts.first, parts.source
    return {
        "comparison": comparison_tables.comparison_table(
            common, first, parts.years, source.censoring, source.level
        ),
        "reclassification": comparison_tables.reclassification_table(
            common, first, parts.year, parts.thresholds, source.level
        ),
        "reclassified": comparison_tables.reclassified_table(
            common, first, parts.year, source.thresholds
        ),
    }


def _subgroups(parts: Parts, model: str) -> Tables:
    """Subgroups of every column."""
    aligned, thresholds = parts.aligned, parts.thresholds
    there = aligned.risks[model][parts.year].notna().to_numpy()
    outcome, risk = rows_of(aligned, model, parts.year)
    found = []
    for name in parts.names:
        label = group_labels(aligned.table[name], bins=parts.bins.get(name)).rename(name)
        found.append(
            subgroup_table(
                outcome,
                risk,
                label[there].reset_index(drop=True),
                parts.year,
                threshold=thresholds[0] if len(thresholds) else None,
                fewest_cancers=parts.fewest_cancers,
                level=parts.source.level,
            )
        )
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    return {"subgroups": _headed(table, model)}


def _heterogeneity(parts: Parts, model: str) -> Tables:
    """Performance by site."""
    if parts.cluster is None:
        return {"heterogeneity": pd.DataFrame()}
    aligned = parts.aligned
    sites = aligned.table[parts.cluster].astype(object)
    sites = sites.where(sites.notna(), "missing").astype(str).rename(parts.cluster)
    there = aligned.risks[model][parts.year].notna().to_numpy()
    table = heterogeneity_table(
        *rows_of(aligned, model, parts.year),
        sites[there].reset_index(drop=True),
        parts.year,
        fewest_cancers=parts.fewest_cancers,
        level=parts.source.level,
    )
    return {"heterogeneity": _headed(table, model)}


def _recalibration(parts: Parts, model: str) -> Tables:
    """Before and after recalibration."""
    if not parts.recalibrated:
        return {"recalibration": pd.DataFrame()}
    table = before_and_after(
        *rows_of(parts.aligned, model, parts.year),
        parts.year,
        seed=parts.seed,
        level=parts.source.level,
    )
    return {"recalibration": _headed(table, model)}


#: Sections for all models at once, and for each model.
_OF_ALL: dict[str, Callable[[Parts], Tables]] = {
    "cohort": _cohort,
    "discrimination": _discrimination,
    "overall": _overall,
    "calibration": _calibration,
    "utility": _utility,
    "triage": _triage,
    "effects": _effects,
    "comparison": _comparison,
}
_OF_ONE: dict[str, Callable[[Parts, str], Tables]] = {
    "thresholds": _thresholds,
    "subgroups": _subgroups,
    "heterogeneity": _heterogeneity,
    "recalibration": _recalibration,
}

#: Tables of single models; a report has each of them once.
_TABLES_OF_ONE = ("thresholds", "two_by_two", "subgroups", "heterogeneity", "recalibration")


def tasks_of(parts: Parts) -> list[Task]:
    """The sections of a report; the longest are first, which balances several processes."""
    one = [Task(name, model) for name in reversed(_OF_ONE) for model in parts.scored]
    return one + [Task(name, None) for name in _OF_ALL]


def compute(parts: Parts, workers: int) -> Iterator[Tables]:
    """Compute the sections, in the order of :func:`tasks_of`.

    Parameters
    ----------
    parts : Parts
    workers : int
        Number of processes. The tables do not depend on it.

    Yields
    ------
    dict of str to DataFrame
    """
    yield from imap_processes(_compute, tasks_of(parts), workers, shared=parts)


def _compute(parts: Parts, task: Task) -> Tables:
    if task.model is None:
        return _OF_ALL[task.section](parts)
    return _OF_ONE[task.section](parts, task.model)


def joined(found: Sequence[Tables]) -> Tables:
    """The tables of all sections; those of single models one below the other."""
    made = {name: table for tables in found for name, table in tables.items()}
    for name in _TABLES_OF_ONE:
        own = [tables[name] for tables in found if name in tables]
        # A column that is empty for one model alone has another type there.
        made[name] = pd.concat(own, ignore_index=True).infer_objects() if own else pd.DataFrame()
    return made


def _only(aligned: Aligned, model: str) -> Aligned:
    return replace(aligned, risks={model: aligned.risks[model]})


def _headed(table: pd.DataFrame, model: str) -> pd.DataFrame:
    if len(table.columns):
        table.insert(0, "model", model)
    return table
