"""Pixel spacing in the breast from DICOM attributes, which may contradict each other."""

from __future__ import annotations

import math

from pydicom.dataset import Dataset

from mammorisk.io.dataset import number, numbers, text
from mammorisk.warnings import ResultWarning, make_warning

#: Largest estimated magnification of a standard view. Above it an image is a magnification view.
MAGNIFICATION_LIMIT = 1.3

#: Plausible pixel spacing of mammograms in mm, including digitised films and reduced images.
_PLAUSIBLE_MM = (0.02, 2.0)


def read_spacing(dataset: Dataset) -> tuple[float | None, ResultWarning | None]:
    """Read the pixel spacing in the breast in mm, with a warning. Call inside ``quiet_pydicom``.

    Returns
    -------
    pixel_mm : float or None
    warning : ResultWarning or None

    Notes
    -----
    PS3.3 10.7.1.3: if PixelSpacing (0028,0030) differs from ImagerPixelSpacing (0018,1164), it was
    corrected for magnification or calibrated, and is used. If both are equal, or if there is only
    ImagerPixelSpacing, the spacing is that of the detector and is divided by the estimated
    magnification (0018,1114). Digitised film has NominalScannedPixelSpacing (0018,2010).
    """
    imager = _pair(dataset, "ImagerPixelSpacing")
    spacing = _pair(dataset, "PixelSpacing")
    if imager is None:
        alone = spacing or _pair(dataset, "NominalScannedPixelSpacing")
        return alone, None if alone is not None else make_warning("spacing-unknown")
    magnification = number(dataset, "EstimatedRadiographicMagnificationFactor")
    if magnification is None or not 1 <= magnification <= MAGNIFICATION_LIMIT:
        magnification = 1.0
    in_breast = imager / magnification
    if spacing is None:
        said = "PixelSpacing is implausible: ImagerPixelSpacing was used"
        is_stated = text(dataset, "PixelSpacing") is not None
        return in_breast, make_warning("spacing-doubtful", said) if is_stated else None
    calibration = (text(dataset, "PixelSpacingCalibrationType") or "").upper()
    if calibration in ("GEOMETRY", "FIDUCIAL") or math.isclose(spacing, in_breast, rel_tol=0.01):
        return spacing, None
    if math.isclose(spacing, imager, rel_tol=0.01):
        return in_breast, None
    said = (
        f"PixelSpacing ({spacing:g} mm) differs from ImagerPixelSpacing ({imager:g} mm) without a "
        "calibration type: PixelSpacing was used"
    )
    return spacing, make_warning("spacing-doubtful", said)


def _pair(dataset: Dataset, keyword: str) -> float | None:
    try:
        pair = numbers(dataset, keyword)
    except ValueError:
        return None
    low, high = _PLAUSIBLE_MM
    # Pixels of a mammogram are square.
    if len(pair) != 2 or abs(pair[0] - pair[1]) > 0.01 * max(pair) or not low <= pair[0] <= high:
        return None
    return pair[0]
