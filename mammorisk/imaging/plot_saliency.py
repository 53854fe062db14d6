"""Plot of saliency maps in the clinical hanging, with contributions as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mammorisk._utils.style import BLUE, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_HANGING = (("R-CC", "L-CC"), ("R-MLO", "L-MLO"))
_RAISES, _LOWERS = ORANGE, BLUE


def plot_explanation(
    views: dict[str, np.ndarray],
    saliency: dict[str, np.ndarray],
    contributions: pd.Series | None,
    method: str,
) -> Figure:
    """Plot saliency and contributions.

    Parameters
    ----------
    views, saliency : dict of str to ndarray, shape (rows, columns)
        By view name, with the chest wall at the left. Saliency is in [-1, 1].
    contributions : Series or None
        Log hazard ratio by modality.
    method : str
        Name of the method, for the title.

    Returns
    -------
    matplotlib Figure
    """
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=(9.5, 6.2), layout="constrained")
    grid = fig.add_gridspec(2, 3, width_ratios=[1, 1, 1.1])
    shown = None
    for i, row in enumerate(_HANGING):
        for j, name in enumerate(row):
            ax = fig.add_subplot(grid[i, j])
            ax.set_axis_off()
            ax.set_title(name if name in views else f"{name}: missing", fontsize=9)
            if name not in views:
                continue
            # In the clinical hanging, right breasts have the chest wall at the right.
            image, heat = (
                a[:, ::-1] if name.startswith("R") else a for a in (views[name], saliency[name])
            )
            ax.imshow(image, cmap="gray", vmin=-0.5, vmax=1.5)
            alpha = np.clip(np.abs(heat) * 1.2, 0, 0.75)
            shown = ax.imshow(heat, cmap="PuOr_r", vmin=-1, vmax=1, alpha=alpha)
    if shown is not None:
        bar = fig.colorbar(shown, ax=fig.axes, location="bottom", shrink=0.45, aspect=30)
        bar.set_label(f"{method}: lowers (purple) or raises (orange) the log hazard", fontsize=8)
    ax = fig.add_subplot(grid[:, 2])
    values = {} if contributions is None else dict(reversed(list(contributions.items())))
    ax.barh(
        np.arange(len(values)),
        list(values.values()),
        color=[_RAISES if value > 0 else _LOWERS for value in values.values()],
    )
    ax.set_yticks(np.arange(len(values)), [str(name) for name in values])
    ax.axvline(0, color="0.3", lw=0.8)
    for i, value in enumerate(values.values()):
        ax.annotate(f" {np.exp(value):.2f}x ", (max(value, 0), i), va="center", fontsize=8)
    ax.set_xlabel("log hazard ratio against the published baseline")
    ax.margins(x=0.25)
    fig.text(0.995, 0.004, "Research software, not for care", ha="right", fontsize=7, color="0.5")
    return fig
