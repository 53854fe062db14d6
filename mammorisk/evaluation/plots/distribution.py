"""Distribution of predicted risks among women with and without cancer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk._utils.style import BLUE, ORANGE
from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frame(data: FigureData) -> Frames:
    """Histograms: ``model``, ``horizon``, ``women``, ``n``, ``left``, ``right``, ``share``."""
    return data.source.distribution(data.models, data.horizon)


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    one = len(data.models) == 1
    top = 100 * float(table["right"].max())
    for i, model in enumerate(data.models):
        base = 0.0 if one else float(len(data.models) - 1 - i)
        own = table[table["model"] == model]
        scale = 100.0 if one else 0.9 / float(own["share"].max())
        for women, colour in (("no cancer", BLUE), ("cancer", ORANGE)):
            part = own[own["women"] == women]
            if part.empty:
                continue
            edges = 100 * np.r_[part["left"].to_numpy(float), float(part["right"].iloc[-1])]
            heights = base + scale * part["share"].to_numpy(float)
            name = f"{women} within {data.horizon:g} years"
            if one:
                name += f" (n = {int(part['n'].iloc[0]):,})"
            filled = women == "no cancer"
            ax.stairs(
                heights,
                edges,
                baseline=base,
                fill=filled,
                color=colour,
                alpha=0.45 if filled else 1.0,
                lw=0 if filled else 1.2,
                label=name if i == 0 else None,
            )
        if not one:
            ax.axhline(base, color="0.7", lw=0.5)
    ax.set(
        xlim=(0, top),
        xlabel=f"predicted {data.horizon:g}-year risk (%; last bar: all above)",
        title=data.title(
            f"Predicted risks, {data.looks[data.models[0]].label}" if one else "Predicted risks"
        ),
    )
    if one:
        ax.set_ylim(bottom=0)
        ax.set_ylabel("share of women (%)")
    else:
        names = [data.looks[model].label for model in reversed(data.models)]
        ax.set_yticks(np.arange(len(names)) + 0.3, names)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(0, len(names) + 0.1)
    ax.legend(loc="upper right")
