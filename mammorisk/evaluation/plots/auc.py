"""AUC of models over horizons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frame(data: FigureData) -> Frames:
    """AUC by ``model`` and ``horizon`` with ``value``, ``lower``, ``upper``, ``n``, ``events``."""
    table = data.tables["discrimination"]
    rows = (table["measure"] == "AUC") & table["model"].isin(data.models)
    columns = ["model", "horizon", "value", "lower", "upper", "n", "events", "reason"]
    return table.loc[rows, columns].reset_index(drop=True)


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    table = table[table["value"].notna()]
    years = np.unique(table["horizon"].to_numpy(float))
    step = float(np.diff(years).min()) if len(years) > 1 else 1.0
    for i, model in enumerate(data.models):
        look, part = data.looks[model], table[table["model"] == model]
        shift = 0.06 * step * (i - (len(data.models) - 1) / 2)
        value = part["value"].to_numpy(float)
        low, high = (part[end].to_numpy(float) for end in ("lower", "upper"))
        ax.errorbar(
            part["horizon"].to_numpy(float) + shift,
            value,
            yerr=np.clip([value - low, high - value], 0, None),
            color=look.colour,
            ls=look.dashes,
            marker=look.marker,
            elinewidth=0.8,
            label=look.label,
        )
    ax.axhline(0.5, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel="horizon (years)", ylabel="AUC", title=data.title("AUC by horizon"))
    ax.set_xticks(years)
    ax.legend(loc="best")
