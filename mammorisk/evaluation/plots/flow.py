"""Flow of exams through the evaluation, as a diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mammorisk.evaluation.plots.figure_data import FigureData, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ENDS = ("cancers within", "competing events within", "free of both at", "follow-up ended before")


def frame(data: FigureData) -> Frames:
    """Boxes: ``box`` (``"step"``, ``"left out"``, ``"end"``), ``text``, ``n``."""
    table = data.tables["flow"]
    items = list(zip(table["item"], table["value"], strict=True))
    steps = items[: next(i for i, (item, _) in enumerate(items) if item == "women")]
    rows: list[dict[str, object]] = []
    before: int | None = None
    for item, value in steps:
        n = int(value)
        if before is not None and n != before:
            word = "left out" if n < before else "added"
            reason = {
                "with an outcome": "no outcome",
                "with a risk of the first model": "no risk",
            }.get(item, item)
            rows.append({"box": "left out", "text": f"{word}: {reason}", "n": abs(before - n)})
        rows.append({"box": "step", "text": item, "n": n})
        before = n
    for start in _ENDS:
        rows += [
            {"box": "end", "text": item, "n": int(value)}
            for item, value in items
            if item.startswith(start)
        ]
    return pd.DataFrame(rows)


def draw(ax: Axes, data: FigureData) -> None:
    table = frame(data)
    steps = table[table["box"] == "step"]
    ends = table[table["box"] == "end"]
    rows = len(steps) + 1
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(0, rows))
    box = {"boxstyle": "round,pad=0.45", "fc": "white", "ec": "0.3", "lw": 0.9}
    arrow = {"arrowstyle": "-|>", "color": "0.3", "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    place = rows - 0.35
    left: tuple[str, int] | None = None
    y = place
    for _, one in table[table["box"] != "end"].iterrows():
        if one["box"] == "left out":
            left = (one["text"], one["n"])
            continue
        if one["text"] != steps["text"].iloc[0]:
            ax.annotate("", (0.38, y - 1 + 0.22), (0.38, y - 0.2), arrowprops=arrow)
            if left is not None:
                ax.annotate("", (0.62, y - 0.5), (0.38, y - 0.5), arrowprops=arrow)
                ax.text(0.64, y - 0.5, f"{left[0]}\n{left[1]:,}", ha="left", va="center", bbox=box)
                left = None
            y -= 1
        text = f"{one['text']}\n{one['n']:,}"
        ax.text(0.38, y, text, ha="center", va="center", bbox=box)
    width = 1 / max(len(ends), 1)
    for k, (_, one) in enumerate(ends.iterrows()):
        x = (k + 0.5) * width
        ax.annotate("", (x, y - 1 + 0.3), (0.38, y - 0.2), arrowprops=arrow)
        words = one["text"].replace(" within ", "\nwithin ").replace(" at ", "\nat ")
        words = words.replace(" before ", "\nbefore ")
        ax.text(
            x, y - 1, f"{words}\n{one['n']:,}", ha="center", va="center", bbox=box, fontsize="small"
        )
    ax.set_ylim(y - 1.5, rows)
    ax.set_title(data.title())
