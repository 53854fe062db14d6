"""Report: the tables of an evaluation and their export."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.style import NOTICE
from mammorisk.errors import EvaluationError, OutputError
from mammorisk.evaluation.figures import FIGURES, FigureData
from mammorisk.evaluation.published_tables import published_table
from mammorisk.evaluation.report_page import page
from mammorisk.evaluation.table_text import as_html, as_latex

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Result of :func:`mammorisk.evaluate`.

    Every table has one row per estimate, with ``value``, ``se``, ``lower``, ``upper``, ``n``,
    ``events`` and, if there is no estimate, the ``reason``.

    Attributes
    ----------
    models : list of str
        The first is the model that is evaluated; the others are compared with it.
    horizons : list of float
        Years.
    level : float
        Confidence level of all intervals.
    flow : DataFrame
        Rows, women and cancers at each step, follow-up, weights.
    table_one : DataFrame
        Features of women with and without cancer by the last horizon.
    missing : DataFrame
        Missing values by column.
    discrimination : DataFrame
        AUC by horizon, C indices, by model.
    overall : DataFrame
        Brier score, index of prediction accuracy, log score, integrated Brier score.
    calibration : DataFrame
        E/O, intercept, slope, ICI, E50, E90, tests.
    calibration_groups : DataFrame
        Expected and observed risk by tenth of risk.
    utility : DataFrame
        Net benefit by threshold.
    thresholds : DataFrame
        Sensitivity, specificity, predictive values; fixed specificity; matched positive rate.
    effect_size : DataFrame
        Hazard ratios per standard deviation and by fifths; share of cancers in the top.
    incidence : DataFrame
        Observed risk by tenth, with ratios to the mean.
    comparison : DataFrame
        Paired differences between the first model and the others.
    reclassification : DataFrame
        Net reclassification, its parts, and discrimination improvement.
    subgroups : DataFrame
        Estimates by group, if ``by`` was given.
    triage : DataFrame
        Share of exams not read and of cancers missed.
    checklist : DataFrame
        TRIPOD+AI items that the data answer.
    notes : list of str
        Notes to the reader.
    methods : dict
        Options, versions.
    plot_data : dict of str to DataFrame
        Data of the figures (``calibration_lines``, ``risk_histogram``, ``roc``) and of two of the
        published tables (``risk_groups``, ``matched``).

    See Also
    --------
    mammorisk.evaluate : Returns a report.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> from mammorisk.metrics import example_risks
    >>> outcome, risk, _ = example_risks()
    >>> cohort = pd.DataFrame({"time": outcome.time, "event": outcome.event})
    >>> report = mr.evaluate(risk, cohort, horizons=[5])
    >>> report.horizons, report.level
    ([5.0], 0.95)
    >>> len(report.tables)
    16
    """

    models: list[str]
    horizons: list[float]
    level: float
    flow: pd.DataFrame
    table_one: pd.DataFrame
    missing: pd.DataFrame
    discrimination: pd.DataFrame
    overall: pd.DataFrame
    calibration: pd.DataFrame
    calibration_groups: pd.DataFrame
    utility: pd.DataFrame
    thresholds: pd.DataFrame
    effect_size: pd.DataFrame
    incidence: pd.DataFrame
    comparison: pd.DataFrame
    reclassification: pd.DataFrame
    subgroups: pd.DataFrame
    triage: pd.DataFrame
    checklist: pd.DataFrame
    notes: list[str]
    methods: dict[str, Any]
    plot_data: dict[str, pd.DataFrame] = field(repr=False)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, in the order of the page."""
        names = (
            *("flow", "table_one", "missing", "discrimination", "overall", "calibration"),
            *("calibration_groups", "utility", "thresholds", "effect_size", "incidence"),
            *("comparison", "reclassification", "subgroups", "triage", "checklist"),
        )
        return {name: getattr(self, name) for name in names}

    def published_table(self, name: str) -> pd.DataFrame:
        """Return a table in the layout of a published study.

        Parameters
        ----------
        name : str
            ``"T1"`` AUC by model with p against the first (Yala 2019); ``"T2"`` incidence by
            tenths (Yala 2019); ``"T3"`` ratio per SD and AUC (Dembrower 2020); ``"T4"``
            false-negative rate at matched positive rates (Dembrower 2020); ``"T5"`` C and AUC by
            group (Mirai 2021); ``"T6"`` sensitivity at fixed specificity (Mirai 2021); ``"T7"``
            triage (Rodriguez-Ruiz 2019, Lång 2021); ``"T8"`` groups under 1.7, to 3, over 3
            percent (Lamb 2026); ``"T9"`` expected over observed by model and tenth (Kaul 2026);
            ``"T10"`` matched C and odds ratio, if the cohort has ``matched_set``.

        Raises
        ------
        EvaluationError
            Another name.
        """
        return published_table(
            self._all_tables, name, model=self.models[0], horizon=self.horizons[-1]
        )

    def figure(self, name: str) -> Figure | None:
        """Draw a figure of the page.

        Parameters
        ----------
        name : {"comparison", "roc", "calibration", "distribution", "decision", "triage", \
"subgroups"}

        Returns
        -------
        Figure or None
            None if the report has no data for it, such as subgroups that were not requested.

        Raises
        ------
        EvaluationError
            Another name.
        """
        if name not in FIGURES:
            raise EvaluationError(
                f"there is no figure {name!r}", where="name", remedy=f"Known: {', '.join(FIGURES)}."
            )
        return FIGURES[name][0](
            FigureData(tables=self._all_tables, models=self.models, horizon=self.horizons[-1])
        )

    def to_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return page(
            self._all_tables,
            title=str(self.methods["title"]),
            models=self.models,
            horizons=self.horizons,
            level=self.level,
            notes=self.notes,
        )

    @property
    def _all_tables(self) -> dict[str, pd.DataFrame]:
        methods = pd.DataFrame(self.methods.items(), columns=["what", "how"])
        return self.tables | self.plot_data | {"methods": methods}

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one self-contained HTML page.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        path, text = Path(path), self.to_page()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, partial(_write_text, text))
        except OSError as error:
            raise OutputError(
                f"the report cannot be written ({error.strerror})",
                where=str(path),
                remedy="Give another file.",
            ) from None
        return path

    def to_csv(self, folder: str | Path) -> Path:
        """Write every table as a CSV file to a folder, which is created if necessary."""
        return self._write(Path(folder), "csv")

    def to_latex(self, folder: str | Path) -> Path:
        """Write every table as a LaTeX tabular (booktabs) to a folder."""
        return self._write(Path(folder), "tex")

    def _write(self, folder: Path, kind: str) -> Path:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, table in self.tables.items():
                text = table.to_csv(index=False) if kind == "csv" else as_latex(table, name)
                atomic_write(folder / f"{name}.{kind}", partial(_write_text, text))
        except OSError as error:
            raise OutputError(
                f"the tables cannot be written ({error.strerror})", where=str(folder)
            ) from None
        return folder

    def __repr__(self) -> str:
        return (
            f"<Report: {', '.join(self.models)}; {self.horizons[-1]:g} years; "
            f"{len(self.notes)} notes>"
        )

    def _repr_html_(self) -> str:
        parts = [f"<p>{NOTICE}</p>"]
        for name in ("discrimination", "calibration", "comparison"):
            table: pd.DataFrame = getattr(self, name)
            if len(table):
                parts += [f"<h4>{name}</h4>", as_html(table)]
        return "\n".join([*parts, *(f"<p>{note}</p>" for note in self.notes)])


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
