"""ReportFigures: the figures of an evaluation, and their data."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import pandas as pd

from mammorisk.errors import OutputError
from mammorisk.evaluation.plots.draw import KINDS, Request, plot
from mammorisk.evaluation.plots.look import FONTS
from mammorisk.evaluation.report_file import write_report_file
from mammorisk.evaluation.report_tables import ReportTables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

FigureKind = Literal[
    "roc",
    "calibration",
    "decision",
    "auc",
    "distribution",
    "forest",
    "incidence",
    "comparison",
    "triage",
    "flow",
]
#: Resolution of pictures in Word documents.
_DPI = 300


class ReportFigures(ReportTables):
    """The tables of an evaluation with their figures."""

    @overload
    def plot(
        self,
        kind: FigureKind,
        *,
        models: str | Sequence[str] | None = None,
        horizon: float | None = None,
        ax: Axes | None = None,
        labels: Mapping[str, str] | Sequence[str] | None = None,
        colours: Mapping[str, Any] | Sequence[Any] | None = None,
        **options: Any,
    ) -> Axes: ...
    @overload
    def plot(
        self,
        kind: Literal["panel"],
        *,
        models: str | Sequence[str] | None = None,
        horizon: float | None = None,
        ax: None = None,
        labels: Mapping[str, str] | Sequence[str] | None = None,
        colours: Mapping[str, Any] | Sequence[Any] | None = None,
        **options: Any,
    ) -> NDArray[Any]: ...
    def plot(
        self,
        kind: str,
        *,
        models: str | Sequence[str] | None = None,
        horizon: float | None = None,
        ax: Axes | None = None,
        labels: Mapping[str, str] | Sequence[str] | None = None,
        colours: Mapping[str, Any] | Sequence[Any] | None = None,
        **options: Any,
    ) -> Any:
        """Draw a figure.

        Settings of matplotlib (``rcParams``) apply. Colours are those of Okabe and Ito unless the
        colour cycle has been changed; dashes and markers differ too.

        Parameters
        ----------
        kind : str
            ``"roc"``; ``"calibration"`` (smooth curve, tenths of risk, histogram; equal scales);
            ``"decision"`` (decision curve around the thresholds); ``"auc"`` (over horizons);
            ``"distribution"`` (risks of women with and without cancer); ``"forest"`` (a
            ``measure`` by subgroup: ``"AUC"``, ``"E/O"`` ...); ``"incidence"`` (cumulative
            incidence by category of risk, with numbers at risk); ``"comparison"`` (paired
            differences from the first model); ``"triage"`` (scores of the same exam only);
            ``"flow"`` (diagram); ``"panel"`` (the first four of a validation paper, sized for
            ``columns=1`` or ``2`` of a journal).
        models : str or sequence of str, optional
            Default: all models with a risk at the horizon; for calibration and incidence the first.
        horizon : float, optional
            Years, one of ``horizons``. Default: the last.
        ax : Axes, optional
            Default: the axes of a new figure.
        labels, colours : dict by model, or sequence in the order of ``models``, optional
        **options
            ``measure`` of ``"forest"`` and ``"comparison"``; ``columns`` of ``"panel"``.

        Returns
        -------
        Axes
            For ``"panel"`` an array of four Axes.

        Raises
        ------
        EvaluationError
            The kind, model or horizon is unknown, or there is nothing to draw.

        See Also
        --------
        mammorisk.Report.plot_data : The data of a figure.
        mammorisk.Report.save_figure : Writes a figure as PDF, SVG or PNG.

        Examples
        --------
        >>> import pandas as pd
        >>> import mammorisk as mr
        >>> from mammorisk.metrics import example_risks
        >>> outcome, risk, other = example_risks()
        >>> cohort = pd.DataFrame({"time": outcome.time, "event": outcome.event})
        >>> report = mr.evaluate({"first": risk, "second": other}, cohort, horizons=5)
        >>> ax = report.plot("calibration", models=["first", "second"], labels=["A", "B"])
        >>> ax.get_xlabel()
        'predicted 5-year risk (%)'
        """
        data = self._request().data(kind, models, horizon, labels, colours, **options)
        return plot(data, kind, ax)

    def plot_data(
        self,
        kind: str,
        *,
        models: str | Sequence[str] | None = None,
        horizon: float | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """The data of a figure as a tidy table.

        Parameters
        ----------
        kind, models, horizon, **options
            See :meth:`plot`.

        Returns
        -------
        DataFrame
            One row per point, with ``model`` and ``horizon``. Risks are fractions in [0, 1].

        Examples
        --------
        >>> import pandas as pd
        >>> import mammorisk as mr
        >>> from mammorisk.metrics import example_risks
        >>> outcome, risk, _ = example_risks()
        >>> cohort = pd.DataFrame({"time": outcome.time, "event": outcome.event})
        >>> report = mr.evaluate(risk, cohort, horizons=5)
        >>> report.plot_data("roc").columns.tolist()
        ['model', 'horizon', 'threshold', 'sensitivity', 'specificity']
        """
        data = self._request().data(kind, models, horizon, **options)
        return KINDS[kind].frame(data)

    def save_figure(self, path: str | Path, kind: str = "panel", **options: Any) -> Path:
        """Write a figure, by default the panel of a validation paper in two columns.

        Parameters
        ----------
        path : path
            ``.pdf`` (vector, with TrueType fonts), ``.svg``, ``.png`` (300 dots per inch), or
            another format of matplotlib.
        kind : str
        **options
            See :meth:`plot`.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        path = Path(path)
        form = path.suffix.lstrip(".").lower()
        picture = self._picture(kind, form, **options)
        return write_report_file(path, picture)

    def _picture(self, kind: str, form: str, **options: Any) -> bytes:
        import matplotlib.pyplot as plt
        import numpy as np

        with plt.rc_context(FONTS):
            made = self.plot(kind, **options)  # type: ignore[call-overload]
            figure = np.ravel(np.asarray(made, dtype=object))[0].figure
            buffer = io.BytesIO()
            try:
                figure.savefig(buffer, format=form, dpi=_DPI)
            except ValueError:
                raise OutputError(
                    f"{form!r} is not a format of pictures", remedy="Use .pdf, .svg or .png."
                ) from None
            finally:
                plt.close(figure)
        return buffer.getvalue()

    def _request(self) -> Request:
        return Request(
            tables=self.tables,
            source=self.source,
            models=self.models,
            horizons=self.horizons,
            simulated=self.simulated,
        )
