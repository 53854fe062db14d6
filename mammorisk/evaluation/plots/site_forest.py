"""Forest plot of a measure by site with its random-effects summary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.style import BLUE, ORANGE
from mammorisk.errors import EvaluationError
from mammorisk.evaluation.heterogeneity import SUMMARY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Value without effect, and whether the measure is a ratio.
_NULL = {"AUC": 0.5, "E/O": 1.0, "calibration slope": 1.0, "calibration in the large": 0.0}
_RATIOS = ("E/O",)
_MARKS = (0.1, 0.2, 0.25, 0.33, 0.5, 0.7, 1, 1.4, 2, 3, 4, 5, 10)
#: Half the height of the diamond of the summary, in rows.
_DIAMOND = 0.28


def draw_site_forest(ax: Axes, table: pd.DataFrame, measure: str, *, simulated: bool) -> None:
    """Draw a measure by site: value and interval, summary as a diamond, prediction interval.

    Sites without an estimate are named, with their cancers and the reason.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        As from :func:`mammorisk.evaluation.heterogeneity.heterogeneity_table`.
    measure : str
        A measure of the table, such as ``"AUC"``.
    simulated : bool
        Whether the women are simulated; the figure then says so.

    Raises
    ------
    EvaluationError
        The table has no such measure.
    """
    own = table[table["measure"] == measure]
    if own.empty:
        raise EvaluationError(
            f"there is no measure {measure!r}",
            where="measure",
            remedy=f"Known: {', '.join(dict.fromkeys(table['measure']))}.",
        )
    sites = own[own["group"] != SUMMARY].reset_index(drop=True)
    whole = own[own["group"] == SUMMARY].iloc[0]
    for place, row in sites.iterrows():
        at = float(int(str(place)))
        _draw_site(ax, at, row)
        _beside(ax, at, f"{int(row['events']):,} / {int(row['n']):,}", _told(row))
    last = len(sites) + 0.4
    _draw_summary(ax, last, whole)
    _beside(ax, last, f"{int(whole['events']):,} / {int(whole['n']):,}", _told(whole))
    _beside(ax, -0.9, "cancers / exams", f"{measure} (interval)")
    if measure in _NULL:
        ax.axvline(_NULL[measure], color="0.6", lw=0.8, zorder=0)
    if measure in _RATIOS:
        _log_scale(ax)
    ax.axhline(len(sites) - 0.3, color="0.8", lw=0.8)
    column = own["column"].iloc[0]
    ax.set_yticks(
        [*range(len(sites)), last],
        [*sites["group"].astype(str), f"summary\n(dashed: another {column})"],
    )
    ax.set_ylim(last + 0.7, -1.3)
    ax.tick_params(axis="y", length=0)
    year = float(own["horizon"].iloc[0])
    ax.set_xlabel(f"{measure} at {year:g} years")
    ax.set_title(f"{'SIMULATED: ' if simulated else ''}left-out {column}", loc="left")


def _draw_site(ax: Axes, at: float, row: pd.Series) -> None:
    if not math.isfinite(row["value"]):
        ax.annotate(
            "not estimated",
            (0.02, at),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize="small",
            color="0.4",
            bbox={"color": "white", "pad": 1.0},
        )
        return
    if math.isfinite(row["lower"]):
        ax.plot([row["lower"], row["upper"]], [at, at], color=BLUE, lw=1.2, solid_capstyle="butt")
    ax.plot(row["value"], at, marker="s", ms=5, color=BLUE)


def _draw_summary(ax: Axes, at: float, row: pd.Series) -> None:
    if not math.isfinite(row["value"]):
        ax.annotate(
            str(row["reason"] or "no summary"),
            (0.02, at),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize="small",
            color="0.4",
        )
        return
    low, high = row["prediction_lower"], row["prediction_upper"]
    if math.isfinite(low):
        ax.plot([low, high], [at, at], color=ORANGE, lw=1.2, ls=(0, (3, 1.5)))
        ax.plot([low, high], [at, at], ls="none", marker="|", ms=7, color=ORANGE)
    ax.fill(
        [row["lower"], row["value"], row["upper"], row["value"]],
        [at, at - _DIAMOND, at, at + _DIAMOND],
        color=ORANGE,
        lw=0,
        zorder=3,
    )


def _told(row: pd.Series) -> str:
    if not math.isfinite(row["value"]):
        return ""
    text = f"{row['value']:.2f}"
    if math.isfinite(row["lower"]):
        text += f" ({row['lower']:.2f} to {row['upper']:.2f})"
    return text


def _beside(ax: Axes, at: float, counts: str, estimate: str) -> None:
    """Write numbers at the right of a row."""
    for text, points in ((counts, 6), (estimate, 84)):
        ax.annotate(
            text,
            (1.0, at),
            xycoords=("axes fraction", "data"),
            xytext=(points, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            annotation_clip=False,
        )


def _log_scale(ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    ax.set_xscale("log")
    low, high = np.array(ax.get_xlim())
    ax.xaxis.set_major_locator(FixedLocator([mark for mark in _MARKS if low <= mark <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())
