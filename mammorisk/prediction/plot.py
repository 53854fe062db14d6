"""Plots of risk curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk._utils.style import COLOURS, MARKERS, NOTICE
from mammorisk.errors import OutputError
from mammorisk.prediction.prediction import Prediction

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_INK = "#000000"


def plot_risk(
    risk: pd.Series,
    baselines: pd.DataFrame,
    *,
    model: str,
    interval: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot cumulative risk by year for one model, the baselines and the average woman.

    Parameters
    ----------
    risk : Series
        Absolute risk in [0, 1] by horizon in years.
    baselines : DataFrame, shape (n_models, n_horizons)
        Absolute risk of other models.
    model : str
        Name of the model that gave ``risk``.
    interval : DataFrame, optional
        ``lower`` and ``upper`` by horizon.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: a new figure.

    Returns
    -------
    matplotlib Axes
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(7.0, 4.6), layout="constrained")[1]
    years = [h for h in risk.index if isinstance(h, (int, float))]
    style = iter(zip(COLOURS, MARKERS, strict=True))
    for name, row in baselines.iterrows():
        percent = 100 * row[years].astype(float)
        if percent.notna().sum() == 0:
            continue
        if name == "average":
            look: dict[str, Any] = {"color": "#666666", "linestyle": ":", "linewidth": 2}
            label = "average woman of her age"
        else:
            colour, marker = next(style, (COLOURS[0], MARKERS[0]))
            look = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.2}
            label = str(name)
        ax.plot([0, *years], [0, *percent], label=label, **look)
    own = 100 * risk[years].astype(float)
    if own.notna().any():
        ax.plot([0, *years], [0, *own], color=_INK, linewidth=2.8, label=f"{model} (this)")
        if interval is not None:
            limits = 100 * interval.loc[years].astype(float)
            ax.fill_between(
                [0, *years],
                [0, *limits["lower"]],
                [0, *limits["upper"]],
                label="95% interval of the risk given the inputs",
                color=_INK,
                alpha=0.12,
                linewidth=0,
            )
    else:
        ax.text(0.5, 0.5, "no risk: see the warnings", transform=ax.transAxes, ha="center")
    ax.set(
        xlabel="years from the exam",
        ylabel="cumulative risk of breast cancer (%)",
        xlim=(0, max(years, default=1)),
    )
    ax.set_ylim(bottom=0)
    ax.set_xticks([0, *years])
    ax.grid(alpha=0.25)
    ax.legend(frameon=False, fontsize=9)
    ax.set_title(NOTICE, fontsize=8, color="#666666", loc="left")
    return ax


def save_risk(prediction: Prediction, path: Path) -> None:
    """Save the plot of :func:`plot_risk` to a file.

    Parameters
    ----------
    prediction : Prediction
    path : Path
        The suffix determines the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    OutputError
        The format is not known, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    plot_risk(
        prediction.risk,
        prediction.baselines,
        model=prediction.model,
        interval=prediction.interval,
        ax=figure.subplots(),
    )
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"the picture cannot be written ({type(error).__name__})",
            where=path.name,
            remedy="Give a name that ends in .png, .svg or .pdf, in a folder that exists.",
        ) from None
