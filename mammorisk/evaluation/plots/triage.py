"""Cancers missed over exams not read, for scores of the same exam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mammorisk.errors import EvaluationError
from mammorisk.evaluation.plots.figure_data import FigureData, Frames
from mammorisk.metrics.triage import PUBLISHED_TRIAGE_POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frame(data: FigureData) -> Frames:
    """Curve: ``model``, ``horizon``, ``threshold``, ``not_read``, ``cancers_missed``."""
    table = data.tables["triage"]
    table = table[table["model"].isin(data.models)]
    if table.empty:
        raise EvaluationError(
            "triage is for scores of the same exam, and the report has none",
            where="triage",
            remedy="Name such scores: evaluate(..., same_exam=['model']).",
        )
    return table.reset_index(drop=True)


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    for model, part in table.groupby("model", sort=False):
        look = data.looks[str(model)]
        ax.step(
            100 * part["not_read"],
            100 * part["cancers_missed"],
            where="post",
            color=look.colour,
            ls=look.dashes,
            label=f"{look.label}, cancers within {part['horizon'].iloc[0]:g} years",
        )
    for point, marker in zip(PUBLISHED_TRIAGE_POINTS, "s^", strict=True):
        ax.plot(
            100 * point.not_read,
            100 * point.cancers_missed,
            marker,
            color="0.3",
            ms=6,
            label=point.name,
        )
    ax.plot([0, 100], [0, 100], color="0.6", lw=0.8, zorder=0)
    ax.set(
        xlim=(0, 100),
        ylim=(0, 100),
        xlabel="exams not read (%)",
        ylabel="cancers missed (%)",
        title=data.title("Triage"),
    )
    ax.legend(loc="upper left")
