"""Dense tissue of one view: its mask, percent density and volume fraction."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mammorisk.imaging.breast import BreastMask
from mammorisk.imaging.percentiles import percentile, percentiles, quantile
from mammorisk.imaging.tissue_reading import TissueReading, read_tissue

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
#: kind of tissue only, above the second it shows both fat and dense tissue. The contrast is
#: proportional to gamma, so the range is wide.
BOTH_CONTRAST = (0.45, 1.4)

#: Largest grey of fat, as a share of the contrast, in a view that shows both kinds of tissue.
MOST_OF_CONTRAST = 0.4

#: Centres and spreads of the three dense shares (logit scale) and of the share of positive local
#: skewness, over the labelled films of docs/explanation/imaging.md.
SHARE_CENTRES, SHARE_SPREADS = (-1.7, -1.6, -1.5), (1.9, 1.85, 1.8)
SKEWNESS_CENTRE, SKEWNESS_SPREAD = 0.56, 0.095

#: Up to the first share of grain, local skewness has its full weight; from the second on it has
#: none, because grain is not tissue.
GRAIN_SHARES = (0.4, 0.8)

#: Logistic curve from the standardised measures to percent. Its maximum is below 100 because even
#: the densest breast has fat under its skin. Set by hand on labelled films.
CURVE_SLOPE, CURVE_OFFSET, CURVE_TOP = 1.2, -0.68, 90.0

#: A view whose grey varies by less than the first number over the core (5th to 95th percentile),
#: and in which less than the second share of the breast is darker than its typical grey, shows no
#: thinning towards the skin. The range of the stored values was exported instead of display grey
#: levels.
NO_WINDOW_SPREAD, NO_WINDOW_DARK = 0.28, 0.1


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
    Two measures have equal weight:

    - dense shares: the dense share of the tissue is computed for three estimates of the grey of
      fat, with a threshold between fat and muscle for each (``DENSE_SHARES``). A uniformly dense
      breast has no fat to compare with, but it is as bright as its muscle and therefore above the
      threshold. The three shares are standardised on the logit scale and averaged;
    - local skewness: strands of dense tissue in fat are bright on a dark ground, islands of fat in
      dense tissue are dark on a bright ground
      (:func:`mammorisk.imaging.local_skewness.positive_share`).
    """
    level = _reference(reading, muscle)
    if level is None:
        return None
    shares = zip(_dense_shares(reading, level), SHARE_CENTRES, SHARE_SPREADS, strict=True)
    grey = float(np.mean([(share - centre) / spread for share, centre, spread in shares]))
    skewness = (SKEWNESS_CENTRE - reading.positive_skewness) / SKEWNESS_SPREAD
    grain = (reading.grain_share - GRAIN_SHARES[0]) / np.ptp(GRAIN_SHARES)
    weight = 0.5 * (1.0 - float(np.clip(grain, 0.0, 1.0)))
    mean = (1.0 - weight) * grey + weight * skewness
    return float(CURVE_TOP / (1.0 + np.exp(-(CURVE_SLOPE * mean + CURVE_OFFSET))))


def lacks_window(reading: TissueReading) -> bool:
    """Return whether the range of the stored values is shown instead of display grey levels."""
    low, high = percentiles(reading.core, [5, 95], is_sorted=True)
    return bool(high - low < NO_WINDOW_SPREAD and reading.dark_share < NO_WINDOW_DARK)


def _dense_shares(reading: TissueReading, level: float) -> list[float]:
    # If the view shows both kinds of tissue, the darkest part is fat even if it is small.
    low, top = percentiles(reading.core, [5, 95], is_sorted=True)
    brightest_fat = low + MOST_OF_CONTRAST * (top - low)
    both = _both_in_view(reading)
    fats = []
    for value in percentiles(reading.core, FAT_PERCENTILES, is_sorted=True):
        fat = float(value - both * max(value - brightest_fat, 0.0))
        fats.append(min(fat, level - LEAST_STEP))
    values = reading.log_grey[reading.measured]
    shares = [
        float((values > fat + share * (level - fat)).mean())
        for fat, share in zip(fats, DENSE_SHARES, strict=True)
    ]
    return [float(np.log((s + 0.01) / (1.01 - s))) for s in shares]


def _reference(reading: TissueReading, muscle: float | None) -> float | None:
    low, fat, high, top = percentiles(
        reading.core, [10, FAT_PERCENTILES[1], 90, 95], is_sorted=True
    )
    level = reading.muscle if reading.muscle is not None else muscle
    if level is None:
        return float(max(top, fat + STAND_IN_STEP)) if high - low >= LEAST_CONTRAST else None
    # If the view shows both fat and dense tissue, the brightest tissue is dense even if the muscle
    # is brighter.
    return float(level - _both_in_view(reading) * max(level - top, 0.0))


def _both_in_view(reading: TissueReading) -> float:
    """Degree, 0 to 1, to which the contrast shows that the view has both fat and dense tissue."""
    low, top = percentiles(reading.core, [10, 95], is_sorted=True)
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
    level = quantile(values, 1.0 - percent / 100.0)
    fat = percentile(reading.core, FAT_PERCENTILES[1])
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
