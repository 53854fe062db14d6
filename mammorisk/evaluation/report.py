"""Report: tables and figures of an evaluation, and their export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import pandas as pd

from mammorisk._utils.style import NOTICE
from mammorisk.errors import EvaluationError
from mammorisk.evaluation.captions import CAPTIONS, caption, note
from mammorisk.evaluation.documents import write_docx, write_excel
from mammorisk.evaluation.latex import as_latex
from mammorisk.evaluation.report_figures import ReportFigures
from mammorisk.evaluation.report_file import write_report_file
from mammorisk.evaluation.report_page import page
from mammorisk.evaluation.table_text import as_html
from mammorisk.evaluation.tidy import tidy


class Report(ReportFigures):
    """Result of :func:`mammorisk.evaluate`.

    Tables of estimates have one row per estimate: ``model``, ``measure``, ``horizon`` (years),
    ``value``, ``se``, ``lower``, ``upper``, ``interval`` (its method), ``p``, ``null`` (what p
    tests), ``n`` (exams), ``events`` (cancers among them within the horizon, or in follow-up where
    there is no horizon), ``weight`` (sum of weights) and ``reason`` (why there is no value or no
    interval). The tables are not rounded; pages and documents are.

    Attributes
    ----------
    models : list of str
        The first is the model that is evaluated; the others are compared with it.
    horizons : list of float
        Years.
    level : float
        Confidence level of all intervals.
    simulated : bool
        Whether the women are simulated; if so, every table and figure states it.
    cluster : str or None
        Column of sites.
    flow : DataFrame
        Rows, women and cancers at each step, follow-up, weights.
    characteristics : DataFrame
        The numbers of Table 1; see :attr:`table_one`.
    missing : DataFrame
        Missing values by column, without those that do not apply.
    models_used : DataFrame
        Title, version and hash of the weights of every model.
    model_warnings : DataFrame
        Number of exams with each warning, by model.
    discrimination : DataFrame
        AUC by horizon, C indices.
    overall : DataFrame
        Brier score, index of prediction accuracy, log score, integrated Brier score.
    calibration : DataFrame
        E/O, calibration in the large, slope, ICI, E50, E90, tests.
    calibration_groups : DataFrame
        Expected and observed risk by tenth of risk.
    utility : DataFrame
        Net benefit by threshold.
    thresholds : DataFrame
        Sensitivity, specificity, predictive values; fixed specificity; matched positive rate.
    two_by_two : DataFrame
        Exams by test result and outcome at every threshold.
    effect_size : DataFrame
        Hazard ratios per standard deviation and by fifths; share of cancers in the top.
    incidence : DataFrame
        Observed risk by tenth, with ratios to the mean.
    comparison : DataFrame
        Paired differences between the first model and the others.
    reclassification : DataFrame
        Net reclassification, its parts, discrimination improvement, differences of net benefit.
    reclassified : DataFrame
        Exams by category of risk under two models.
    subgroups : DataFrame
        Performance by group for every model, if ``by`` was given.
    heterogeneity : DataFrame
        Performance by site with random-effects summaries, if ``cluster`` was given.
    recalibration : DataFrame
        Performance before and after recalibration, if ``recalibrated`` was given.
    triage : DataFrame
        Share of exams not read and of cancers missed, for scores of the same exam.
    checklist : DataFrame
        TRIPOD+AI items and the parts of the report that address them.
    notes : list of str
        Notes to the reader.
    methods : dict of str to str
        Options, conventions, versions, date and seed.
    methods_paragraph : str
        Paragraph for the methods section. Text in square brackets must be completed by the authors.

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
    >>> report = mr.evaluate(risk, cohort, horizons=5)
    >>> report.horizons, report.level
    ([5.0], 0.95)
    >>> rows = report.to_frame().query("estimand == 'AUC'")
    >>> rows[["model", "horizon", "estimate", "lower", "upper", "n", "events"]].round(3)
        model  horizon  estimate  lower  upper     n  events
    16  model      5.0     0.671  0.612   0.73  1000      93
    """

    def to_frame(self) -> pd.DataFrame:
        """All estimates as one tidy table.

        Returns
        -------
        DataFrame
            One row per estimate: ``table``, ``model``, ``group``, ``horizon`` (years),
            ``threshold``, ``estimand``, ``estimate``, ``lower``, ``upper``, ``interval`` (its
            method), ``p``, ``null``, ``n``, ``events``, ``weight``, ``reason``.
        """
        return tidy(self.tables | {"characteristics": self.characteristics})

    def to_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return page(
            self.tables | {"methods": self._methods_table()},
            self._request(),
            title=self.methods["title"],
            level=self.level,
            notes=self.notes,
            paragraph=self.methods_paragraph,
            simulated=self.simulated,
            cluster=self.cluster,
        )

    def _methods_table(self) -> pd.DataFrame:
        return pd.DataFrame(self.methods.items(), columns=["what", "how"])

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one self-contained HTML page.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        return write_report_file(Path(path), self.to_page())

    def to_csv(self, folder: str | Path) -> Path:
        """Write every table as a CSV file into a folder, which is created if it does not exist.

        ``estimates.csv`` is :meth:`to_frame`.
        """
        folder = Path(folder)
        tables = {"estimates": self.to_frame()} | self.tables
        for name, table in tables.items():
            write_report_file(folder / f"{name}.csv", table.to_csv(index=False))
        return folder

    @overload
    def to_latex(self, path: None = None, *, table: str, caption: str | None = None) -> str: ...
    @overload
    def to_latex(
        self, path: str | Path, *, table: str | None = None, caption: str | None = None
    ) -> Path: ...
    def to_latex(
        self,
        path: str | Path | None = None,
        *,
        table: str | None = None,
        caption: str | None = None,
    ) -> str | Path:
        """Tables as LaTeX, with captions and numbers aligned at the decimal point.

        Parameters
        ----------
        path : path, optional
            File for ``table``, or folder for one file per table.
        table : str, optional
            One table: a name of :attr:`tables` or of :meth:`published_table`.
        caption : str, optional
            Caption instead of that of the table.

        Returns
        -------
        str or Path
            Without ``path``, the text of ``table``; otherwise ``path``.

        Notes
        -----
        The tables need the packages booktabs, longtable and siunitx.
        """
        if table is not None:
            text = self._latex(table, caption)
            return text if path is None else write_report_file(Path(path), text)
        if path is None:
            raise EvaluationError(
                "neither a table nor a folder was given",
                where="to_latex",
                remedy="Give to_latex('folder') or to_latex(table='calibration').",
            )
        folder = Path(path)
        for name, own in self.tables.items():
            if len(own):
                write_report_file(folder / f"{name}.tex", self._latex(name, None))
        return folder

    def _latex(self, name: str, title: str | None) -> str:
        if name in CAPTIONS:
            own, told, text = self.tables[name], self._caption(name), note(name)
        else:
            own, told, text = self.published_table(name), f"Table in the layout {name}", ""
        return as_latex(
            own,
            caption=title or told,
            label=f"tab:{name.replace('_', '-')}",
            level=self.level,
            note=text,
        )

    def _caption(self, name: str) -> str:
        return caption(
            name, horizon=self.horizons[-1], cluster=self.cluster, simulated=self.simulated
        )

    def to_docx(self, path: str | Path, *, tables: Sequence[str] | None = None) -> Path:
        """Write a Word document: methods, the panel, and tables with captions.

        Parameters
        ----------
        path : path
            ``.docx``.
        tables : sequence of str, optional
            Names of :attr:`tables`. Default: all of them.

        Raises
        ------
        MissingDependency
            python-docx is not installed (``mammorisk[documents]``).
        OutputError
            The file cannot be written.
        EvaluationError
            There is no such table.
        """
        every = self.tables
        names = list(every) if tables is None else list(tables)
        if unknown := [name for name in names if name not in every]:
            raise EvaluationError(
                f"there is no table {', '.join(map(repr, unknown))}",
                where="tables",
                remedy=f"Known: {', '.join(every)}.",
            )
        shown = [
            (self._caption(name), note(name), every[name]) for name in names if len(every[name])
        ]
        picture = self._picture("panel", "png")
        return write_report_file(
            Path(path),
            lambda file: write_docx(
                file,
                title=self.methods["title"],
                notice=NOTICE,
                paragraphs=[self.methods_paragraph, *self.notes],
                tables=shown,
                figure=picture,
                words=(
                    "Figure 1. A: ROC curves. B: calibration, with tenths of risk and the "
                    "distribution of risks below. C: decision curves. D: risks of women with and "
                    "without cancer."
                ),
            ),
        )

    def to_excel(self, path: str | Path) -> Path:
        """Write a workbook: all estimates, every table, and the methods; numbers not rounded.

        Raises
        ------
        MissingDependency
            openpyxl is not installed (``mammorisk[tables]``).
        OutputError
            The file cannot be written.
        """
        notes = pd.DataFrame({"notes": [NOTICE, self.methods_paragraph, *self.notes]})
        sheets = {"estimates": self.to_frame()} | self.tables
        sheets |= {"methods": self._methods_table(), "notes": notes}
        return write_report_file(Path(path), lambda file: write_excel(file, sheets))

    def __repr__(self) -> str:
        simulated = "SIMULATED; " if self.simulated else ""
        return (
            f"<Report: {simulated}{', '.join(self.models)}; {self.horizons[-1]:g} years; "
            f"{len(self.notes)} notes>"
        )

    def _repr_html_(self) -> str:
        parts = [f"<p>{NOTICE}</p>"]
        for name in ("discrimination", "calibration", "comparison"):
            table: pd.DataFrame = getattr(self, name)
            if len(table):
                parts += [f"<h4>{self._caption(name)}</h4>", as_html(table)]
        return "\n".join([*parts, *(f"<p>{note}</p>" for note in self.notes)])
