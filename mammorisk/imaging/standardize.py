"""Standardised views: chest wall left, cropped to the breast, same spacing, same grey range."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from mammorisk._utils.parallel import map_parallel
from mammorisk.imaging.percentiles import percentiles
from mammorisk.imaging.segmented_view import SegmentedView, segment_view
from mammorisk.records.exam import Exam, View
from mammorisk.warnings import ResultWarning, Warnings, make_warning

#: Shares of breast pixels below 0 and above 1, percent (the grey mapping of the lesion-detection
#: study: 5% of breast pixels at either end).
GREY_PERCENTILES = (5.0, 95.0)


@dataclass(frozen=True, kw_only=True)
class StandardView:
    """A standardised view.

    Attributes
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        5% of breast pixels are below 0 and 5% are above 1. Pixels outside the breast are 0.
    breast, pectoral : ndarray of bool, same shape
    spacing_mm : float or None
        Pixel spacing of ``pixels`` in the breast. None if the spacing of the image is unknown.
    mirrored : bool
        Whether the image was mirrored so that the chest wall is at the left.
    box : tuple of int
        Rows and columns (first, one past the last) of the crop in the original image.
    warnings : tuple of ResultWarning
    """

    pixels: np.ndarray = field(repr=False)
    breast: np.ndarray = field(repr=False)
    pectoral: np.ndarray = field(repr=False)
    spacing_mm: float | None
    mirrored: bool
    box: tuple[int, int, int, int]
    warnings: Warnings = ()


def standardize(
    view: View | SegmentedView,
    *,
    spacing_mm: float | None = None,
    shape: tuple[int, int] | None = None,
) -> StandardView:
    """Standardise a view.

    Parameters
    ----------
    view : View or SegmentedView
    spacing_mm : float, optional
        Pixel spacing of the result. If the spacing of the image is unknown, the crop is scaled to
        ``shape`` or not resampled, with a warning.
    shape : tuple of int, optional
        Rows and columns of the result. The breast is at the left, centred in height, with zeros
        around it. With ``spacing_mm``, parts beyond the shape are cut off, with a warning. Without
        it, the crop is scaled to fit.

    Returns
    -------
    StandardView

    Raises
    ------
    PixelError, TooLarge, UnsupportedSyntax
        The pixels cannot be read.
    """
    seen = view if isinstance(view, SegmentedView) else segment_view(view)
    warnings = list(seen.mask.warnings)
    box = _box(seen.mask.breast)
    rows, columns = slice(box[0], box[1]), slice(box[2], box[3])
    mirrored = seen.mask.chest_wall == "right"
    image, breast, pectoral = (
        _mirror(a[rows, columns]) if mirrored else a[rows, columns]
        for a in (seen.image, seen.mask.breast, seen.mask.pectoral)
    )
    factor, spacing = _factor(image.shape, seen.view.pixel_mm, spacing_mm, shape, warnings)
    if factor != 1.0:
        image, breast, pectoral = (_resize(a, factor) for a in (image, breast, pectoral))
    pixels = _grey(image, breast, warnings)
    if shape is not None:
        pixels, breast, pectoral = (_place(a, shape, warnings) for a in (pixels, breast, pectoral))
    return StandardView(
        pixels=pixels,
        breast=breast,
        pectoral=pectoral,
        spacing_mm=spacing,
        mirrored=mirrored,
        box=box,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def standardize_exam(
    exam: Exam, *, spacing_mm: float | None = None, shape: tuple[int, int] | None = None
) -> dict[str, StandardView]:
    """Standardise every view of an exam, with one thread per usable core."""
    views = list(exam)
    done = map_parallel(lambda v: standardize(v, spacing_mm=spacing_mm, shape=shape), views)
    return {view.name: result for view, result in zip(views, done, strict=True)}


def _mirror(array: np.ndarray) -> np.ndarray:
    """The mirror image; much faster than a copy of a view with a negative stride."""
    if array.dtype == bool:
        return cv2.flip(array.view(np.uint8), 1).view(bool)
    return cv2.flip(array, 1)


def _box(breast: np.ndarray) -> tuple[int, int, int, int]:
    rows = np.flatnonzero(breast.any(axis=1))
    columns = np.flatnonzero(breast.any(axis=0))
    if rows.size == 0:
        return 0, breast.shape[0], 0, breast.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _factor(
    size: tuple[int, ...],
    pixel_mm: float | None,
    spacing_mm: float | None,
    shape: tuple[int, int] | None,
    warnings: list[ResultWarning],
) -> tuple[float, float | None]:
    """Return the scale of the resampling and the resulting spacing."""
    if spacing_mm is not None and pixel_mm is not None:
        return pixel_mm / spacing_mm, spacing_mm
    if spacing_mm is not None:
        done = "not resampled" if shape is None else "fitted to the shape"
        warnings.append(make_warning("spacing-unknown", f"pixel spacing unknown: {done}"))
    if shape is None:
        return 1.0, pixel_mm
    factor = min(shape[0] / size[0], shape[1] / size[1])
    return factor, None if pixel_mm is None else pixel_mm / factor


def _resize(array: np.ndarray, factor: float) -> np.ndarray:
    size = (max(1, round(array.shape[1] * factor)), max(1, round(array.shape[0] * factor)))
    # Area averaging is the anti-aliasing filter of a reduction.
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    if array.dtype == bool and not array.any():
        return np.zeros((size[1], size[0]), dtype=bool)
    if array.dtype == bool:
        return cv2.resize(array.astype(np.float32), size, interpolation=how) > 0.5
    return cv2.resize(array, size, interpolation=how)


def _grey(image: np.ndarray, breast: np.ndarray, warnings: list[ResultWarning]) -> np.ndarray:
    inside = image[breast]
    low, high = percentiles(inside, GREY_PERCENTILES) if inside.size else (0.0, 0.0)
    if high <= low:
        warnings.append(make_warning("no-contrast"))
        return np.zeros(image.shape, dtype=np.float32)
    pixels = (image - np.float32(low)) * np.float32(1.0 / (high - low))
    pixels[~breast] = 0.0
    return pixels


def _place(array: np.ndarray, shape: tuple[int, int], warnings: list[ResultWarning]) -> np.ndarray:
    rows, columns = array.shape
    if rows > shape[0] or columns > shape[1]:
        text = "the breast is larger than the shape and was cut off"
        warnings.append(make_warning("cut-to-shape", text))
    top = max(0, (rows - shape[0]) // 2)
    part = array[top : top + shape[0], : shape[1]]
    placed = np.zeros(shape, dtype=array.dtype)
    start = (shape[0] - part.shape[0]) // 2
    placed[start : start + part.shape[0], : part.shape[1]] = part
    return placed
