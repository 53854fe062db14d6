"""Figures of a report, drawn from tables as matplotlib Figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.style import BLUE, COLOURS, DASHES, ORANGE
from mammorisk.metrics.triage import PUBLISHED_TRIAGE_POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, eq=False)
class FigureData:
    """Data of the figures.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Tables of the report by name, and the plot data of
        :mod:`mammorisk.evaluation.plot_data`.
    models : sequence of str
        The first is the one that is evaluated.
    horizon : float
        Years.
    """

    tables: Mapping[str, pd.DataFrame]
    models: Sequence[str]
    horizon: float


def _new(width: float = 6.4, height: float = 4.4) -> tuple[Figure, Axes]:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return fig, ax


def roc_figure(data: FigureData) -> Figure | None:
    """ROC curves of the first model, by horizon."""
    points = data.tables["roc"]
    if points.empty:
        return None
    fig, ax = _new(5.2, 4.8)
    table = data.tables["discrimination"]
    for i, (year, curve) in enumerate(points.groupby("horizon")):
        row = table[(table["model"] == data.models[0]) & (table["measure"] == f"AUC at {year:g} y")]
        label = f"{year:g} y: AUC {row['value'].iloc[0]:.2f}" if len(row) else f"{year:g} y"
        ax.plot(
            1 - curve["specificity"],
            curve["sensitivity"],
            color=COLOURS[i % 7],
            ls=DASHES[i % 7],
            lw=1.6,
            label=label,
        )
    ax.plot([0, 1], [0, 1], color="0.7", lw=0.8)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
    ax.legend(title=data.models[0], frameon=False, loc="lower right")
    return fig


def calibration_figure(data: FigureData) -> Figure | None:
    """Smooth calibration, tenths of risk with intervals, and the histogram, by model."""
    import matplotlib.pyplot as plt

    lines, histogram = data.tables["calibration_lines"], data.tables["risk_histogram"]
    curves = dict(tuple(lines.groupby("model", sort=False)))
    if not curves:
        return None
    columns = 2 if len(curves) == 4 else min(len(curves), 3)
    rows = -(-len(curves) // columns)
    fig, axes = plt.subplots(
        2 * rows,
        columns,
        figsize=(3.6 * columns, 4.4 * rows),
        layout="constrained",
        height_ratios=[4, 1] * rows,
        squeeze=False,
    )
    for ax in axes.ravel():
        ax.set_axis_off()
    for i, (model, curve) in enumerate(curves.items()):
        ax, below = axes[2 * (i // columns), i % columns], axes[2 * (i // columns) + 1, i % columns]
        for one in (ax, below):
            one.set_axis_on()
            one.spines[["top", "right"]].set_visible(False)
        bins = histogram[(histogram["model"] == model) & (histogram["women"] == "all")]
        top = 100 * float(bins["right"].max())
        x = 100 * curve["predicted"]
        ax.plot([0, 100], [0, 100], color="0.7", lw=0.8)
        if curve["lower"].notna().all():
            ax.fill_between(x, 100 * curve["lower"], 100 * curve["upper"], color=BLUE, alpha=0.18)
        ax.plot(x, 100 * curve["observed"], color=BLUE, lw=1.6)
        groups = data.tables["calibration_groups"]
        groups = groups[(groups["model"] == model) & groups["observed"].notna()]
        if len(groups):
            value = 100 * groups["observed"]
            ax.errorbar(
                100 * groups["expected"],
                value,
                yerr=[
                    (value - 100 * groups["lower"]).clip(lower=0),
                    (100 * groups["upper"] - value).clip(lower=0),
                ],
                fmt="o",
                ms=3.5,
                lw=0.8,
                color=ORANGE,
            )
        high = max(top, 100 * float(groups["upper"].max()) if len(groups) else 0) * 1.05
        ax.set(xlim=(0, top), ylim=(0, high), title=str(model), ylabel="observed risk (%)")
        below.bar(
            100 * bins["left"],
            bins["share"],
            width=100 * (bins["right"] - bins["left"]),
            align="edge",
            color="0.6",
        )
        below.set(xlim=(0, top), xlabel="predicted risk (%)", yticks=[])
    return fig


def distribution_figure(data: FigureData) -> Figure | None:
    """Distribution of the first model's risks among women with and without cancer."""
    table = data.tables["risk_histogram"]
    table = table[table["model"] == data.models[0]]
    if not {"cancer", "no cancer"} <= set(table["women"]):
        return None
    fig, ax = _new(6.4, 3.4)
    for women, colour in (("no cancer", BLUE), ("cancer", ORANGE)):
        part = table[table["women"] == women]
        ax.bar(
            100 * part["left"],
            part["share"],
            width=100 * (part["right"] - part["left"]),
            align="edge",
            alpha=0.45,
            color=colour,
            label=f"{women} within {data.horizon:g} y",
        )
    ax.set(xlabel=f"predicted {data.horizon:g}-year risk (%)", ylabel="share of women")
    ax.legend(frameon=False)
    return fig


def decision_figure(data: FigureData) -> Figure | None:
    """Net benefit over thresholds; scaled to true positives per 1,000 women."""
    table = data.tables["utility"]
    if table.empty or table["net_benefit"].notna().sum() == 0:
        return None
    fig, ax = _new()
    models = [name for name in table["model"].unique() if name not in ("all", "none")]
    for i, name in enumerate(models):
        part = table[table["model"] == name]
        x = 100 * part["threshold"]
        ax.plot(
            x,
            1000 * part["net_benefit"],
            color=COLOURS[i % 7],
            ls=DASHES[i % 7],
            lw=1.6,
            label=name,
        )
        if i == 0:
            ax.fill_between(
                x, 1000 * part["lower"], 1000 * part["upper"], color=BLUE, alpha=0.15, lw=0
            )
    part = table[table["model"] == "all"]
    ax.plot(100 * part["threshold"], 1000 * part["net_benefit"], color="0.55", lw=1, label="all")
    ax.axhline(0, color="0.2", lw=0.8, label="none")
    high = 1000 * float(table["net_benefit"].max())
    ax.set(
        xlabel="decision threshold: risk (%)",
        ylabel="net benefit (true positives per 1,000)",
        ylim=(-0.15 * high, 1.1 * high),
    )
    ax.legend(frameon=False)
    return fig


