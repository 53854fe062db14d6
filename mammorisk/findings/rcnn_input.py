"""Input of the detectors of the kind "faster-rcnn"."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_triangle

from mammorisk.findings.detector_input import COARSEST_FOR_SPECKS_MM, relative_contrast
from mammorisk.findings.frame import ViewFrame
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.imaging.standardize import standardize
from mammorisk.warnings import Warnings, make_warning

#: Smallest share of the breast that the triangle threshold may leave.
_LEAST_LEFT = 0.7


@dataclass(frozen=True, kw_only=True)
class RcnnView:
    """One view. The chest wall is at the left.

    Attributes
    ----------
    pixels : ndarray of float16, shape (rows, columns)
        Grey in [0, 1]; 0 outside the breast.
    frame : ViewFrame
    nipple : tuple of float
        Row and column of the nipple on the grid.
    calcifications_searched : bool
    warnings : tuple of ResultWarning
    """

    pixels: NDArray[np.float16] = field(repr=False)
    frame: ViewFrame
    nipple: tuple[float, float]
    calcifications_searched: bool
    warnings: Warnings = ()


def rcnn_view(
    seen: SegmentedView, *, spacing_mm: float, spread_mm: float, calcifications: bool
) -> RcnnView | None:
    """Prepare a segmented view.

    Parameters
    ----------
    seen : SegmentedView
    spacing_mm : float
        Pixel spacing of the result.
    spread_mm : float
        0 for the grey mapping by percentiles. Otherwise the radius of the neighbourhood to which
        grey is related, which makes images of several systems alike.
    calcifications : bool
        Whether the detector searches calcifications.

    Returns
    -------
    RcnnView or None
        None if there is no breast, or if the pixel spacing is unknown: the detector sees structures
        at one scale only.
    """
    pixel_mm = seen.view.pixel_mm
    if not seen.mask.breast.any() or pixel_mm is None:
        return None
    made = standardize(_masked(seen), spacing_mm=spacing_mm)
    breast = made.breast
    if spread_mm > 0:
        grey = 0.5 + relative_contrast(made.pixels, breast, spread_mm / spacing_mm) / 10
    else:
        grey = made.pixels
    frame = ViewFrame(box_px=made.box, mirrored=made.mirrored, scale=pixel_mm / spacing_mm)
    nipple = seen.mask.nipple
    place = (breast.shape[0] / 2, breast.shape[1] - 1.0)
    if nipple is not None:
        row, column = frame.to_grid(np.array([nipple]))[0]
        place = (float(row), float(column))
    told = [one for one in made.warnings if one not in seen.mask.warnings]
    searched = calcifications and pixel_mm <= COARSEST_FOR_SPECKS_MM
    if calcifications and not searched:
        told.append(
            make_warning(
                "calcifications-not-searched",
                f"calcifications were not searched: the pixel spacing is {pixel_mm:.3g} mm, and "
                f"they need {COARSEST_FOR_SPECKS_MM:g} mm",
            )
        )
    return RcnnView(
        pixels=(np.clip(grey, 0, 1) * breast).astype(np.float16),
        frame=frame,
        nipple=place,
        calcifications_searched=searched,
        warnings=tuple(told),
    )


def _masked(seen: SegmentedView) -> SegmentedView:
    """The view with the breast above the triangle threshold (Zack 1977, doi:10.1177/25.7.70454)."""
    level = float(threshold_triangle(seen.reduced))  # type: ignore[no-untyped-call]
    above = seen.mask.breast & (seen.image > level)
    if above.sum() < _LEAST_LEFT * seen.mask.breast.sum():
        return seen
    return replace(seen, mask=replace(seen.mask, breast=above))
