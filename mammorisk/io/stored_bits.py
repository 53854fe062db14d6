"""Stored values of an image, with a check of the attributes that describe their bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.warnings import ResultWarning, make_warning

Pixels = NDArray[Any]

#: Smallest number of pairs of neighbouring pixels that contradict a header.
_PAIRS = 50


def stored_image(
    pixels: Pixels, greyscale: Greyscale, *, high_bit: int | None, overlay_bits: int = 0
) -> RawImage:
    """Return the stored values with their sign, and warnings about them.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (rows, columns)
        Unsigned values as in the file. Signed values from a decoder are not changed.
    greyscale : Greyscale
        Greyscale from the header.
    high_bit : int or None
        HighBit (0028,0102).
    overlay_bits : int
        Mask of the bits in which the header places overlays (PS3.3 C.9.2, retired).

    Returns
    -------
    RawImage
        With a warning for each contradiction between header and pixels.

    Notes
    -----
    Neighbouring pixels show whether a bit is part of the value. Where they differ in such a bit,
    values with the bit are close and values without it are not.
    """
    found: list[ResultWarning] = []
    stored = greyscale.bits_stored
    if pixels.dtype.kind == "u" and pixels.size:
        pixels, stored = _aligned(pixels, stored, high_bit, overlay_bits, found)
        pixels, stored = _without_others(pixels, stored, greyscale.signed, overlay_bits, found)
        if greyscale.signed:
            pixels = _with_sign(pixels, stored, found)
    greyscale = replace(
        greyscale, bits_stored=stored, padding=_padding(pixels, greyscale, stored, found)
    )
    return RawImage(pixels=pixels, greyscale=greyscale, warnings=tuple(found))


def _contradiction(text: str) -> ResultWarning:
    return make_warning("pixels-contradict-header", text)


def _aligned(
    pixels: Pixels, stored: int, high: int | None, overlays: int, found: list[ResultWarning]
) -> tuple[Pixels, int]:
    """Shift values down to bit 0 if HighBit says so and the pixels agree."""
    if high is None:
        return pixels, stored
    shift = high + 1 - stored
    if shift <= 0 or shift + stored > 8 * pixels.dtype.itemsize:
        return pixels, stored
    below = ((1 << shift) - 1) & ~overlays
    # The highest bit is not used, and bits below the stored ones contain values.
    if not (pixels >> high).any() and (pixels & below).any():
        found.append(
            _contradiction("HighBit (0028,0102) does not fit the pixels: read right-aligned")
        )
        return pixels, stored
    return pixels >> shift, stored


def _without_others(
    pixels: Pixels, stored: int, signed: bool, overlays: int, found: list[ResultWarning]
) -> tuple[Pixels, int]:
    """Remove the bits above BitsStored, unless they are part of the value."""
    width = 8 * pixels.dtype.itemsize
    if stored >= width or not int(pixels.max()) >> stored:
        return pixels, stored
    low = pixels & ((1 << stored) - 1)
    if signed and _is_extended(pixels, stored):
        return low, stored
    if overlays >> stored == 0 and _belongs_together(pixels, low):
        found.append(
            _contradiction("values lie beyond BitsStored (0028,0101): all their bits were used")
        )
        return pixels, width if signed else int(pixels.max()).bit_length()
    found.append(
        _contradiction(
            "bits above BitsStored (0028,0101) were removed: "
            + ("the header places overlays there" if overlays >> stored else "no part of the value")
        )
    )
    return low, stored


def _is_extended(pixels: Pixels, stored: int) -> bool:
    """Whether the bits above only repeat the sign."""
    values = pixels.view(f"i{pixels.dtype.itemsize}")
    half = 1 << (stored - 1)
    return bool(int(values.min()) >= -half and int(values.max()) < half)


def _belongs_together(whole: Pixels, low: Pixels) -> bool:
    """Whether values with the upper bits are smoother than without, where these bits change."""
    jumps = np.zeros(2)
    for axis in (0, 1):
        full, cut = (_differences(values, axis) for values in (whole, low))
        changed = full != cut
        jumps += full[changed].sum(), cut[changed].sum()
    return bool(jumps[0] < jumps[1])


def _differences(values: Pixels, axis: int) -> NDArray[np.int64]:
    return np.abs(np.diff(values.astype(np.int64), axis=axis))


def _with_sign(pixels: Pixels, stored: int, found: list[ResultWarning]) -> Pixels:
    """Convert the stored bits by two's complement, unless only unsigned values are smooth."""
    size = pixels.dtype.itemsize
    # Move the sign bit to the top, then let the arithmetic shift bring it back.
    lifted = (pixels << (8 * size - stored)).astype(pixels.dtype, copy=False)
    signed = lifted.view(f"i{size}") >> (8 * size - stored)
    if not int(pixels.max()) >> (stored - 1):
        return signed
    far, near = 0.75 * 2**stored, 0.25 * 2**stored
    wraps = {"signed": 0, "unsigned": 0}
    for axis in (0, 1):
        with_sign, without = (_differences(values, axis) for values in (signed, pixels))
        wraps["signed"] += int(((with_sign > far) & (without < near)).sum())
        wraps["unsigned"] += int(((without > far) & (with_sign < near)).sum())
    if wraps["signed"] < _PAIRS or wraps["unsigned"] * 10 > wraps["signed"]:
        return signed
    found.append(
        _contradiction(
            "PixelRepresentation (0028,0103) says signed, the pixels are unsigned: read as unsigned"
        )
    )
    return pixels


def _padding(
    pixels: Pixels, greyscale: Greyscale, stored: int, found: list[ResultWarning]
) -> tuple[int, int] | None:
    """Return the range of padding values with the sign of the pixels."""
    stated = greyscale.padding
    if stated is None or not pixels.size or _occurs(pixels, stated):
        return stated
    for bits in (16, stored):
        other = _resigned(stated, bits, negative=pixels.dtype.kind == "i")
        if other != stated and _occurs(pixels, other):
            found.append(
                _contradiction(
                    "PixelPaddingValue (0028,0120) does not have the sign of the pixels: read with "
                    "the sign of the pixels"
                )
            )
            return other
    return stated


def _resigned(stated: tuple[int, int], bits: int, *, negative: bool) -> tuple[int, int]:
    def turn(value: int) -> int:
        if negative:
            return value - 2**bits if 2 ** (bits - 1) <= value < 2**bits else value
        return value + 2**bits if -(2 ** (bits - 1)) <= value < 0 else value

    low, high = sorted((turn(stated[0]), turn(stated[1])))
    return low, high


def _occurs(pixels: Pixels, values: tuple[int, int]) -> bool:
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    low, high = values
    # Padding is almost always at the edges: check them first.
    return any(bool(((part >= low) & (part <= high)).any()) for part in (*edges, pixels))
