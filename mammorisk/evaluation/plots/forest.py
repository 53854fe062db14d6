"""Forest plot of a measure by subgroup, for one or several models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Value without effect, for measures that have one.
_NULL = {"AUC": 0.5, "E/O": 1.0, "calibration slope": 1.0, "calibration in the large": 0.0}
_LOG = ("E/O",)


def frame(data: FigureData) -> Frames:
    """Rows of the subgroups, and of all women, for one ``measure`` (an option: ``"AUC"``)."""
    measure = data.options.get("measure", "AUC")
    parts = data.tables["subgroups"]
    if parts.empty:
        raise EvaluationError(
            "the report has no subgroups", where="forest", remedy="Call evaluate(..., by=[...])."
        )
    known = set(parts["measure"]) - {"all"}
    if known and measure not in known:
        raise EvaluationError(
            f"subgroups have no measure {measure!r}",
            where="measure",
            remedy=f"Known: {', '.join(sorted(known))}.",
        )
    columns = ["model", "column", "group", "horizon", "measure", "value", "lower", "upper"]
    columns += ["n", "events", "reason"]
    rows = parts["measure"].isin([measure, "all"]) & parts["model"].isin(data.models)
    chosen = parts[rows].reindex(columns=columns)
    every = []
    for name in ("discrimination", "calibration", "overall"):
        table = data.tables[name]
        if len(table):
            same = (table["measure"] == measure) & (table["horizon"] == data.horizon)
            every.append(table[same & table["model"].isin(data.models)])
    whole = pd.concat(every).reindex(columns=columns).assign(column="", group="all women")
    made: pd.DataFrame = pd.concat([whole, chosen], ignore_index=True)
    return made.assign(measure=measure)


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    measure = str(table["measure"].iloc[0])
    keys = list(dict.fromkeys(zip(table["column"], table["group"], strict=True)))
    several = len(data.models) > 1
    for i, model in enumerate(data.models):
        look, own = data.looks[model], table[table["model"] == model]
        shift = 0.5 * (i - (len(data.models) - 1) / 2) / max(len(data.models), 1)
        place = np.array(
            [keys.index(key) for key in zip(own["column"], own["group"], strict=True)], dtype=float
        )
        value = own["value"].to_numpy(float)
        low, high = (own[end].to_numpy(float) for end in ("lower", "upper"))
        ax.errorbar(
            value,
            place + shift,
            xerr=np.clip([value - low, high - value], 0, None),
            fmt=look.marker,
            color=look.colour,
            elinewidth=1.0,
            label=look.label,
        )
    first = table[table["model"] == data.models[0]].drop_duplicates(["column", "group"])
    counts = {
        (row["column"], row["group"]): f"{int(row['events'])} / {int(row['n']):,}"
        for _, row in first.iterrows()
    }
    suppressed = {
        (row["column"], row["group"])
        for _, row in first.iterrows()
        if str(row["reason"] or "").endswith("suppressed")
    }
    for y, key in enumerate(keys):
        if key in suppressed:
            ax.annotate(
                "suppressed: few cancers",
                (0.02, y),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize="small",
                color="0.45",
            )
        ax.annotate(
            counts.get(key, ""),
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            annotation_clip=False,
        )
    ax.annotate(
        "cancers / exams",
        (1.0, -0.8),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
        annotation_clip=False,
    )
    if measure in _NULL:
        ax.axvline(_NULL[measure], color="0.6", lw=0.8, zorder=0)
    if measure in _LOG:
        _log_scale(ax)
    names = [f"{column}: {group}" if column else group for column, group in keys]
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -1.1)
    ax.set(xlabel=f"{measure} at {data.horizon:g} years", title=data.title())
    if several:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=min(len(data.models), 3))


def _log_scale(ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    marks = (0.1, 0.2, 0.25, 0.33, 0.5, 0.7, 1, 1.4, 2, 3, 4, 5, 10)
    ax.xaxis.set_major_locator(FixedLocator([mark for mark in marks if low <= mark <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())
