"""Views prepared for Mirai: 16-bit counts, resized, breast at the right, normalised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk.imaging.windowing import look_up, modality_values
from mammorisk.records.exam import ImageKind, View
from mammorisk.records.stored_image import RawImage

#: Size of the input of the network, and mean and standard deviation of the training counts.
ROWS, COLUMNS = 2048, 1664
MEAN, SD = 7047.99, 12005.5
#: Normalised value of a count of 0.
BLANK = -MEAN / SD
#: Centre and width of C-View images.
_C_VIEW = (540.0, 580.0)
#: Largest count of 16 bits.
_FULL = 65535

Counts = NDArray[np.int32]
Aligned = NDArray[np.uint16]


def mirai_counts(view: View, raw: RawImage) -> Counts:
    """Convert a view to 16-bit counts in the same way as the released program.

    A DICOM image is windowed over its range, with two exceptions among images with a VOI LUT: GE
    images use the first table, and C-View images of Hologic use the window with centre 540 and
    width 580. Counts of a 16-bit picture are not changed.

    Parameters
    ----------
    view : View
    raw : RawImage
        Stored pixels of the view.

    Returns
    -------
    ndarray of int32, shape (rows, columns)
        From 0 to 65535, bright tissue high: MONOCHROME1 is inverted.
    """
    stored = np.asarray(raw.pixels)
    if view.source.lower().endswith((".png", ".tif", ".tiff")):
        counts_as_stored = stored.astype(np.int32)
        if raw.greyscale.inverted:
            return np.asarray((1 << raw.greyscale.bits_stored) - 1 - counts_as_stored)
        return counts_as_stored
    low, high = int(stored.min()), int(stored.max())
    # A lookup table of all possible values needs only one pass over the image.
    levels = np.arange(low, high + 1)
    values = modality_values(levels.astype(np.float64), raw.greyscale)
    tables = raw.greyscale.voi_luts
    maker = view.acquisition.manufacturer or ""
    if tables and maker == "ge":
        counts = look_up(values, tables[0]).astype(np.int64) << max(16 - tables[0].bits, 0)
        counts = np.clip(counts, 0, _FULL)
    elif tables and maker in ("hologic", "lorad") and view.kind is ImageKind.SYNTHETIC:
        counts = window_counts(values, *_C_VIEW)
    else:
        # A LUT need not be monotonic. The range is that of the values that occur.
        there = values if raw.greyscale.modality_lut is None else values[stored - low]
        low_value, high_value = float(there.min()), float(there.max())
        counts = window_counts(values, (low_value + high_value + 1) / 2, high_value - low_value + 1)
    if raw.greyscale.inverted:
        counts = _FULL - counts
    table = counts.astype(np.int32)
    return table[stored] if low == 0 else table[stored.astype(np.int64) - low]


def window_counts(values: NDArray[np.float64], centre: float, width: float) -> Counts:
    """Map values to counts from 0 to 65535 with a window (DICOM PS3.3 C.11.2.1.2.1), truncated.

    Parameters
    ----------
    values : ndarray
        Values after the modality LUT.
    centre, width : float

    Returns
    -------
    ndarray of int32
        All 0 if the window has one value.
    """
    centre, width = centre - 0.5, width - 1
    if width <= 0:
        return np.zeros(values.shape, dtype=np.int32)
    # The order of operations is that of the reference, which truncates.
    scaled = ((values - centre) / width + 0.5) * _FULL
    return np.clip(scaled, 0, _FULL).astype(np.int32)


def aligned_counts(counts: Counts, shape: tuple[int, int] = (ROWS, COLUMNS)) -> Aligned:
    """Resize to the rows and columns of the network, with the breast at the right.

    Parameters
    ----------
    counts : ndarray of int32, shape (rows, columns)
        From 0 to 65535.
    shape : tuple of int
        Rows and columns of the network.

    Returns
    -------
    ndarray of uint16, shape ``shape``
        Mirrored if the left quarter of the image is brighter; the label is not used.
    """
    resized = resize(counts, shape)
    quarter = shape[1] // 4
    left = resized[:, :quarter].sum(dtype=np.float64)
    right = resized[:, -quarter:].sum(dtype=np.float64)
    return np.ascontiguousarray(resized[:, ::-1] if left > right else resized, dtype=np.uint16)


def normalise(counts: Aligned) -> NDArray[np.float32]:
    """Normalise counts with the mean and standard deviation of the training data."""
    return (counts.astype(np.float32) - np.float32(MEAN)) / np.float32(SD)


def resize(counts: Counts, shape: tuple[int, int] = (ROWS, COLUMNS)) -> Counts:
    """Resample 32-bit counts with the bilinear filter of Pillow, which is widened for shrinking."""
    from PIL import Image

    # Mode I (32-bit), because 16-bit modes overflow above 32,767.
    image = Image.fromarray(np.ascontiguousarray(counts, dtype=np.int32))
    size = (shape[1], shape[0])
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.int32)
