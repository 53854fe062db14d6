"""Greyscale and RawImage: stored pixels, and the description of their grey levels.

io creates these records from files, and imaging uses them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Lut:
    """A modality or VOI lookup table (DICOM PS3.3 C.11.1, C.11.2).

    Attributes
    ----------
    values : ndarray of int, shape (n,)
    first : int
        Stored value mapped to the first entry; values below get the first entry, values above
        the last get the last.
    bits : int
        Bits of an entry; the output range is 0 ... 2**bits - 1.
    explanation : str or None
    """

    values: NDArray[np.integer[Any]]
    first: int
    bits: int
    explanation: str | None = None


@dataclass(frozen=True, kw_only=True)
class Window:
    """A VOI window (PS3.3 C.11.2.1.2): centre and width in modality units."""

    center: float
    width: float
    function: str = "LINEAR"  # LINEAR, LINEAR_EXACT or SIGMOID
    explanation: str | None = None


@dataclass(frozen=True, kw_only=True)
class Greyscale:
    """Conversion of stored values to display grey levels.

    Attributes
    ----------
    bits_stored : int
    signed : bool
    inverted : bool
        Whether the lowest value is white (MONOCHROME1).
    slope, intercept : float
        Rescale of the modality transformation (ignored when ``modality_lut`` is given).
    modality_lut : Lut or None
    voi_luts : tuple of Lut
    windows : tuple of Window
    padding : tuple of (int, int) or None
        Inclusive range of stored values that are padding: PixelPaddingValue (0028,0120) to
        PixelPaddingRangeLimit (0028,0121).
    """

    bits_stored: int
    signed: bool = False
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_luts: tuple[Lut, ...] = ()
    windows: tuple[Window, ...] = ()
    padding: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class RawImage:
    """Stored pixels of one image and their greyscale.

    Attributes
    ----------
    pixels : ndarray of int, shape (rows, columns)
    greyscale : Greyscale
        Greyscale from the header, corrected if the pixels contradict it.
    warnings : tuple of ResultWarning
        Warnings that arose while the pixels were read.
    """

    pixels: NDArray[Any] = field(repr=False)
    greyscale: Greyscale
    warnings: Warnings = ()
