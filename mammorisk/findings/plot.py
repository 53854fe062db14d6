"""Plot of the findings of an exam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.style import COLOURS, NOTICE
from mammorisk.findings.finding import Finding
from mammorisk.findings.findings import Findings, FoundView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Rows by columns of the hanging: right breast on the viewer's left, chest walls in the middle.
_HANGING = (("R-CC", "L-CC"), ("R-MLO", "L-MLO"))
#: Height and width of a view in the picture, in pixels, the space between two, and the height of
#: the strip above a view for its name: inside the view, it could cover the marker of the film.
_CELL, _GAP, _STRIP = (900, 640), 12, 34
#: Space between a finding and its box, in pixels of the picture.
_PAD = 4
#: Points per pixel of the picture below which labels are short, and smallest size of text there.
_SMALL, _SMALL_TEXT = 0.35, 6.0
#: Width of a letter and height of a line, in font sizes.
_LETTER = (0.54, 1.2)
#: Space around a label in points.
_MARGIN = 1


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Size of the text relative to the picture.

    Attributes
    ----------
    points : float
        Points per pixel of the picture.
    """

    points: float

    @property
    def is_small(self) -> bool:
        """Whether the axes are too small for full labels."""
        return self.points < _SMALL

    @property
    def label(self) -> float:
        """Size of the labels in points."""
        return _SMALL_TEXT if self.is_small else 7.5

    @property
    def name(self) -> float:
        """Size of the names of views in points."""
        return _SMALL_TEXT if self.is_small else 9.0

    @property
    def letter(self) -> tuple[float, float]:
        """Width of a letter and height of a line of a label, in pixels of the picture."""
        width, height = (one * self.label for one in _LETTER)
        return width / self.points, (height + 2 * _MARGIN) / self.points

    @property
    def strip(self) -> int:
        """Height of the strip above a view, in pixels of the picture."""
        return max(_STRIP, math.ceil(1.6 * self.name / self.points))


#: First and last column, first and last row in the picture.
_Box = tuple[float, float, float, float]
#: Colour and line style of each type.
_LOOK: dict[str, tuple[str, Any]] = {
    "mass": (COLOURS[4], "-"),
    "calcification": (COLOURS[5], "--"),
    "asymmetry": (COLOURS[3], "-."),
    "distortion": ("#F0E442", ":"),
}


