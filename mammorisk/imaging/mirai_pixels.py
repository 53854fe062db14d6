"""Views as Mirai takes them: 16-bit counts, resized, breast to the right, normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk.imaging.windowing import modality_values

if TYPE_CHECKING:
    from mammorisk.greyscale import RawImage

#: Of the network's input, and the mean and standard deviation of its training counts.
ROWS, COLUMNS = 2048, 1664
MEAN, SD = 7047.99, 12005.5
#: Largest count of 16 bits.
_FULL = 65535

Counts = NDArray[np.int32]


def window_counts(stored: NDArray[np.number]) -> Counts:
    """Counts from 0 to 65535 over the range of an image, as the reference's default window.

    Parameters
    ----------
    stored : ndarray, shape (rows, columns)
        After the modality LUT, bright tissue high.

    Returns
    -------
    ndarray of int32
        All 0 where the image is of one value.
    """
    low, high = float(stored.min()), float(stored.max())
    if high <= low:
        return np.zeros(stored.shape, dtype=np.int32)
    # In the order of operations of the reference, which truncates.
    centre, width = (low + high) / 2, high - low
    scaled = ((stored.astype(np.float64) - centre) / width + 0.5) * _FULL
    return np.clip(scaled, 0, _FULL).astype(np.int32)


def standardise(counts: Counts) -> NDArray[np.float32]:
    """Resize to the network's rows and columns, put the breast to the right, normalise.

    Parameters
    ----------
    counts : ndarray of int32, shape (rows, columns)

    Returns
    -------
    ndarray of float32, shape (2048, 1664)
        The image decides the side, not its label: mirrored where its left quarter is brighter.
    """
    resized = resize(counts)
    quarter = COLUMNS // 4
    left = resized[:, :quarter].sum(dtype=np.float64)
    right = resized[:, -quarter:].sum(dtype=np.float64)
    if left > right:
        resized = resized[:, ::-1]
    return ((np.ascontiguousarray(resized, dtype=np.float32)) - np.float32(MEAN)) / np.float32(SD)


def resize(counts: Counts) -> Counts:
    """Pillow's bilinear resampling of 32-bit counts, its filter widened when shrinking."""
    from PIL import Image

    # Through mode I: 16-bit modes wrap above 32,767.
    image = Image.fromarray(np.ascontiguousarray(counts, dtype=np.int32))
    shape = (COLUMNS, ROWS)
    return np.asarray(image.resize(shape, Image.Resampling.BILINEAR), dtype=np.int32)


def mirai_counts(raw: RawImage, *, path: Literal["dicom", "png"] = "dicom") -> Counts:
    """Counts of a view: windowed from DICOM, or those of a 16-bit picture as they are."""
    stored = np.asarray(raw.pixels)
    if path == "png":
        return stored.astype(np.int32)
    values = modality_values(stored, raw.greyscale)
    if raw.greyscale.inverted:
        values = values.max() + values.min() - values
    return window_counts(values)
