"""Cumulative incidence by category of predicted risk, with numbers at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk._utils.style import DASHES
from mammorisk.evaluation.plot_data import ALL_WOMEN
from mammorisk.evaluation.plots.figure_data import FigureData, Frames
from mammorisk.evaluation.plots.look import palette_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Distance of the lines of numbers at risk, in lines of text.
_LINE = 1.35


def frame(data: FigureData) -> Frames:
    """Curves; see :func:`mammorisk.evaluation.plot_data.incidence_by_category`."""
    return data.source.incidence(data.models, data.horizon)


def draw(ax: Axes, data: FigureData) -> None:
    from matplotlib.font_manager import FontProperties

    model = data.models[0]
    table = frame(data)
    table = table[table["model"] == model]
    groups = list(dict.fromkeys(table["group"]))
    palette = palette_colours()
    size = FontProperties(size="small").get_size_in_points()
    years = np.arange(0, np.floor(data.horizon) + 1)
    if len(years) < 3:
        years = np.linspace(0, data.horizon, 3)
    for i, group in enumerate(groups):
        part = table[table["group"] == group]
        known = part[part["observed"].notna()]
        colour = "0.25" if group == ALL_WOMEN else palette[(i - 1) % len(palette)]
        ax.plot(
            known["time"],
            100 * known["observed"],
            color=colour,
            ls=DASHES[i % len(DASHES)],
            label=group,
        )
        low, high = (100 * known[end].to_numpy(float) for end in ("lower", "upper"))
        ax.fill_between(known["time"].to_numpy(float), low, high, color=colour, alpha=0.12, lw=0)
        last = part[part["predicted"].notna()]
        ax.plot(
            last["time"],
            100 * last["predicted"],
            marker="D",
            mfc="white",
            color=colour,
            ls="",
            clip_on=False,
            zorder=3,
            label="mean predicted risk" if i == 0 else None,
        )
        # Numbers at risk, below the label of the axis.
        depth = -(4.6 + _LINE * (i + 1)) * size
        ax.annotate(
            group,
            (0, 0),
            xycoords="axes fraction",
            xytext=(-26, depth),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize="small",
            color=colour,
            annotation_clip=False,
        )
        for year in years:
            nearest = part.iloc[int(np.argmin(np.abs(part["time"].to_numpy(float) - year)))]
            ax.annotate(
                f"{int(nearest['at_risk']):,}",
                (year, 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, depth),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize="small",
                annotation_clip=False,
            )
    ax.annotate(
        "at risk",
        (0, 0),
        xycoords="axes fraction",
        xytext=(-26, -4.6 * size),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize="small",
        style="italic",
        annotation_clip=False,
    )
    ax.set(
        xlim=(0, data.horizon),
        xlabel="years from the exam",
        ylabel="cumulative incidence (%)",
        title=data.title(f"Cancers by predicted risk, {data.looks[model].label}"),
    )
    ax.set_ylim(bottom=0)
    ax.set_xticks(years)
    ax.legend(loc="upper left")
