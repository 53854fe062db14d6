"""Grey of tissue and muscle in one view, as used for the measurement of density."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from mammorisk.imaging.breast import BreastMask
from mammorisk.imaging.local_skewness import grain_share, positive_share
from mammorisk.imaging.percentiles import median, percentile
from mammorisk.imaging.reduction import reduce_image, reduce_mask, reduction_step

#: Size of the grid on which dense tissue is measured: the longer side of the bounding box of the
#: breast.
WORKING_ROWS = 384

#: Tissue near the skin is not measured if its grey above air is below this share of the median.
#: At this level grey rises steeply. At the outline of the mask it rises slowly, and the outline
#: moves with gamma.
EDGE_SHARE = 0.6

#: The view is read with the gamma that gives the tissue this median grey, so that the measured area
#: does not depend on the gamma of the display. Limits of that gamma.
USUAL_MEDIAN, GAMMAS = 0.5, (0.25, 4.0)

#: Depths below the skin line, in units of the square root of the breast area. The skin, up to the
#: first, is not measured. In the core, beyond the second, the thickness is nearly constant.
SKIN_DEPTH, CORE_DEPTH = 0.02, 0.08

#: Scale of the local skewness in units of the square root of the measured area: a few mm.
SKEWNESS_SCALE = 0.02

#: Grey below the first share of the median is dark. Grey is raised to at least the second share, so
#: that it has a logarithm.
_DARK, _LEAST_GREY = 0.8, 0.02

#: Equalisation of the periphery: depth up to which grey is equalised, depth up to which its level
#: is measured, largest factor, and number of bins per unit of depth.
_PERIPHERY_DEPTH, _EVEN_DEPTH, _MOST_RAISED, _BINS_PER_UNIT = 0.25, 0.30, 4.0, 100


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
    positive_skewness : float
        Share of the core, 0-1, in which the local distribution of grey has a positive skewness.
    grain_share : float
        Share of the local variance of grey that is grain, see
        :func:`mammorisk.imaging.local_skewness.grain_share`.
    dark_share : float
        Share of the breast, 0-1, whose grey is clearly below the median.
    shape : tuple of int
        Rows and columns of the image.
    box : tuple of int
        Rows and columns (first, one past the last) of the breast in the image.
    """

    log_grey: np.ndarray = field(repr=False)
    measured: np.ndarray = field(repr=False)
    core: np.ndarray = field(repr=False)
    muscle: float | None
    positive_skewness: float
    grain_share: float
    dark_share: float
    shape: tuple[int, int]
    box: tuple[int, int, int, int]


def read_tissue(
    image: np.ndarray, mask: BreastMask, reduced: np.ndarray | None = None
) -> TissueReading | None:
    """Measure the grey of tissue and muscle in one view; return None if the breast is too small.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, dense tissue bright.
    mask : BreastMask
    reduced : ndarray of float32, optional
        The image as :func:`mammorisk.imaging.reduction.reduce_image` gives it, if it is at hand.

    Returns
    -------
    TissueReading or None

    Notes
    -----
    Near the skin, where the breast is thinner, grey is equalised by its lower quartile at each
    depth (after Wang 2003, doi:10.2214/ajr.180.1.1800257). On the logarithmic scale a change of
    gamma is a change of unit, which hardly affects percent density. The thresholds below which
    pixels are dark or belong to the edge are not on that scale: they are applied with a fixed
    median of grey (``USUAL_MEDIAN``), and the result is divided by the gamma that this took. The
    logarithm is computed before the image is reduced, because the mean of a power is not the power
    of the mean.
    """
    step = reduction_step(image.shape)
    small = reduce_image(image, step) if reduced is None else reduced
    breast, muscle = (reduce_mask(one, step) for one in (mask.breast, mask.pectoral))
    rows = np.flatnonzero(breast.any(axis=1))
    columns = np.flatnonzero(breast.any(axis=0))
    if rows.size < 8 or columns.size < 8:
        return None
    box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
    size = _size(box)
    breast, muscle = (_reduce_mask(one, box, size) for one in (breast, muscle))
    tissue = breast & ~muscle
    shown = _part(small, box)
    outside = _air(image, mask)
    black = percentile(outside, 1) if outside.size else 0.0
    span = max(float(shown.max()) - black, 1e-6)
    shown = np.clip((shown - np.float32(black)) / np.float32(span), 0.0, 1.0)
    gamma = _usual_gamma(shown, tissue, size)
    air = max(air_level(image, mask) - black, 0.0) / span
    fine = cv2.pow(shown, gamma) - np.float32(air**gamma)
    grey = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    typical = median(grey[tissue]) if tissue.any() else 0.0
    if typical <= 0:
        return None
    inside = grey[breast]
    dark_share = float((inside < np.float32(_DARK) * np.float32(median(inside))).mean())
    log_grey = cv2.log(np.maximum(fine, np.float32(_LEAST_GREY * typical)))
    log_grey = cv2.resize(log_grey, size, interpolation=cv2.INTER_AREA)
    log_grey = cv2.GaussianBlur(log_grey, (0, 0), 1.0)
    blurred = cv2.GaussianBlur(grey, (0, 0), 1.0)
    breast = _without_edge(blurred, breast, EDGE_SHARE * typical)
    # The breast has no skin where its box cuts it off: repeat the edge of the mask, so that depth
    # is measured from the skin.
    framed = np.pad(breast.astype(np.uint8), 1, mode="edge")
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    depth = depth / np.sqrt(max(int(breast.sum()), 1))
    tissue = breast & ~muscle & _inside_box(breast.shape)
    measured, core = tissue & (depth > SKIN_DEPTH), tissue & (depth > CORE_DEPTH)
    if core.sum() < 200 or np.ptp(log_grey[core]) < 1e-3:
        return None
    inner = cv2.erode(muscle.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=1) > 0
    level = median(log_grey[inner]) if inner.sum() >= 100 else None
    log_grey = (log_grey + _shortfall(log_grey, depth, measured)).astype(np.float32)
    log_grey, level = log_grey / gamma, None if level is None else level / gamma
    scale = SKEWNESS_SCALE * float(np.sqrt(measured.sum()))
    return TissueReading(
        log_grey=log_grey,
        measured=measured,
        core=np.sort(log_grey[core]),
        muscle=level,
        positive_skewness=positive_share(log_grey, measured, core, scale),
        grain_share=grain_share(log_grey, measured, core, scale),
        dark_share=dark_share,
        shape=(image.shape[0], image.shape[1]),
        box=(box[0] * step, box[1] * step, box[2] * step, box[3] * step),
    )


