"""Plot of a comparison of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.style import COLOURS
from mammorisk.policy.stratify import NOT_APPLICABLE, NOTICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mammorisk.policy.compare import PolicyComparison

# Okabe & Ito's palette, distinguishable under the common colour-vision deficiencies.
_MAMMOGRAPHY, _MRI = COLOURS[0], COLOURS[4]
_SILENT, _OUTSIDE = "#BFBFBF", "#FFFFFF"
#: Smallest share of a bar in which a label is readable.
_LABEL_SHARE = 0.07


def plot_comparison(comparison: PolicyComparison) -> Figure:
    """Plot examinations per year by policy, and the distribution of women and cancers.

    Parameters
    ----------
    comparison : PolicyComparison

    Returns
    -------
    matplotlib Figure
        Left: mammograms and MRI per 1,000 women and year, with intervals. Right: two bars per
        policy, divided by the months between imaging visits. The upper bar shows the women, and
        the lower bar the cancers if there are outcomes.
    """
    import matplotlib.pyplot as plt

    table = comparison.summary.iloc[::-1].reset_index(drop=True)
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(12.5, 1.9 + 0.62 * len(table)),
        layout="constrained",
        width_ratios=(1, 1.35),
        sharey=True,
    )
    _draw_rates(left, table)
    _draw_intervals(right, table, comparison.intervals)
    left.set_yticks(range(len(table)), table["policy"])
    left.set_ylim(-0.6, len(table) - 0.4)
    figure.suptitle(NOTICE, fontsize=9, color="#666666", x=0.01, ha="left")
    return figure


def _draw_rates(ax: Axes, table: pd.DataFrame) -> None:
    height = 0.34
    place = range(len(table))
    rows = np.arange(len(table))
    top = 1000.0
    for name, colour, label, shift in (
        ("mammograms", _MAMMOGRAPHY, "mammograms", height / 2),
        ("mri", _MRI, "MRI", -height / 2),
    ):
        value = table[name].to_numpy()
        known = ~np.isnan(value)
        errors = np.abs(np.vstack([value - table[f"{name}_lower"], table[f"{name}_upper"] - value]))
        ax.barh(
            rows[known] + shift,
            value[known],
            height,
            color=colour,
            label=label,
            xerr=errors[:, known],
            error_kw={"ecolor": "#333333", "capsize": 2, "elinewidth": 1},
        )
        top = max(top, np.nanmax(value, initial=0))
        for row in place:
            text = f"{value[row]:.0f}" if known[row] else f"{label}: not stated"
            ax.annotate(
                text,
                (table[f"{name}_upper"].iat[row] if known[row] else 0, row + shift),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color="#333333" if known[row] else "#666666",
            )
    ax.axvline(1000, color="#666666", linestyle=":", linewidth=1)
    ax.axvline(500, color="#666666", linestyle=":", linewidth=1)
    ax.set(
        xlim=(0, 1.18 * top),
        xlabel="examinations per 1,000 women and year\n(dotted: biennial, annual mammography)",
        title="Examinations",
    )
    ax.figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower left", fontsize=9, frameon=False
    )
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _draw_intervals(ax: Axes, table: pd.DataFrame, intervals: pd.DataFrame) -> None:
    from matplotlib.patches import Patch

    colours = _interval_colours(list(dict.fromkeys(intervals["interval"])))
    height = 0.34
    bars = [("share_of_women", "women", height / 2), ("share_of_cancers", "cancers", -height / 2)]
    for row, policy in enumerate(table["policy"]):
        mine = intervals[intervals["policy"] == policy]
        for column, word, shift in bars:
            shares = mine[column].to_numpy()
            if np.isnan(shares).all():
                continue
            starts = np.concatenate([[0], np.cumsum(shares)[:-1]])
            for name, start, share in zip(mine["interval"], starts, shares, strict=True):
                ax.barh(
                    row + shift,
                    share,
                    height,
                    left=start,
                    color=colours[name],
                    edgecolor="#333333",
                    linewidth=0.5,
                    hatch="///" if name == NOT_APPLICABLE else None,
                )
                if share >= _LABEL_SHARE:
                    ax.text(
                        start + share / 2,
                        row + shift,
                        f"{100 * share:.0f}%",
                        ha="center",
                        va="center",
                        fontsize=8,
                        color=_ink_on(colours[name]),
                        bbox=None
                        if name != NOT_APPLICABLE
                        else {"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                    )
            ax.text(1.01, row + shift, word, va="center", fontsize=8, color="#333333")
    ax.set(
        xlim=(0, 1.13),
        xlabel="share of women, and of the cancers observed",
        title="Months between imaging visits",
    )
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    ax.tick_params(left=False)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    handles = [
        Patch(
            facecolor=colour,
            edgecolor="#333333",
            linewidth=0.5,
            hatch="///" if name == NOT_APPLICABLE else None,
            label=name.replace("_", " "),
        )
        for name, colour in colours.items()
    ]
    ax.figure.legend(
        handles=handles,
        loc="outside lower right",
        ncols=min(len(handles), 6),
        fontsize=9,
        frameon=False,
    )


def _interval_colours(names: list[str]) -> dict[str, str]:
    """Return colours of cividis; darker is more often. Its lightness is perceptually uniform."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    timed = sorted((n for n in names if n.endswith("months")), key=_span, reverse=True)
    ends = [n for n in ("no screening",) if n in names] + timed
    scale = colormaps["cividis"]
    colours = {n: to_hex(scale(x)) for n, x in zip(ends, np.linspace(1, 0, len(ends)), strict=True)}
    if "not stated" in names:
        colours["not stated"] = _SILENT
    if NOT_APPLICABLE in names:
        colours[NOT_APPLICABLE] = _OUTSIDE
    return colours


def _span(name: str) -> tuple[float, ...]:
    """Return the shortest and longest months of an interval given as text."""
    ends = [float(end) for end in name.split(" ")[0].split("-")]
    return (ends[0], ends[-1])


def _ink_on(colour: str) -> str:
    from matplotlib.colors import to_rgb

    # Rec. 709 luma: black on light, white on dark.
    return "#000000" if np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)) > 0.5 else "#FFFFFF"
