"""ReportTables: the tables of an evaluation, and the tables made from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from mammorisk.evaluation.captions import CAPTIONS
from mammorisk.evaluation.characteristics import table_one
from mammorisk.evaluation.performance_table import performance_table
from mammorisk.evaluation.plot_data import PlotSource
from mammorisk.evaluation.published_tables import published_table


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportTables:
    """The tables of an evaluation. :class:`mammorisk.Report` describes them."""

    models: list[str]
    horizons: list[float]
    level: float
    simulated: bool
    cluster: str | None
    flow: pd.DataFrame
    characteristics: pd.DataFrame
    missing: pd.DataFrame
    models_used: pd.DataFrame
    model_warnings: pd.DataFrame
    discrimination: pd.DataFrame
    overall: pd.DataFrame
    calibration: pd.DataFrame
    calibration_groups: pd.DataFrame
    utility: pd.DataFrame
    thresholds: pd.DataFrame
    two_by_two: pd.DataFrame
    effect_size: pd.DataFrame
    incidence: pd.DataFrame
    comparison: pd.DataFrame
    reclassification: pd.DataFrame
    reclassified: pd.DataFrame
    subgroups: pd.DataFrame
    heterogeneity: pd.DataFrame
    recalibration: pd.DataFrame
    triage: pd.DataFrame
    checklist: pd.DataFrame
    notes: list[str]
    methods: dict[str, str]
    methods_paragraph: str
    layouts: dict[str, pd.DataFrame] = field(repr=False)
    source: PlotSource = field(repr=False)

    @property
    def table_one(self) -> pd.DataFrame:
        """Table 1 as text: mean (SD) or n (%), with standardised differences."""
        year = self.horizons[-1]
        case = self.source.outcome.is_case(year)
        sizes = {"all": len(case), "cancer": int(case.sum()), "no cancer": int((~case).sum())}
        return table_one(self.characteristics, sizes)

    @property
    def table_two(self) -> pd.DataFrame:
        """Table 2 as text: performance of every model at the last horizon, with intervals."""
        tables = {
            name: getattr(self, name)
            for name in ("discrimination", "calibration", "overall", "thresholds", "utility")
        }
        return performance_table(tables, self.models, self.horizons[-1])

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, in the order of the page."""
        return {name: getattr(self, name) for name in CAPTIONS}

    def published_table(self, name: str) -> pd.DataFrame:
        """Return a table in the layout of a published study.

        Parameters
        ----------
        name : str
            ``"T1"`` AUC by model with p against the first (Yala 2019); ``"T2"`` incidence by
            tenths (Yala 2019); ``"T3"`` ratio per SD and AUC (Dembrower 2020); ``"T4"``
            false-negative rate at matched positive rates (Dembrower 2020); ``"T5"`` C and AUC by
            group (Mirai 2021); ``"T6"`` sensitivity at fixed specificity (Mirai 2021); ``"T7"``
            triage by scores of the same exam (Rodriguez-Ruiz 2019, Lång 2021); ``"T8"`` groups
            between the thresholds (Lamb 2026); ``"T9"`` expected over observed by model and tenth
            (Kaul 2026); ``"T10"`` matched C and odds ratio, where the cohort has ``matched_set``.

        Raises
        ------
        EvaluationError
            The name is unknown, or the report has no data for this table.
        """
        return published_table(
            self.tables | self.layouts, name, model=self.models[0], horizon=self.horizons[-1]
        )
