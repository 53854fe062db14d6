"""Calibration plot: smooth curve, tenths of risk, and the distribution of risks below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Height of the histogram below the axis, as a share of the scale.
_STRIP = 0.14
#: Confidence bands of more models cannot be distinguished.
_MOST_BANDS = 3


def frame(data: FigureData) -> Frames:
    """Points by ``model`` and ``part``.

    See :func:`mammorisk.evaluation.plot_data.calibration_points`.
    """
    return data.source.calibration(data.models, data.horizon)


def draw(ax: Axes, data: FigureData) -> None:
    points = frame(data)
    top = _top(points)
    several = len(data.models) > 1
    sizes = {model: data.size(model) for model in data.models}
    same = len(set(sizes.values())) == 1
    ax.plot([0, top], [0, top], color="0.6", lw=0.8, zorder=0, label="ideal")
    for model, own in points.groupby("model", sort=False):
        look = data.looks[str(model)]
        n, cancers = sizes[str(model)]
        curve, tenths = own[own["part"] == "curve"], own[own["part"] == "tenth"]
        x = 100 * curve["predicted"].to_numpy(float)
        name = look.label if same else f"{look.label} (n = {n:,}; {cancers:,} cancers)"
        if len(curve):
            ax.plot(
                x,
                100 * curve["observed"].to_numpy(float),
                color=look.colour,
                ls=look.dashes if several else "-",
                label=name,
            )
            if curve["lower"].notna().all() and len(data.models) <= _MOST_BANDS:
                low, high = (100 * curve[end].to_numpy(float) for end in ("lower", "upper"))
                ax.fill_between(x, low, high, color=look.colour, alpha=0.13, lw=0)
        tenths = tenths[tenths["observed"].notna()]
        value = 100 * tenths["observed"].to_numpy(float)
        low, high = (100 * tenths[end].to_numpy(float) for end in ("lower", "upper"))
        ax.errorbar(
            100 * tenths["predicted"].to_numpy(float),
            value,
            yerr=np.clip([value - low, high - value], 0, None),
            fmt=look.marker,
            color=look.colour,
            mfc="white",
            elinewidth=0.7,
            alpha=0.9,
            label=("tenths of risk, 95% CI" if not several else None) if len(curve) else name,
        )
        _histogram(ax, own[own["part"] == "histogram"], top, look.colour, outline=several)
    ax.axhline(0, color="0.3", lw=0.6)
    ax.set(
        xlim=(0, top),
        ylim=(-1.15 * _STRIP * top, top),
        xlabel=f"predicted {data.horizon:g}-year risk (%)",
        ylabel=f"observed {data.horizon:g}-year risk (%)",
        title=data.title(f"Calibration at {data.horizon:g} years"),
    )
    ticks = [tick for tick in ax.get_yticks() if 0 <= tick <= top]
    ax.set_xticks(ticks)
    ax.set_yticks(ticks)
    ax.set_aspect("equal", adjustable="box")
    n, cancers = sizes[data.models[0]]
    title = f"n = {n:,}; {cancers:,} cancers" if same else None
    ax.legend(loc="best", title=title, alignment="left")


def _top(points: pd.DataFrame) -> float:
    """End of both scales, in percent: that of the tenths with their intervals.

    Beyond it there are few women, and the curve is an extrapolation.
    """
    tenths = points[(points["part"] == "tenth") & points["observed"].notna()]
    if tenths.empty:
        return max(100 * float(points["right"].max()), 1e-3)
    highest = 100 * float(tenths[["predicted", "observed"]].max().max())
    # One wide interval must not compress the rest.
    return max(1.05 * max(highest, min(100 * float(tenths["upper"].max()), 1.6 * highest)), 1e-3)


def _histogram(ax: Axes, bins: pd.DataFrame, top: float, colour: object, *, outline: bool) -> None:
    """Bars between the lower border of the axes and zero."""
    if bins.empty:
        return
    base = -1.1 * _STRIP * top
    height = _STRIP * top * bins["share"].to_numpy(float) / float(bins["share"].max())
    edges = 100 * np.r_[bins["left"].to_numpy(float), float(bins["right"].iloc[-1])]
    ax.stairs(
        base + height,
        edges,
        baseline=base,
        fill=not outline,
        color=colour,
        alpha=0.9 if outline else 0.45,
        lw=0.8,
    )