def small_picture(image: NDArray[np.float32], breast: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a view as a small picture with its own contrast.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    breast : ndarray of bool, same shape
    """
    scale = min(1.0, _CELL[0] / image.shape[0], _CELL[1] / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = small[cv2.resize(breast.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0]
    low, high = np.percentile(inside, (1, 99.8)) if inside.size else (0.0, 1.0)
    grey = (small - low) / max(float(high - low), 1e-6)
    return np.clip(np.round(235 * grey + 12), 0, 255).astype(np.uint8) * (small > 0)


def plot_findings(found: Findings, *, ax: Axes | None = None, scores: bool = True) -> Axes:
    """Plot the views in the clinical hanging, with a box around each finding.

    Parameters
    ----------
    found : Findings
    ax : matplotlib Axes, optional
    scores : bool

    Returns
    -------
    matplotlib Axes
    """
    import matplotlib.pyplot as plt

    views = {view.name: view for view in found.views}
    rows = [row for row in _HANGING if any(name in views for name in row)] or [_HANGING[0]]
    width = _CELL[1] + _GAP
    if ax is None:
        size = (8.4, 1.1 + 8.2 * len(rows) * (_CELL[0] + _STRIP) / (2 * width))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    scale = _scale(ax, (2 * width, len(rows) * (_CELL[0] + _STRIP)))
    height = _CELL[0] + scale.strip
    ax.set_facecolor("black")
    canvas = np.zeros((len(rows) * height, 2 * width), dtype=np.uint8)
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255)
    for row, names in enumerate(rows):
        for column, name in enumerate(names):
            corner = (row * height + scale.strip, column * width)
            if name not in views:
                ax.text(
                    corner[1] + width / 2,
                    corner[0] + _CELL[0] / 2,
                    f"{name}\nmissing",
                    color="#BBBBBB",
                    ha="center",
                    va="center",
                )
                continue
            some = [one for one in found.findings if one.view == name]
            _draw_view(
                ax, views[name], some, corner, wall_right=column == 0, scale=scale, scores=scores
            )
    ax.set(xlim=(0, 2 * width), ylim=(len(rows) * height, 0), xticks=[], yticks=[])
    note = "trained on simulated exams. " if found.simulated else ""
    told = f"{found.model}: {note}Scores are not risks.\n{NOTICE}"
    ax.set_xlabel(told, fontsize=_SMALL_TEXT if scale.is_small else 8)
    _legend(ax, found.findings, scale)
    return ax


def _scale(ax: Axes, picture: tuple[int, int]) -> _Scale:
    """How large a picture of this width and height will be in the axes."""
    box = ax.get_window_extent()
    pixels = min(box.width / picture[0], box.height / picture[1])
    return _Scale(points=max(pixels * 72 / ax.figure.dpi, 1e-3))


def _legend(ax: Axes, findings: Sequence[Finding], scale: _Scale) -> None:
    from matplotlib.lines import Line2D

    shown = [kind for kind in _LOOK if any(one.type == kind for one in findings)]
    handles = [
        Line2D([], [], color=_LOOK[kind][0], linestyle=_LOOK[kind][1], label=kind) for kind in shown
    ]
    if handles:
        ax.legend(
            handles=handles,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=4,
            facecolor="#222222",
            framealpha=1,
            labelcolor="white",
            fontsize=scale.name,
        )
    else:
        ax.set_title("no findings above the operating point", fontsize=scale.name + 1)


def _draw_view(
    ax: Axes,
    view: FoundView,
    findings: Sequence[Finding],
    corner: tuple[int, int],
    *,
    wall_right: bool,
    scale: _Scale,
    scores: bool,
) -> None:
    from matplotlib.patches import Rectangle

    top, left = corner
    picture = view.picture
    if picture is None:
        picture = np.full((10, 10), 40, dtype=np.uint8)
    mirrored = (view.chest_wall == "right") != wall_right
    shown = picture[:, ::-1] if mirrored else picture
    rows, columns = picture.shape
    # The chest walls meet in the middle.
    first = left + _CELL[1] + _GAP - columns - _GAP // 2 if wall_right else left + _GAP // 2
    ax.imshow(
        shown, cmap="gray", vmin=0, vmax=255, extent=(first, first + columns, top + rows, top)
    )
    label = view.name + (" mirrored" if mirrored else "")
    side, where = (left + 8, "left") if wall_right else (left + _CELL[1], "right")
    ax.text(side, top - 8, label, color="white", fontsize=scale.name, va="bottom", ha=where)
    turned = view.turn.quarters % 2 == 1
    upright = (view.columns, view.rows) if turned else (view.rows, view.columns)
    shrink = rows / upright[0]
    boxes: list[_Box] = []
    for one in findings:
        y0, y1, x0, x1 = (v * shrink for v in _upright(one, view))
        if mirrored:
            x0, x1 = columns - x1, columns - x0
        box = (first + x0 - _PAD, first + x1 + _PAD, top + y0 - _PAD, top + y1 + _PAD)
        boxes.append(box)
        colour, style = _LOOK[one.type]
        ax.add_patch(
            Rectangle(
                (box[0], box[2]),
                box[1] - box[0],
                box[3] - box[2],
                fill=False,
                edgecolor=colour,
                linestyle=style,
                linewidth=1.6,
            )
        )
    if scores:
        _write_scores(ax, findings, boxes, (left, left + _CELL[1], top, top + _CELL[0]), scale)


def _write_scores(
    ax: Axes, findings: Sequence[Finding], boxes: Sequence[_Box], cell: _Box, scale: _Scale
) -> None:
    """Write id, type and score above or below each box, where least is covered.

    In small axes there is the id alone: the colour tells the type.
    """
    taken = list(boxes)
    for one, box in zip(findings, boxes, strict=True):
        text = one.finding_id
        if not scale.is_small:
            text += f" {one.type} {one.score:.2f}"
        width, height = scale.letter[0] * (len(text) + 0.5), scale.letter[1]
        is_left = box[0] + width <= cell[1]
        x0 = max(box[0], cell[0]) if is_left else box[1] - width
        places = [
            (x0, x0 + width, edge, edge + height)
            for edge in (box[2] - height, box[3])
            if edge >= cell[2] and edge + height <= cell[3]
        ] or [(x0, x0 + width, box[2], box[2] + height)]
        place = min(places, key=lambda each: sum(_common(each, other) for other in taken))
        taken.append(place)
        ax.text(
            place[0] + 3 if is_left else place[1] - 3,
            (place[2] + place[3]) / 2,
            text,
            color=_LOOK[one.type][0],
            fontsize=scale.label,
            ha="left" if is_left else "right",
            va="center",
            bbox={"facecolor": "black", "alpha": 0.65, "pad": _MARGIN, "edgecolor": "none"},
        )


def _common(one: _Box, other: _Box) -> float:
    """Area that two boxes have in common."""
    width = min(one[1], other[1]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[2], other[2])
    return max(width, 0.0) * max(height, 0.0)


def _upright(one: Finding, view: FoundView) -> tuple[float, float, float, float]:
    top, bottom, left, right = one.box_px
    corners = np.array([[top - 0.5, left - 0.5], [bottom - 0.5, right - 0.5]])
    moved = view.turn.to_upright(corners, (view.rows, view.columns)) + 0.5
    low, high = moved.min(axis=0), moved.max(axis=0)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])
