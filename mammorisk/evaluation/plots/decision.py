"""Decision curves around the decision thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PER = 1000


def frame(data: FigureData) -> Frames:
    """Net benefit: ``model`` (also ``"all"`` and ``"none"``), ``horizon``, ``threshold`` ..."""
    return data.source.decision(data.models, data.horizon)


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    table = table[table["net_benefit"].notna()]
    for model in data.models:
        look, part = data.looks[model], table[table["model"] == model]
        x = 100 * part["threshold"].to_numpy(float)
        ax.fill_between(
            x,
            _PER * part["lower"].to_numpy(float),
            _PER * part["upper"].to_numpy(float),
            color=look.colour,
            alpha=0.10,
            lw=0,
        )
        y = _PER * part["net_benefit"].to_numpy(float)
        ax.plot(x, y, color=look.colour, ls=look.dashes, label=look.label)
    everybody = table[table["model"] == "all"]
    ax.plot(
        100 * everybody["threshold"],
        _PER * everybody["net_benefit"],
        color="0.45",
        ls=(0, (1, 1)),
        label="act on all women",
    )
    ax.axhline(0, color="0.15", lw=0.9, label="act on no woman")
    low, high = _limits(table, data)
    for cut in data.source.cuts(data.horizon):
        ax.axvline(100 * cut, color="0.5", lw=0.7, ls=(0, (4, 3)), zorder=0)
        ax.annotate(
            f"{100 * cut:g}%",
            (100 * cut, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(1.5, 1.5),
            textcoords="offset points",
            ha="left",
            va="bottom",
            color="0.35",
            fontsize="small",
        )
    grid = table["threshold"]
    ax.set(
        xlim=(100 * grid.min(), 100 * grid.max()) if len(grid) else None,
        ylim=(low, high),
        xlabel=f"{data.horizon:g}-year risk at which one would act (%)",
        ylabel=f"net benefit (true positives per {_PER:,})",
        title=data.title(f"Decision curve at {data.horizon:g} years"),
    )
    ax.legend(loc="upper right")


def _limits(table: pd.DataFrame, data: FigureData) -> tuple[float, float]:
    """From a little below zero to the highest curve with its band."""
    own = table[table["model"].isin(data.models)]
    if own.empty:
        return -1.0, 1.0
    curve = _PER * float(table["net_benefit"].max())
    band = _PER * float(own["upper"].max()) if own["upper"].notna().any() else curve
    high = max(curve, min(band, 1.6 * max(curve, 1e-6)))
    high = high if high > 0 else 1.0
    return -0.12 * high, 1.08 * high
