"""The figure of a validation paper: ROC, calibration, decision curve and distribution of risks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mammorisk.errors import EvaluationError
from mammorisk.evaluation.plots import calibration, decision, distribution, roc
from mammorisk.evaluation.plots.figure_data import FigureData, Frames
from mammorisk.evaluation.plots.look import COLUMN_WIDTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = {
    "roc": roc,
    "calibration": calibration,
    "decision": decision,
    "distribution": distribution,
}


def frame(data: FigureData) -> Frames:
    """The data of the four parts, with a column ``figure``."""
    made: pd.DataFrame = pd.concat(
        [part.frame(data).assign(figure=name) for name, part in _PARTS.items()], ignore_index=True
    )
    return made


def draw_panel(data: FigureData, columns: int) -> Any:
    """Draw four axes into a new figure of the width of one or two columns.

    Returns
    -------
    ndarray of Axes, shape (4,)
    """
    import matplotlib.pyplot as plt

    if columns not in COLUMN_WIDTHS:
        raise EvaluationError(
            f"{columns!r} is not a number of columns", where="columns", remedy="Give 1 or 2."
        )
    width = COLUMN_WIDTHS[columns]
    shape = (2, 2) if columns == 2 else (4, 1)
    height = 0.94 * width if columns == 2 else 2.75 * width
    # The first two are square; below each other they need more height than the others.
    ratios = (1.0, 1.0) if columns == 2 else (1.25, 1.32, 0.8, 0.8)
    _, axes = plt.subplots(
        *shape, figsize=(width, height), layout="constrained", height_ratios=ratios
    )
    found: list[Axes] = list(np.ravel(axes))
    for ax, part, letter in zip(found, _PARTS.values(), "ABCD", strict=True):
        part.draw(ax, data)
        title = ax.get_title()
        ax.set_title("")
        ax.set_title(f"{letter}   {title}", loc="left")
    return np.array(found)
