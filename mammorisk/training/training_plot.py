"""Picture of a training: losses, C index and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.style import BLUE, ORANGE
from mammorisk.metrics import calibration_by_group
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Smallest number of women in a group of the calibration.
_WOMEN_A_GROUP = 20


def plot_training(
    log: pd.DataFrame,
    outcome: Outcome,
    risk: NDArray[np.float64],
    *,
    ax: Sequence[Axes] | None = None,
) -> NDArray[np.object_]:
    """Draw the losses and the C index of the epochs, and the calibration of the fitted model.

    Parameters
    ----------
    log : DataFrame
        One row an epoch: ``epoch``, ``loss``, ``validation_loss``, ``c_index``. It may be empty.
    outcome : Outcome, n women
        Women in validation.
    risk : ndarray, shape (n,)
        Their five-year risks, in [0, 1].
    ax : sequence of three Axes, optional
        A new figure by default.

    Returns
    -------
    ndarray of Axes, shape (3,)
    """
    if ax is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10.5, 3.4), layout="constrained")
        ax = figure.subplots(1, 3)
    _losses(ax[0], log)
    _concordance(ax[1], log)
    _calibration(ax[2], outcome, risk)
    return np.asarray(ax, dtype=object)


def save_training_plot(
    file: Path, log: pd.DataFrame, outcome: Outcome, risk: NDArray[np.float64]
) -> None:
    """Write the picture as PNG."""
    figure = plot_training(log, outcome, risk)[0].figure
    atomic_write(file, lambda path: figure.savefig(path, format="png", dpi=150))


def _losses(ax: Axes, log: pd.DataFrame) -> None:
    ax.set(title="Loss", xlabel="epoch", ylabel="loss per cancer")
    if _none(ax, log):
        return
    ax.plot(log["epoch"], log["loss"], color=BLUE, marker="o", ms=3, label="training")
    ax.plot(
        log["epoch"], log["validation_loss"], color=ORANGE, ls="--", marker="s", ms=3,
        label="validation",
    )  # fmt: skip
    best = int(log["validation_loss"].to_numpy(float).argmin())
    ax.axvline(log["epoch"].iloc[best], color="0.7", lw=0.8, zorder=0, label="lowest")
    _whole_numbers(ax)
    ax.legend()


def _concordance(ax: Axes, log: pd.DataFrame) -> None:
    ax.set(title="Discrimination in validation", xlabel="epoch", ylabel="C index")
    if _none(ax, log):
        return
    ax.plot(log["epoch"], log["c_index"], color=ORANGE, ls="--", marker="s", ms=3)
    ax.axhline(0.5, color="0.6", lw=0.8)
    _whole_numbers(ax)


def _calibration(ax: Axes, outcome: Outcome, risk: NDArray[np.float64]) -> None:
    groups = int(np.clip(len(risk) // _WOMEN_A_GROUP, 2, 10))
    table = calibration_by_group(outcome, risk, 5.0, groups=groups)
    observed = 100 * table["observed"].to_numpy(float)
    low, high = (100 * table[name].to_numpy(float) for name in ("lower", "upper"))
    predicted = 100 * table["expected"].to_numpy(float)
    top = 1.1 * float(np.nanmax(np.r_[predicted, observed, 1e-3]))
    ax.plot([0, top], [0, top], color="0.6", lw=0.8, label="ideal")
    ax.errorbar(
        predicted,
        observed,
        yerr=np.nan_to_num(np.clip([observed - low, high - observed], 0, None)),
        fmt="o",
        color=BLUE,
        mfc="white",
        elinewidth=0.8,
        label="groups of risk, 95% CI",
    )
    ax.set(
        title="Calibration in validation",
        xlabel="predicted 5-year risk (%)",
        ylabel="observed 5-year risk (%)",
        xlim=(0, top),
        ylim=(0, top * 1.4),
    )
    ax.legend(loc="upper left")


def _whole_numbers(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _none(ax: Axes, log: pd.DataFrame) -> bool:
    if len(log):
        return False
    ax.text(0.5, 0.5, "the encoder was not trained", ha="center", transform=ax.transAxes)
    return True
