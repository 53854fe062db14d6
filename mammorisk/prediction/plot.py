"""Risk curves as pictures: units on the axes, colours safe for colour-blind readers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk.errors import OutputError
from mammorisk.prediction.prediction import NOTICE, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's palette, distinguishable under the common colour-vision deficiencies.
_INK = "#000000"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def plot_risk(prediction: Prediction, ax: Axes | None = None) -> Axes:
    """Cumulative risk by year: the prediction, its baselines and the average woman.

    Parameters
    ----------
    prediction : Prediction
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(7.0, 4.6), layout="constrained")[1]
    years = [h for h in prediction.risk.index if isinstance(h, (int, float))]
    style = iter(zip(_COLOURS, _MARKERS, strict=True))
    for name, row in prediction.baselines.iterrows():
        percent = 100 * row[years].astype(float)
        if percent.notna().sum() == 0:
            continue
        if name == "average":
            look: dict[str, Any] = {"color": "#666666", "linestyle": ":", "linewidth": 2}
            label = "average woman of her age"
        else:
            colour, marker = next(style, (_COLOURS[0], _MARKERS[0]))
            look = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.2}
            label = str(name)
        ax.plot([0, *years], [0, *percent], label=label, **look)
    own = 100 * prediction.risk[years].astype(float)
    if own.notna().any():
        ax.plot(
            [0, *years], [0, *own], color=_INK, linewidth=2.8, label=f"{prediction.model} (this)"
        )
    else:
        ax.text(0.5, 0.5, "no risk: see flags", transform=ax.transAxes, ha="center")
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
    """Draw :func:`plot_risk` into a picture file; its suffix tells the format.

    Raises
    ------
    OutputError
        The format is not known, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    plot_risk(prediction, figure.subplots())
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"the picture cannot be written ({type(error).__name__})",
            where=path.name,
            remedy="Give a name that ends in .png, .svg or .pdf, in a folder that exists.",
        ) from None
