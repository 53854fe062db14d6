"""plot(): one figure of a report by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.evaluation.plot_data import PlotSource
from mammorisk.evaluation.plots import (
    auc,
    calibration,
    comparison,
    decision,
    distribution,
    flow,
    forest,
    incidence,
    panel,
    roc,
    triage,
)
from mammorisk.evaluation.plots.figure_data import FigureData
from mammorisk.evaluation.plots.look import PAPER, looks, unless_set

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of figure."""

    frame: Callable[[FigureData], pd.DataFrame]
    draw: Callable[[Axes, FigureData], None] | None
    #: Text for readers who cannot see the figure.
    words: str
    #: Whether only the first model is drawn by default, instead of all.
    first_alone: bool = False
    options: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "roc": Kind(frame=roc.frame, draw=roc.draw, words="ROC curves of the models"),
    "calibration": Kind(
        frame=calibration.frame,
        draw=calibration.draw,
        words="Observed over predicted risk: smooth curve, tenths of risk, and histogram",
        first_alone=True,
    ),
    "decision": Kind(
        frame=decision.frame, draw=decision.draw, words="Net benefit over risk thresholds by model"
    ),
    "auc": Kind(frame=auc.frame, draw=auc.draw, words="AUC over horizons by model"),
    "distribution": Kind(
        frame=distribution.frame,
        draw=distribution.draw,
        words="Predicted risks of women with and without cancer",
    ),
    "forest": Kind(
        frame=forest.frame,
        draw=forest.draw,
        words="A measure by subgroup with intervals",
        options=("measure",),
    ),
    "incidence": Kind(
        frame=incidence.frame,
        draw=incidence.draw,
        words="Cumulative incidence by category of risk, with numbers at risk",
        first_alone=True,
    ),
    "comparison": Kind(
        frame=comparison.frame,
        draw=comparison.draw,
        words="Paired differences between the first model and the others",
        options=("measure",),
    ),
    "triage": Kind(
        frame=triage.frame,
        draw=triage.draw,
        words="Cancers missed over exams not read, with published points",
    ),
    "flow": Kind(frame=flow.frame, draw=flow.draw, words="Flow of exams through the evaluation"),
    "panel": Kind(
        frame=panel.frame,
        draw=None,
        words="ROC curves, calibration, decision curves and distribution of risks",
        options=("columns",),
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """Data of a report from which figures are drawn.

    Attributes
    ----------
    tables : mapping of str to DataFrame
    source : PlotSource
    models : sequence of str
        Models of the report, in its order.
    horizons : sequence of float
        Years.
    simulated : bool
        Whether the women are simulated.
    """

    tables: Mapping[str, pd.DataFrame]
    source: PlotSource
    models: Sequence[str]
    horizons: Sequence[float]
    simulated: bool = False

    def data(
        self,
        kind: str,
        models: str | Sequence[str] | None = None,
        horizon: float | None = None,
        labels: Mapping[str, str] | Sequence[str] | None = None,
        colours: Mapping[str, Any] | Sequence[Any] | None = None,
        **options: Any,
    ) -> FigureData:
        """Check a request and collect its data.

        Raises
        ------
        EvaluationError
            The kind, model, horizon or option is unknown.
        """
        if kind not in KINDS:
            raise EvaluationError(
                f"there is no figure {kind!r}", where="kind", remedy=f"Known: {', '.join(KINDS)}."
            )
        if unknown := sorted(set(options) - set(KINDS[kind].options)):
            raise EvaluationError(
                f"the figure {kind} has no option {', '.join(unknown)}",
                where="plot",
                remedy=f"Its options: {', '.join(KINDS[kind].options) or 'none'}.",
            )
        year = self.horizons[-1] if horizon is None else float(horizon)
        if year not in self.horizons:
            raise EvaluationError(
                f"the report has no horizon of {year:g} years",
                where="horizon",
                remedy=f"It has: {', '.join(f'{one:g}' for one in self.horizons)}.",
            )
        chosen = self._models(kind, models, year)
        return FigureData(
            tables=self.tables,
            source=self.source,
            models=chosen,
            horizon=year,
            looks=looks(self.models, labels, colours, chosen)
            | {
                name: look
                for name, look in looks(self.models, None, None, self.models).items()
                if name not in chosen
            },
            options=options,
            simulated=self.simulated,
        )

    def _models(self, kind: str, models: str | Sequence[str] | None, year: float) -> list[str]:
        if models is None:
            every = [name for name in self.models if self.source.has(name, year)]
            return every[:1] if KINDS[kind].first_alone else every
        chosen = [models] if isinstance(models, str) else list(models)
        if unknown := [name for name in chosen if name not in self.models]:
            raise EvaluationError(
                f"the report has no model {', '.join(map(repr, unknown))}",
                where="models",
                remedy=f"It has: {', '.join(self.models)}.",
            )
        if lost := [name for name in chosen if not self.source.has(name, year)]:
            raise EvaluationError(
                f"{', '.join(lost)} has no risk at {year:g} years", where="models"
            )
        if not chosen:
            raise EvaluationError("no model is named", where="models")
        return chosen


def plot(data: FigureData, kind: str, ax: Axes | None = None) -> Any:
    """Draw a figure.

    Parameters
    ----------
    data : FigureData
    kind : str
    ax : Axes, optional
        Default: the axes of a new figure.

    Returns
    -------
    Axes, or ndarray of Axes
        For ``"panel"`` an array of four axes.
    """
    import matplotlib.pyplot as plt

    draw = KINDS[kind].draw
    if draw is None:
        if ax is not None:
            raise EvaluationError(
                "a panel makes its own axes", where="ax", remedy="Draw its parts into axes."
            )
        with plt.rc_context(unless_set(PAPER)):
            return panel.draw_panel(data, int(data.options.get("columns", 2)))
    # Errors are raised before a figure is created.
    KINDS[kind].frame(data)
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    draw(ax, data)
    return ax
