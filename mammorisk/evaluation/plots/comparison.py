"""Paired differences of AUC between the first model and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk.errors import EvaluationError
from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frame(data: FigureData) -> Frames:
    """Paired differences at the horizon, for one ``measure`` (an option: ``"AUC"``)."""
    table = data.tables["comparison"]
    measure = data.options.get("measure", "AUC")
    if len(table):
        same = (table["measure"] == measure) & (table["horizon"] == data.horizon)
        table = table[same & table["second"].isin(data.models)].reset_index(drop=True)
    if table.empty:
        raise EvaluationError(
            f"the report has no paired difference of {measure} at {data.horizon:g} years",
            where="comparison",
            remedy="Compare two models or more, at a horizon of all of them.",
        )
    return table


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    measure = str(table["measure"].iloc[0])
    place = np.arange(len(table))
    value = table["value"].to_numpy(float)
    low, high = (table[end].to_numpy(float) for end in ("lower", "upper"))
    first = str(table["first"].iloc[0])
    for k, model in enumerate(table["second"]):
        look = data.looks[model]
        ax.errorbar(
            value[k : k + 1],
            place[k : k + 1],
            xerr=np.clip(
                [value[k : k + 1] - low[k : k + 1], high[k : k + 1] - value[k : k + 1]], 0, None
            ),
            fmt=look.marker,
            color=look.colour,
            elinewidth=1.0,
        )
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set_yticks(place, [data.looks[model].label for model in table["second"]])
    ax.set_ylim(len(table) - 0.4, -0.6)
    own = data.looks[first].label if first in data.looks else first
    ax.set(
        xlabel=f"{measure} at {data.horizon:g} years: {own} minus the model named",
        title=data.title("Paired differences"),
    )
