"""Dense tissue of one view: its mask, percent density and volume fraction."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from mammorisk.imaging.breast import BreastMask

#: Size of the grid on which dense tissue is measured: the longer side of the bounding box of the
#: breast.
WORKING_ROWS = 384

#: Depths below the skin line, in units of the square root of the breast area. The skin, up to the
#: first, is not measured. In the core, beyond the second, the thickness is nearly constant.
SKIN_DEPTH, CORE_DEPTH = 0.02, 0.08

#: Equalisation of the periphery: depth up to which grey is equalised, depth up to which its level
#: is measured, largest factor, and number of bins per unit of depth.
_PERIPHERY_DEPTH, _EVEN_DEPTH, _MOST_RAISED, _BINS_PER_UNIT = 0.25, 0.30, 4.0, 100

#: Three estimates of the grey of fat, as percentiles of the core. The first suits breasts with
#: little fat, the last breasts that are almost all fat.
FAT_PERCENTILES = (5.0, 25.0, 40.0)

#: Thresholds of dense tissue between fat (0) and muscle (1), on the logarithmic scale of grey above
#: air. One for each of ``FAT_PERCENTILES``.
DENSE_SHARES = (0.8, 0.7, 0.6)

#: Smallest difference between muscle and fat (logarithmic scale). Tissue closer to the grey of the
#: muscle is not fat, even if little of the breast is darker: a uniform breast as bright as its
#: muscle is dense.
LEAST_STEP = 0.15

#: If no view of the exam shows the muscle, the 95th percentile of the core replaces its grey, but
#: at least the first number above fat. If the contrast of the core is below the second number,
#: fat and dense tissue cannot be distinguished and density is not measured.
STAND_IN_STEP, LEAST_CONTRAST = 0.45, 0.25

#: Contrast of the core (10th to 95th percentile). Below the first number the view may show one
#: kind of tissue only, above the second it shows both fat and dense tissue.
BOTH_CONTRAST = (0.45, 1.0)

#: Largest grey of fat, as a share of the contrast, in a view that shows both kinds of tissue.
MOST_OF_CONTRAST = 0.4

#: Centres and spreads of the three dense shares (see Notes of :func:`percent_density`), and the
#: logistic curve from their mean to percent. Its maximum is below 100 because even the densest
#: breast has fat under its skin. Set by hand on labelled films (docs/explanation/imaging.md).
MARK_CENTRES, MARK_SPREADS = (-1.5, -1.5, -1.4), (1.4, 1.3, 1.3)
CURVE_SLOPE, CURVE_OFFSET, CURVE_TOP = 1.1, -0.8, 90.0


@dataclass(frozen=True, kw_only=True)
class TissueReading:
    """Grey of the tissue of one view, on a grid of about 400 rows.

    Attributes
    ----------
    log_grey : ndarray of float32, shape (rows, columns)
        Logarithm of grey above air, equalised for the smaller thickness of the breast near the
        skin.
    measured : ndarray of bool, same shape
        Breast without muscle and skin.
    core : ndarray of float32, shape (n,)
        Sorted values of ``log_grey`` where the thickness of the breast is nearly constant.
    muscle : float or None
        Logarithm of the grey of the pectoral muscle above air. None if the view shows no muscle.
    shape : tuple of int
        Rows and columns of the image.
    box : tuple of int
        Rows and columns (first, one past the last) of the breast in the image.
    """

    log_grey: np.ndarray = field(repr=False)
    measured: np.ndarray = field(repr=False)
    core: np.ndarray = field(repr=False)
    muscle: float | None
    shape: tuple[int, int]
    box: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class DenseTissue:
    """Dense tissue of one view, on a grid of about 400 rows that spans the box of the breast.

    Attributes
    ----------
    dense, measured : ndarray of bool
        Dense tissue, and the measured tissue (breast without muscle and skin).
    area_percent : float
        Dense share of the measured area, 0-100.
    volume_fraction : float
        Mean over the measured area of the position of each pixel between fat (0) and muscle (1) on
        the logarithmic scale. It estimates the dense share of the volume, not of the area.
    box : tuple of int
        Rows and columns (first, one past the last) of the image that the grid spans.
    """

    dense: np.ndarray
    measured: np.ndarray
    area_percent: float
    volume_fraction: float
    box: tuple[int, int, int, int]

    def on_image(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mask of dense tissue on the pixel grid of the image."""
        full = np.zeros(shape, dtype=bool)
        top, bottom, left, right = self.box
        size = (right - left, bottom - top)
        soft = cv2.resize(self.dense.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR)
        full[top:bottom, left:right] = soft > 127
        return full