def _usual_gamma(part: np.ndarray, tissue: np.ndarray, size: tuple[int, int]) -> float:
    """Return the gamma after which the median grey of the tissue is ``USUAL_MEDIAN``."""
    values = cv2.resize(part, size, interpolation=cv2.INTER_AREA)[tissue]
    middle = median(values) if values.size else 0.0
    if not 0.0 < middle < 1.0:
        return 1.0
    return float(np.clip(np.log(USUAL_MEDIAN) / np.log(middle), *GAMMAS))


def air_level(image: np.ndarray, mask: BreastMask) -> float:
    """Median grey of the exposed area outside the breast. 0 if there is hardly any."""
    outside = _air(image, mask)
    return median(outside) if outside.size else 0.0


def _air(image: np.ndarray, mask: BreastMask) -> np.ndarray:
    """Grey of a sample of the exposed area outside the breast; empty if there is hardly any."""
    top, bottom, left, right = mask.exposed or (0, image.shape[0], 0, image.shape[1])
    step = max(1, max(bottom - top, right - left) // 256)
    area = (slice(top, bottom, step), slice(left, right, step))
    outside: np.ndarray = image[area][~mask.breast[area]]
    return outside if outside.size >= 50 else outside[:0]


def _size(box: tuple[int, int, int, int]) -> tuple[int, int]:
    height, width = box[1] - box[0], box[3] - box[2]
    scale = min(1.0, WORKING_ROWS / max(height, width))
    return max(8, round(width * scale)), max(8, round(height * scale))


def _part(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return the box of the breast, reduced by a whole factor to about twice the grid size."""
    part: np.ndarray = image[box[0] : box[1], box[2] : box[3]].astype(np.float32, copy=False)
    step = max(part.shape) // (2 * WORKING_ROWS)
    if step < 2:
        return part
    size = (part.shape[1] // step, part.shape[0] // step)
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA)


def _reduce_mask(
    mask: np.ndarray, box: tuple[int, int, int, int], size: tuple[int, int]
) -> np.ndarray:
    part = mask[box[0] : box[1], box[2] : box[3]].astype(np.uint8) * 255
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA) > 127


def _without_edge(grey: np.ndarray, breast: np.ndarray, least: float) -> np.ndarray:
    """Remove pixels darker than ``least`` that are connected to the outside of the breast."""
    # The box may contain a few rows or columns of a black border where the breast is cut off. They
    # are not skin.
    dark = (grey < least) & _inside_box(grey.shape)
    _, labels = cv2.connectedComponents((dark | ~breast).astype(np.uint8), connectivity=4)
    edge = np.unique(labels[~breast])
    inner: np.ndarray = breast & ~np.isin(labels, edge[edge > 0])
    return inner


def _inside_box(shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask without the margin of the box, which may contain borders and film edges."""
    margin = max(3, round(0.02 * min(shape)))
    inside = np.zeros(shape, dtype=bool)
    inside[margin:-margin, margin:-margin] = True
    return inside


def _lower_quartile(values: np.ndarray) -> float:
    """25th percentile of many values, without the overhead of :func:`numpy.percentile`."""
    position = 0.25 * (len(values) - 1)
    below = int(position)
    low, high = np.sort(values)[below : below + 2]
    return float(low + (position - below) * (high - low))


def _shortfall(log_grey: np.ndarray, depth: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Difference between the levels of core and periphery, by depth of each pixel."""
    count = round(_BINS_PER_UNIT * _EVEN_DEPTH) + 1
    # Bytes are sorted several times faster than wider numbers.
    bins = np.minimum((depth * _BINS_PER_UNIT).astype(int), count - 1).astype(np.uint8)
    own = bins[measured]
    order = np.argsort(own, kind="stable")
    groups = np.split(log_grey[measured][order], np.searchsorted(own[order], np.arange(1, count)))
    levels = np.array([_lower_quartile(g) if len(g) >= 30 else np.nan for g in groups])
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