def triage_figure(data: FigureData) -> Figure | None:
    """Share of cancers missed over the share of exams not read, with published points."""
    table = data.tables["triage"]
    if len(table) < 2:
        return None
    fig, ax = _new(6.0, 4.0)
    ax.step(
        100 * table["not_read"],
        100 * table["cancers_missed"],
        where="post",
        color=BLUE,
        lw=1.6,
        label=f"{data.models[0]}, {data.horizon:g}-year cancers",
    )
    for point, marker in zip(PUBLISHED_TRIAGE_POINTS, "s^", strict=True):
        ax.plot(
            100 * point.not_read,
            100 * point.cancers_missed,
            marker,
            color=ORANGE,
            ms=7,
            label=point.name,
        )
    ax.plot([0, 100], [0, 100], color="0.7", lw=0.8)
    ax.set(xlim=(0, 100), ylim=(0, 100), xlabel="exams not read (%)", ylabel="cancers missed (%)")
    ax.legend(frameon=False, fontsize=9)
    return fig


def subgroup_figure(data: FigureData) -> Figure | None:
    """Forest plot of AUC and E/O by subgroup."""
    import matplotlib.pyplot as plt

    table = data.tables["subgroups"]
    if table.empty or "value" not in table:
        return None
    table = table[table["measure"].isin(["AUC", "E/O"]) & table["value"].notna()]
    names = list(dict.fromkeys(zip(table["column"], table["group"], strict=True)))
    if not names:
        return None
    fig, axes = plt.subplots(
        1, 2, figsize=(8.2, 1.2 + 0.3 * len(names)), layout="constrained", sharey=True
    )
    for ax, measure, null in zip(axes, ("AUC", "E/O"), (0.5, 1.0), strict=True):
        part = table[table["measure"] == measure].set_index(["column", "group"])
        y = np.array([len(names) - names.index(key) for key in part.index])
        ax.errorbar(
            part["value"],
            y,
            xerr=[part["value"] - part["lower"], part["upper"] - part["value"]],
            fmt="o",
            color=BLUE,
            ms=4,
            lw=1,
        )
        ax.axvline(null, color="0.5", lw=0.8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel(f"{measure} at {data.horizon:g} y")
        if measure == "E/O":
            ax.set_xscale("log")
            from matplotlib.ticker import NullFormatter, ScalarFormatter

            ax.xaxis.set_major_formatter(ScalarFormatter())
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_xticks(
                [
                    t
                    for t in (0.25, 0.5, 0.7, 1, 1.4, 2, 4)
                    if ax.get_xlim()[0] <= t <= ax.get_xlim()[1]
                ]
            )
    axes[0].set_yticks(
        range(1, len(names) + 1), [f"{column}: {group}" for column, group in names[::-1]]
    )
    return fig


def comparison_figure(data: FigureData) -> Figure | None:
    """AUC of every model at the last horizon, and paired differences to the first."""
    import matplotlib.pyplot as plt

    table = data.tables["discrimination"]
    year = data.horizon
    own = table[table["measure"] == f"AUC at {year:g} y"].set_index("model")
    own = own[own["value"].notna()]
    if len(own) < 2:
        return None
    fig, axes = plt.subplots(
        1, 2, figsize=(8.2, 1.2 + 0.34 * len(own)), layout="constrained", sharey=True
    )
    y = np.arange(len(own), 0, -1)
    axes[0].errorbar(
        own["value"],
        y,
        xerr=[own["value"] - own["lower"], own["upper"] - own["value"]],
        fmt="o",
        color=BLUE,
        ms=4,
        lw=1,
    )
    axes[0].set(xlabel=f"AUC at {year:g} y")
    axes[0].set_yticks(y, own.index)
    apart = data.tables["comparison"]
    if len(apart):
        apart = apart[(apart["measure"] == "AUC") & (apart["horizon"] == year)]
        place = [y[own.index.get_loc(name)] for name in apart["second"]]
        axes[1].errorbar(
            apart["value"],
            place,
            xerr=[apart["value"] - apart["lower"], apart["upper"] - apart["value"]],
            fmt="o",
            color=ORANGE,
            ms=4,
            lw=1,
        )
    axes[1].axvline(0, color="0.5", lw=0.8)
    axes[1].set(xlabel=f"AUC of {data.models[0]} less this one's")
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return fig


#: Figures by name, with alternative texts.
FIGURES: dict[str, tuple[Callable[[FigureData], Figure | None], str]] = {
    "comparison": (comparison_figure, "AUC of every model with intervals, and paired differences"),
    "roc": (roc_figure, "ROC curves of the first model by horizon"),
    "calibration": (calibration_figure, "Observed over predicted risk with intervals, by model"),
    "distribution": (distribution_figure, "Predicted risks of women with and without cancer"),
    "decision": (decision_figure, "Net benefit over risk thresholds by model"),
    "triage": (triage_figure, "Cancers missed over exams not read, with published points"),
    "subgroups": (subgroup_figure, "AUC and expected over observed by subgroup"),
}
