"""Dense tissue of one view: where it is, and how much of it lies in the path of the beam."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mammorisk.imaging.breast import BreastMask

#: Height of the grid on which dense tissue is measured.
WORKING_ROWS = 512

#: Widths in units of the square root of the breast's area: the skin, left out of the measurement,
#: and the periphery, where the breast thins out towards the skin and less tissue darkens the image.
SKIN_WIDTH, PERIPHERY_WIDTH, CORE_WIDTH = 0.03, 0.20, 0.30
_BINS_PER_UNIT = 100

#: The level by which distances from the skin are compared, a percentile of grey: that of fat, since
#: a dense core would otherwise make the fat under the skin look thin.
_LEVEL_PERCENTILE = 25.0

#: Dense tissue narrower than twice this, in the same unit, is skin, a vessel or a strip of muscle:
#: readers leave it out.
STRAND_WIDTH = 0.015

#: Dense tissue stops more of the beam than fat: it must stand out from the level of fat (this
#: percentile of the breast) by at least this share of fat's own height above the background.
#: Without it a threshold finds dense tissue in the texture of any fatty breast. The share is an
#: assumption.
FAT_PERCENTILE, LEAST_CONTRAST = 10.0, 0.35


@dataclass(frozen=True, kw_only=True)
class DenseTissue:
    """Dense tissue of one view, on a grid of about 500 rows.

    Attributes
    ----------
    dense, measured : ndarray of bool
        Dense tissue, and the tissue it was looked for in (breast without muscle and skin).
    area_percent : float
        Dense share of the measured area, 0-100.
    volume_fraction : float
        Mean over the measured area of how far each pixel's equalised grey lies from pure fat (0)
        to pure dense tissue (1): an estimate of the dense share of the beam's path, not of area.
    """

    dense: np.ndarray
    measured: np.ndarray
    area_percent: float
    volume_fraction: float


def find_dense_tissue(image: np.ndarray, mask: BreastMask) -> DenseTissue | None:
    """Find dense tissue in one view; None where there is not enough breast to measure.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, dense tissue bright. The result does not depend on their brightness
        or contrast (a linear change of grey leaves it as it is).
    mask : BreastMask

    Returns
    -------
    DenseTissue or None

    Notes
    -----
    Grey is equalised for the thinning of the breast towards the skin by its lower quartile at each
    distance from the skin line (after Wang 2003, doi:10.2214/ajr.180.1.1800257), then split in two
    by Otsu's threshold (Otsu 1979, doi:10.1109/TSMC.1979.4310076) within the breast, raised to
    ``LEAST_CONTRAST``; strands narrower than ``STRAND_WIDTH`` are dropped. It stands in for the
    interactive threshold of Byng 1994 (doi:10.1088/0031-9155/39/10/008).
    """
    rows, columns = image.shape
    scale = min(1.0, WORKING_ROWS / max(rows, columns))
    size = (max(8, round(columns * scale)), max(8, round(rows * scale)))
    grey = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    breast, tissue = _shrink(mask.breast, size), _shrink(mask.tissue, size)
    if breast.sum() < 200:
        return None
    # The edges of the image are not skin: repeat them, so that distance runs to true skin only.
    framed = np.pad(breast.astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    distance = distance / np.sqrt(breast.sum())
    measured = tissue & (distance > SKIN_WIDTH)
    if measured.sum() < 200 or np.ptp(grey[measured]) < 1e-6:
        return None
    equalised = _equalise(grey, distance, measured)
    outside = grey[~breast]
    background = float(np.median(outside)) if outside.size >= 100 else None
    return _split(equalised, measured, background)


def _shrink(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5


def _equalise(grey: np.ndarray, distance: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Raise the periphery to the level of the core, distance by distance."""
    bins = np.minimum((distance * _BINS_PER_UNIT).astype(int), round(_BINS_PER_UNIT * CORE_WIDTH))
    count = bins.max() + 1
    order = np.argsort(bins[measured], kind="stable")
    groups = np.split(
        grey[measured][order], np.searchsorted(bins[measured][order], np.arange(1, count))
    )
    levels = np.array(
        [np.percentile(g, _LEVEL_PERCENTILE) if len(g) >= 30 else np.nan for g in groups]
    )
    known = np.flatnonzero(~np.isnan(levels))
    if known.size < 3:
        return grey
    levels = np.interp(np.arange(count), known, levels[known])
    core = float(np.median(levels[round(0.12 * _BINS_PER_UNIT) :]))
    shortfall = np.clip(core - levels, 0.0, None)
    shortfall[round(_BINS_PER_UNIT * PERIPHERY_WIDTH) :] = 0.0
    # Thickness falls towards the skin, never rises: what is missing may only shrink inwards.
    shortfall = np.minimum.accumulate(shortfall)
    return grey + shortfall[bins].astype(np.float32)


def _split(equalised: np.ndarray, measured: np.ndarray, background: float | None) -> DenseTissue:
    from skimage.filters import threshold_otsu

    values = equalised[measured]
    threshold = float(threshold_otsu(values))
    fat = float(np.percentile(values, FAT_PERCENTILE))
    if background is not None:
        threshold = max(threshold, fat + LEAST_CONTRAST * (fat - background))
    dense = _without_strands(measured & (equalised > threshold), measured)
    solid = float(np.percentile(equalised[dense], 90)) if dense.any() else threshold
    middle = float(np.median(equalised[measured & ~dense]))
    share = np.clip((values - middle) / max(solid - middle, 1e-9), 0.0, 1.0)
    return DenseTissue(
        dense=dense,
        measured=measured,
        area_percent=100.0 * float(dense.sum()) / float(measured.sum()),
        volume_fraction=float(share.mean()),
    )


def _without_strands(dense: np.ndarray, measured: np.ndarray) -> np.ndarray:
    radius = max(1, round(STRAND_WIDTH * float(np.sqrt(measured.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.morphologyEx(dense.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