def read_tissue(image: np.ndarray, mask: BreastMask) -> TissueReading | None:
    """Measure the grey of tissue and muscle in one view; return None if the breast is too small.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, dense tissue bright.
    mask : BreastMask

    Returns
    -------
    TissueReading or None

    Notes
    -----
    Near the skin, where the breast is thinner, grey is equalised by its lower quartile at each
    depth (after Wang 2003, doi:10.2214/ajr.180.1.1800257). On the logarithmic scale a change of
    gamma is a change of unit, which does not affect percent density.
    """
    rows = np.flatnonzero(mask.breast.any(axis=1))
    columns = np.flatnonzero(mask.breast.any(axis=0))
    if rows.size < 8 or columns.size < 8:
        return None
    box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
    breast, muscle = (_reduce_mask(m, box) for m in (mask.breast, mask.pectoral))
    grey = cv2.GaussianBlur(_reduce(image, box), (0, 0), 1.0) - air_level(image, mask)
    # The breast has no skin where its box cuts it off: repeat the edge of the mask, so that depth
    # is measured from the skin.
    framed = np.pad(breast.astype(np.uint8), 1, mode="edge")
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / np.sqrt(breast.sum())
    tissue = breast & ~muscle
    measured, core = tissue & (depth > SKIN_DEPTH), tissue & (depth > CORE_DEPTH)
    if core.sum() < 200:
        return None
    typical = float(np.median(grey[core]))
    if typical <= 0 or np.ptp(grey[core]) < 1e-3 * typical:
        return None
    log_grey = np.log(np.maximum(grey, 0.02 * typical))
    log_grey = log_grey + _shortfall(log_grey, depth, measured)
    inner = cv2.erode(muscle.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=1) > 0
    level = float(np.median(grey[inner])) if inner.sum() >= 100 else 0.0
    return TissueReading(
        log_grey=log_grey.astype(np.float32),
        measured=measured,
        core=np.sort(log_grey[core]).astype(np.float32),
        muscle=float(np.log(level)) if level > 0 else None,
        shape=(image.shape[0], image.shape[1]),
        box=box,
    )


