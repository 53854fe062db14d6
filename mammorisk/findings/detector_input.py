"""Input of the detectors: a view at 0.4 mm for lesions and at 0.1 mm for calcifications."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.findings.frame import ViewFrame
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.imaging.standardize import StandardView, standardize
from mammorisk.records.exam import Intent
from mammorisk.warnings import ResultWarning, Warnings, make_warning

Bytes = NDArray[np.uint8]
Single = NDArray[np.float32]

#: Pixel spacings of the two inputs.
LESION_MM, SPECK_MM = 0.4, 0.1
#: Calcifications are searched only if the pixel spacing is known and at most this. Smaller specks
#: are not resolved by coarser pixels.
COARSEST_FOR_SPECKS_MM = 0.15
#: Longer side of the exposed area that is assumed if the spacing is unknown: most detectors and
#: films are 24 cm high.
USUAL_HEIGHT_MM = 240.0
#: Radius of the neighbourhood with which the second channel of a lesion compares its grey.
_AROUND_LESION_MM = 8.0
#: Radii of the background of a speck, and of the area in which noise is estimated.
_AROUND_SPECK_MM, _NOISE_MM = 1.0, 6.0
#: Step of a byte of both inputs, and the value of the lowest byte.
_GREY = (-0.5, 2.0 / 254)
_LOCAL = (-4.0, 8.0 / 254)
_SPECK = (-6.0, 0.1)


@dataclass(frozen=True, kw_only=True)
class DetectorView:
    """Input of the detectors for one view. The chest wall is at the left.

    Attributes
    ----------
    lesion : ndarray of uint8, shape (2, rows, columns)
        At 0.4 mm: standardised grey, and grey relative to its neighbourhood. Bytes; 0 is outside
        the breast.
    lesion_frame : ViewFrame
    nipple_row : float
        Row of the nipple on the grid of ``lesion``; two breasts are aligned by it.
    specks : ndarray of uint8, shape (rows, columns), or None
        At 0.1 mm: grey relative to its neighbourhood in units of local noise. None if
        calcifications cannot be searched.
    speck_frame : ViewFrame or None
    spacing_known : bool
    warnings : tuple of ResultWarning
    """

    lesion: Bytes = field(repr=False)
    lesion_frame: ViewFrame
    nipple_row: float
    specks: Bytes | None = field(default=None, repr=False)
    speck_frame: ViewFrame | None = None
    spacing_known: bool = True
    warnings: Warnings = ()

    @property
    def calcifications_searched(self) -> bool:
        """Whether there is an input for the search of calcifications."""
        return self.specks is not None


def detector_view(
    seen: SegmentedView,
    *,
    lesions: bool = True,
    specks: bool = True,
    coarsest_mm: float = COARSEST_FOR_SPECKS_MM,
) -> DetectorView | None:
    """Prepare a segmented view for the detectors.

    Parameters
    ----------
    seen : SegmentedView
    lesions, specks : bool
        Whether to prepare the input at 0.4 mm and at 0.1 mm.
    coarsest_mm : float
        Largest pixel spacing at which calcifications are searched.

    Returns
    -------
    DetectorView or None
        None if the view shows no breast.
    """
    if not seen.mask.breast.any():
        return None
    view, told = seen.view, []
    spacing = view.pixel_mm
    if spacing is None:
        told.append(
            make_warning(
                "spacing-unknown",
                f"pixel spacing unknown: the image was taken as {USUAL_HEIGHT_MM:.0f} mm high, and "
                "lengths in mm are not given",
            )
        )
        spacing = USUAL_HEIGHT_MM / _longer_side(seen)
    sized = replace(seen, view=replace(view, pixel_mm=spacing))
    searched = view.pixel_mm is not None and view.pixel_mm <= coarsest_mm
    if not searched:
        why = "unknown" if view.pixel_mm is None else f"{view.pixel_mm:.3g} mm"
        text = f"calcifications were not searched: the pixel spacing is {why}, and they need "
        told.append(make_warning("calcifications-not-searched", f"{text}{coarsest_mm:g} mm"))
    elif view.intent is Intent.PROCESSING:
        text = "an image for processing: the detector was made for images for presentation"
        told.append(make_warning("for-processing", text))
    blank = np.zeros((2, 0, 0), dtype=np.uint8)
    made = DetectorView(
        lesion=blank,
        lesion_frame=ViewFrame(box_px=(0, 0, 0, 0), mirrored=False, scale=1.0),
        nipple_row=0.0,
        spacing_known=view.pixel_mm is not None,
    )
    if lesions:
        made = _with_lesions(made, sized, spacing, told)
    if specks and searched:
        fine = standardize(sized, spacing_mm=SPECK_MM)
        made = replace(
            made,
            specks=speck_bytes(fine.pixels, fine.breast),
            speck_frame=_frame(fine, spacing, SPECK_MM),
        )
    return replace(made, warnings=tuple(told))


def _with_lesions(
    made: DetectorView, seen: SegmentedView, spacing: float, told: list[ResultWarning]
) -> DetectorView:
    coarse = standardize(seen, spacing_mm=LESION_MM)
    told.extend(one for one in coarse.warnings if one.code == "no-contrast")
    grey = np.clip(coarse.pixels, _GREY[0], _GREY[0] + 254 * _GREY[1])
    frame = _frame(coarse, spacing, LESION_MM)
    nipple = seen.mask.nipple
    middle = (coarse.breast.shape[0] - 1) / 2
    return replace(
        made,
        lesion=np.stack(
            [
                to_bytes(grey, coarse.breast, _GREY),
                to_bytes(local_contrast(grey, coarse.breast), coarse.breast, _LOCAL),
            ]
        ),
        lesion_frame=frame,
        nipple_row=middle if nipple is None else float(frame.to_grid(np.array([nipple]))[0, 0]),
    )


def _longer_side(seen: SegmentedView) -> int:
    rows, columns = seen.image.shape
    top, bottom, left, right = seen.mask.exposed or (0, rows, 0, columns)
    return int(max(bottom - top, right - left))


def _frame(made: StandardView, pixel_mm: float, spacing_mm: float) -> ViewFrame:
    return ViewFrame(box_px=made.box, mirrored=made.mirrored, scale=pixel_mm / spacing_mm)


def _blurred(image: Single, breast: Single, sigma: float) -> Single:
    """Mean over the breast in a Gaussian neighbourhood, at a fraction of the resolution."""
    step = max(1, int(sigma / 2.5))
    rows, columns = image.shape
    size = (max(1, columns // step), max(1, rows // step))
    inside = cv2.resize(breast, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(image * breast, size, interpolation=cv2.INTER_AREA)
    weight = cv2.GaussianBlur(inside, (0, 0), sigma / step)
    mean = cv2.GaussianBlur(total, (0, 0), sigma / step) / np.maximum(weight, np.float32(1e-3))
    out: Any = cv2.resize(mean, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(out, dtype=np.float32)


def local_contrast(grey: Single, breast: NDArray[np.bool_]) -> Single:
    """Grey relative to the mean of its neighbourhood, in units of the local variation."""
    return relative_contrast(grey, breast, _AROUND_LESION_MM / LESION_MM)


def speck_bytes(grey: Single, breast: NDArray[np.bool_]) -> Bytes:
    """Bytes of grey at 0.1 mm relative to that within 1 mm, in units of its variation in 6 mm."""
    around, noise = _AROUND_SPECK_MM / SPECK_MM, _NOISE_MM / SPECK_MM
    return to_bytes(relative_contrast(grey, breast, around, noise), breast, _SPECK)


def relative_contrast(
    grey: Single, breast: NDArray[np.bool_], radius: float, spread: float | None = None
) -> Single:
    """Grey relative to the mean of a neighbourhood, in units of its variation.

    Parameters
    ----------
    grey : ndarray of float32, shape (rows, columns)
    breast : ndarray of bool, same shape
    radius, spread : float
        Standard deviations of the neighbourhoods of mean and variation, in pixels. By default both
        are the same.
    """
    spread = radius if spread is None else spread
    inside = breast.astype(np.float32)
    above = (grey - _blurred(grey, inside, radius)) * inside
    # Contrast of a few bright specks must not hide them: it is limited before its square is taken.
    limit = np.float32(4.0) * np.sqrt(float(np.mean(np.square(above[breast][::97]))) + 1e-12)
    power = _blurred(np.square(np.clip(above, -limit, limit)), inside, spread)
    relative = above / np.sqrt(np.maximum(power, np.float32(1e-8)))
    return np.asarray(relative, dtype=np.float32)


def to_bytes(values: Single, breast: NDArray[np.bool_], scale: tuple[float, float]) -> Bytes:
    """Convert values to bytes: 1-255 inside the breast, 0 outside."""
    low, step = scale
    steps = np.clip((values - np.float32(low)) * np.float32(1 / step), 0, 254)
    return np.where(breast, np.round(steps) + 1, 0).astype(np.uint8)


def lesion_channels(pixels: Any) -> Any:
    """Convert bytes at 0.4 mm, shape (..., 2, rows, columns), to the input of a network.

    The input is a NumPy array or a tensor of float; so is the output, of the same shape. Outside
    the breast it is 0.
    """
    inside = pixels > 0
    grey = (pixels[..., 0, :, :] - 1) * _GREY[1] + _GREY[0]
    local = (pixels[..., 1, :, :] - 1) * _LOCAL[1] + _LOCAL[0]
    pixels = pixels * 0
    pixels[..., 0, :, :] = grey
    pixels[..., 1, :, :] = local
    return pixels * inside


def speck_values(pixels: Any) -> Any:
    """Convert bytes at 0.1 mm to contrast, as :func:`lesion_channels` does."""
    return ((pixels - 1) * _SPECK[1] + _SPECK[0]) * (pixels > 0) * 0.5
