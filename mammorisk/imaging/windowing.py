"""Conversion of stored pixels to display grey levels: modality LUT, VOI LUT, inversion."""

from __future__ import annotations

import numpy as np

from mammorisk.errors import PixelError
from mammorisk.records.stored_image import Greyscale, Lut, RawImage, Window


def to_display(raw: RawImage, *, voi: str = "auto") -> np.ndarray:
    """Return the display grey levels of an image.

    Parameters
    ----------
    raw : RawImage
    voi : str
        ``"auto"``: the first VOI lookup table, else the first window, else the range of values
        that are not padding. ``"lut:1"`` or ``"window:2"``: the table or window at this position
        (from 0). ``"minmax"``: the range.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        In [0, 1]; white is 1. Padding is 0.

    Raises
    ------
    PixelError
        The image has no such table or window.

    Notes
    -----
    Modality LUT or rescale, then VOI, then inversion of MONOCHROME1, as in DICOM PS3.3 C.11. Each
    stored value is transformed once and then looked up, because an image has far fewer values than
    pixels.
    """
    pixels, grey = raw.pixels, raw.greyscale
    if pixels.size == 0:
        return np.zeros(pixels.shape, dtype=np.float32)
    low, high = int(pixels.min()), int(pixels.max())
    values = np.arange(low, high + 1)
    padding = np.zeros(len(values), dtype=bool)
    if grey.padding is not None:
        padding = (values >= grey.padding[0]) & (values <= grey.padding[1])
    shown = _voi(modality_values(values, grey), _present(pixels, low, high), padding, grey, voi)
    if grey.inverted:
        shown = 1.0 - shown
    shown[padding] = 0.0
    table = shown.astype(np.float32)
    if low == 0 and pixels.dtype.kind == "u":
        mapped: np.ndarray = table[pixels]
        return mapped
    return table[pixels.astype(np.int64) - low]


def padding_mask(raw: RawImage) -> np.ndarray:
    """Return the mask of padding (PixelPaddingValue to its range limit), shape (rows, columns)."""
    if raw.greyscale.padding is None:
        return np.zeros(raw.pixels.shape, dtype=bool)
    low, high = raw.greyscale.padding
    return (raw.pixels >= low) & (raw.pixels <= high)


def _present(pixels: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return which of the values from low to high occur."""
    found = np.zeros(high - low + 1, dtype=bool)
    found[pixels.reshape(-1).astype(np.int64) - low if low else pixels.reshape(-1)] = True
    return found


def modality_values(values: np.ndarray, grey: Greyscale) -> np.ndarray:
    """Transform stored values by the modality LUT, or by slope and intercept."""
    if grey.modality_lut is not None:
        return look_up(values, grey.modality_lut).astype(np.float64)
    return values * grey.slope + grey.intercept


def look_up(values: np.ndarray, lut: Lut) -> np.ndarray:
    """Look values up in a table. Values outside it give its first or last entry."""
    position = np.clip(np.round(values).astype(np.int64) - lut.first, 0, len(lut.values) - 1)
    return lut.values[position]


def _voi(
    values: np.ndarray, present: np.ndarray, padding: np.ndarray, grey: Greyscale, voi: str
) -> np.ndarray:
    if voi == "auto":
        voi = "lut:0" if grey.voi_luts else "window:0" if grey.windows else "minmax"
    kind, _, position = voi.partition(":")
    try:
        if kind == "lut":
            lut = grey.voi_luts[int(position)]
            return np.clip(look_up(values, lut) / (2.0**lut.bits - 1.0), 0.0, 1.0)
        if kind == "window":
            return apply_window(values, grey.windows[int(position)])
    except (IndexError, ValueError):
        raise PixelError(
            f"the image has no {kind} {position!r}",
            remedy=f"It has {len(grey.voi_luts)} tables and {len(grey.windows)} windows.",
        ) from None
    if kind != "minmax":
        raise PixelError(
            f"voi {voi!r} is unknown", remedy='Use "auto", "minmax", "lut:0" or "window:0".'
        )
    used = values[present & ~padding]
    if len(used) == 0 or used.max() == used.min():
        return np.zeros(len(values))
    scaled: np.ndarray = np.clip((values - used.min()) / (used.max() - used.min()), 0.0, 1.0)
    return scaled


def apply_window(values: np.ndarray, window: Window) -> np.ndarray:
    """Apply a VOI window (DICOM PS3.3 C.11.2.1.2.1 and C.11.2.1.3).

    Parameters
    ----------
    values : ndarray
        Modality units.
    window : Window

    Returns
    -------
    ndarray of float64
        In [0, 1].
    """
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        # Beyond these limits the result is 0 or 1 in double precision, and exp would overflow.
        exponent = np.clip(-4.0 * (values - center) / width, -500.0, 500.0)
        return 1.0 / (1.0 + np.exp(exponent))
    if window.function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width <= 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)
