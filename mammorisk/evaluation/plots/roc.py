"""ROC curves of models at a horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frame(data: FigureData) -> Frames:
    """Operating points: ``model``, ``horizon``, ``threshold``, ``sensitivity``, ``specificity``."""
    return data.source.roc(data.models, data.horizon)


def draw(ax: Axes, data: FigureData) -> None:
    points = frame(data)
    for model, curve in points.groupby("model", sort=False):
        look = data.looks[str(model)]
        found = data.estimate("discrimination", str(model), "AUC")
        told = "" if found is None else f": {found}"
        ax.plot(
            1 - curve["specificity"],
            curve["sensitivity"],
            color=look.colour,
            ls=look.dashes,
            label=f"{look.label}{told}",
        )
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.8, zorder=0)
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="1 - specificity",
        ylabel="sensitivity",
        title=data.title(f"ROC at {data.horizon:g} years"),
    )
    ax.set_aspect("equal", adjustable="box")
    ax.legend(loc="lower right", title=f"AUC ({100 * data.source.level:g}% CI)")
