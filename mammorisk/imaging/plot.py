"""Plot of an exam in the clinical hanging, with segmentation and dense tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from mammorisk.imaging.dense_tissue import DenseTissue
from mammorisk.imaging.density import measure_density
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam
from mammorisk.records.exam import Exam

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rows by columns of the hanging: right breast on the viewer's left, chest walls in the middle.
HANGING = (("R-CC", "L-CC"), ("R-MLO", "L-MLO"))

# Colours of Okabe and Ito, distinguishable with colour-vision deficiencies.
_OUTLINE, _MUSCLE, _DENSE = "#F0E442", "#56B4E9", (0.835, 0.369, 0.0)
_SHOWN_ROWS = 900


def plot_exam(exam: Exam, *, overlay: bool = True) -> Figure:
    """Plot the four views of an exam: R-CC and L-CC above R-MLO and L-MLO.

    Parameters
    ----------
    exam : Exam
    overlay : bool
        Whether to draw the outlines of breast and pectoral muscle, and to tint dense tissue.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels of a view cannot be read.

    See Also
    --------
    mammorisk.read_exam : Reads an exam.
    mammorisk.Prediction.explain : Computes saliency maps, which can be plotted too.

    Examples
    --------
    >>> import mammorisk as mr
    >>> exam = mr.read_exam("exam_folder")  # doctest: +SKIP
    >>> mr.plot_exam(exam).savefig("exam.png")  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    seen = segment_exam(exam)
    density = measure_density(exam, seen)
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 11.0), facecolor="black")
    figure.subplots_adjust(left=0.01, right=0.99, top=0.95, bottom=0.075, wspace=0.01, hspace=0.1)
    for row, names in enumerate(HANGING):
        for column, name in enumerate(names):
            ax = axes[row][column]
            ax.set_facecolor("black")
            ax.set_xticks([])
            ax.set_yticks([])
            if name not in seen:
                ax.text(0.5, 0.5, f"{name}\nmissing", color="#999999", ha="center", va="center")
                continue
            tissue = density.tissue.get(name)
            _draw(ax, seen[name], tissue if overlay else None, overlay, wall_right=column == 0)
            percent = density.percent_density_by_view.get(name)
            dense = f", dense {percent:.0f}%" if percent is not None else ""
            ax.set_xlabel(
                f"{name}{dense}\n{seen[name].view.acquisition.summary()}",
                color="white",
                fontsize=9,
                # A dollar in a header begins no formula.
                parse_math=False,
            )
    if density.percent_density is not None:
        figure.suptitle(
            f"Percent density {density.percent_density:.0f}%, suggests BI-RADS {density.category} "
            f"({100 * density.probabilities[str(density.category)]:.0f}%): estimated from the "
            "image, not calibrated",
            color="white",
            fontsize=10,
        )
    if overlay:
        figure.legend(
            handles=[
                Line2D([], [], color=_OUTLINE, label="breast"),
                Line2D([], [], color=_MUSCLE, linestyle="--", label="pectoral muscle"),
                Patch(color=_DENSE, alpha=0.5, label="dense tissue"),
            ],
            loc="lower center",
            ncols=3,
            frameon=False,
            labelcolor="white",
            fontsize=9,
        )
    figure.text(
        0.99, 0.004, "Research software, not for care", color="#999999", fontsize=7, ha="right"
    )
    return figure


def _draw(
    ax: Axes, seen: SegmentedView, tissue: DenseTissue | None, overlay: bool, *, wall_right: bool
) -> None:
    scale = min(1.0, _SHOWN_ROWS / seen.image.shape[0])
    size = (round(seen.image.shape[1] * scale), round(seen.image.shape[0] * scale))
    image = cv2.resize(seen.image, size, interpolation=cv2.INTER_AREA)
    layers = [_resized(mask, size) for mask in (seen.mask.breast, seen.mask.pectoral)]
    dense = np.zeros_like(layers[0])
    if tissue is not None:
        dense = _resized(tissue.on_image(seen.image.shape), size)
    mirrored = (seen.mask.chest_wall == "right") != wall_right
    if mirrored:
        image, dense = image[:, ::-1], dense[:, ::-1]
        layers = [layer[:, ::-1] for layer in layers]
    inside = image[layers[0]]
    top = float(np.percentile(inside, 99.7)) if inside.size else 1.0
    grey = np.clip(image / max(top, 1e-6), 0, 1)
    shown = np.repeat(grey[..., None], 3, axis=2)
    shown[dense] = 0.65 * shown[dense] + 0.35 * np.asarray(_DENSE)
    ax.imshow(shown, interpolation="bilinear")
    ax.set_anchor("E" if wall_right else "W")
    if overlay:
        for layer, colour, style in zip(layers, (_OUTLINE, _MUSCLE), ("-", "--"), strict=True):
            if layer.any() and not layer.all():
                ax.contour(layer, [0.5], colors=[colour], linewidths=0.9, linestyles=style)
    if mirrored:
        ax.text(
            0.02, 0.98, "mirrored", color="#999999", fontsize=7, va="top", transform=ax.transAxes
        )


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