def air_level(image: np.ndarray, mask: BreastMask) -> float:
    """Median grey of the exposed area outside the breast. 0 if there is hardly any."""
    top, bottom, left, right = mask.exposed or (0, image.shape[0], 0, image.shape[1])
    step = max(1, max(bottom - top, right - left) // 256)
    area = (slice(top, bottom, step), slice(left, right, step))
    outside = image[area][~mask.breast[area]]
    return float(np.median(outside)) if outside.size >= 50 else 0.0


def _size(box: tuple[int, int, int, int]) -> tuple[int, int]:
    height, width = box[1] - box[0], box[3] - box[2]
    scale = min(1.0, WORKING_ROWS / max(height, width))
    return max(8, round(width * scale)), max(8, round(height * scale))


def _reduce(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    part = np.ascontiguousarray(image[box[0] : box[1], box[2] : box[3]], dtype=np.float32)
    return cv2.resize(part, _size(box), interpolation=cv2.INTER_AREA)


def _reduce_mask(mask: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    part = np.ascontiguousarray(mask[box[0] : box[1], box[2] : box[3]]).astype(np.uint8) * 255
    return cv2.resize(part, _size(box), interpolation=cv2.INTER_AREA) > 127


def _shortfall(log_grey: np.ndarray, depth: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Difference between the levels of core and periphery, by depth of each pixel."""
    count = round(_BINS_PER_UNIT * _EVEN_DEPTH) + 1
    bins = np.minimum((depth * _BINS_PER_UNIT).astype(int), count - 1)
    order = np.argsort(bins[measured], kind="stable")
    groups = np.split(
        log_grey[measured][order], np.searchsorted(bins[measured][order], np.arange(1, count))
    )
    levels = np.array([np.percentile(g, 25) if len(g) >= 30 else np.nan for g in groups])
    known = np.flatnonzero(~np.isnan(levels))
    if known.size < 3:
        return np.zeros_like(log_grey)
    levels = np.interp(np.arange(count), known, levels[known])
    core = float(np.median(levels[round(0.12 * _BINS_PER_UNIT) :]))
    lacking = np.clip(core - levels, 0.0, np.log(_MOST_RAISED))
    lacking[round(_BINS_PER_UNIT * _PERIPHERY_DEPTH) :] = 0.0
    # Thickness decreases towards the skin, so the difference must not increase with depth.
    falling: np.ndarray = np.minimum.accumulate(lacking)[bins]
    return falling


def percent_density(reading: TissueReading, muscle: float | None = None) -> float | None:
    """Return percent density by area of one view.

    Parameters
    ----------
    reading : TissueReading
    muscle : float, optional
        Level of the muscle in other views of the exam, for a view without muscle.

    Returns
    -------
    float or None
        0 to ``CURVE_TOP``. None if the grey of the breast is uniform and there is no muscle to
        compare it with, because fat and dense tissue then look the same.

    Notes
    -----
    The dense share of the tissue is computed for three estimates of the grey of fat, with a
    threshold between fat and muscle for each (``DENSE_SHARES``). A uniformly dense breast has no
    fat to compare with, but it is as bright as its muscle and therefore above the threshold. The
    three shares are standardised on the logit scale and averaged.
    """
    level = _reference(reading, muscle)
    if level is None:
        return None
    marks = _marks(reading, level)
    mean = float(
        np.mean([(m - c) / s for m, c, s in zip(marks, MARK_CENTRES, MARK_SPREADS, strict=True)])
    )
    return float(CURVE_TOP / (1.0 + np.exp(-(CURVE_SLOPE * mean + CURVE_OFFSET))))


def _marks(reading: TissueReading, level: float) -> list[float]:
    # If the view shows both kinds of tissue, the darkest part is fat even if it is small.
    low, top = np.percentile(reading.core, [5, 95])
    brightest_fat = low + MOST_OF_CONTRAST * (top - low)
    both = _both_in_view(reading)
    fats = []
    for value in np.percentile(reading.core, FAT_PERCENTILES):
        fat = float(value - both * max(value - brightest_fat, 0.0))
        fats.append(min(fat, level - LEAST_STEP))
    values = reading.log_grey[reading.measured]
    shares = [
        float((values > fat + share * (level - fat)).mean())
        for fat, share in zip(fats, DENSE_SHARES, strict=True)
    ]
    return [float(np.log((s + 0.01) / (1.01 - s))) for s in shares]


def _reference(reading: TissueReading, muscle: float | None) -> float | None:
    low, fat, high, top = np.percentile(reading.core, [10, FAT_PERCENTILES[1], 90, 95])
    level = reading.muscle if reading.muscle is not None else muscle
    if level is None:
        return float(max(top, fat + STAND_IN_STEP)) if high - low >= LEAST_CONTRAST else None
    # If the view shows both fat and dense tissue, the brightest tissue is dense even if the muscle
    # is brighter.
    return float(level - _both_in_view(reading) * max(level - top, 0.0))


def _both_in_view(reading: TissueReading) -> float:
    """Degree, 0 to 1, to which the contrast shows that the view has both fat and dense tissue."""
    low, top = np.percentile(reading.core, [10, 95])
    return float(np.clip((top - low - BOTH_CONTRAST[0]) / np.ptp(BOTH_CONTRAST), 0.0, 1.0))


def mark_dense(reading: TissueReading, percent: float, muscle: float | None = None) -> DenseTissue:
    """Mark the brightest tissue of a view as dense, up to its percent density.

    Parameters
    ----------
    reading : TissueReading
    percent : float
        0-100.
    muscle : float, optional
        As for :func:`percent_density`.
    """
    smooth = cv2.GaussianBlur(reading.log_grey, (0, 0), 2.0)
    values = smooth[reading.measured]
    level = float(np.quantile(values, 1.0 - percent / 100.0))
    fat = float(np.percentile(reading.core, FAT_PERCENTILES[1]))
    reference = _reference(reading, muscle)
    step = max((fat if reference is None else reference) - fat, LEAST_STEP)
    path = np.clip((reading.log_grey[reading.measured] - fat) / step, 0.0, 1.0)
    return DenseTissue(
        dense=reading.measured & (smooth > level),
        measured=reading.measured,
        area_percent=percent,
        volume_fraction=float(path.mean()),
        box=reading.box,
    )


def find_dense_tissue(
    image: np.ndarray, mask: BreastMask, *, muscle: float | None = None
) -> DenseTissue | None:
    """Find dense tissue in one view; return None if it cannot be measured.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, dense tissue bright. Brightness, contrast and gamma have little effect.
    mask : BreastMask
    muscle : float, optional
        As for :func:`percent_density`.

    Returns
    -------
    DenseTissue or None
    """
    reading = read_tissue(image, mask)
    percent = None if reading is None else percent_density(reading, muscle)
    return None if reading is None or percent is None else mark_dense(reading, percent, muscle)
