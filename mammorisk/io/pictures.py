"""Mammograms as PNG or TIFF: 16-bit grey, view in the name, no header to speak of."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

import numpy as np

from mammorisk._utils.atomic_write import content_digest
from mammorisk.errors import PixelError, UnreadableFile
from mammorisk.io.decoding import decode_frame
from mammorisk.io.limits import Limits, file_size
from mammorisk.io.pixels import check_size
from mammorisk.records.exam import ImageKind, Laterality, View
from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.warnings import make_warning

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TIFF_MAGICS = (b"II*\0", b"MM\0*")
_PNG_GREY, _PNG_PALETTE = (0, 2, 4, 6), 3
# TIFF 6.0, section 4: PhotometricInterpretation. RGB is let through, since grey comes as RGB too.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_TIFF_GREY = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)


def picture_view(
    path: Path,
    source: str,
    laterality: Laterality,
    position: str,
    *,
    pixel_mm: float | None,
    limits: Limits,
    synthetic: bool = False,
) -> View:
    """The view in a PNG or TIFF file; its size and depth are read, its pixels are not.

    Parameters
    ----------
    path : Path
    source : str
        Name for errors.
    laterality, position
        From the file name or the user.
    pixel_mm : float or None
        Pixel spacing in the breast in mm, if the user states it: resolution written into such
        files is mostly that of a screen, so it is not read.
    limits : Limits
    synthetic : bool
        Computed from tomosynthesis, as its name says.

    Returns
    -------
    View

    Raises
    ------
    UnreadableFile, PixelError, TooLarge
        The file is not what it claims, not grey, or too large.
    """
    size = file_size(path, limits)
    head = _read(path, source, 33)
    family = "png" if head.startswith(PNG_MAGIC) else "tiff"
    inverted = False
    if family == "png":
        rows, columns, bits = _png_size(head, source)
    else:
        rows, columns, bits, inverted = _tiff_size(path, source)
    check_size(rows, columns, source, limits)
    warnings = [make_warning("no-acquisition-header")]
    if bits <= 8:
        warnings.append(make_warning("eight-bit"))
    if pixel_mm is None:
        warnings.append(make_warning("spacing-unknown"))
    if synthetic:
        warnings.append(make_warning("synthetic"))
    greyscale = Greyscale(bits_stored=bits, inverted=inverted)

    load = partial(_load, path, source, family, (rows, columns), size, greyscale, limits)
    return View(
        laterality=laterality,
        position=position,
        load=load,
        source=source,
        rows=rows,
        columns=columns,
        pixel_mm=pixel_mm,
        kind=ImageKind.SYNTHETIC if synthetic else ImageKind.UNKNOWN,
        warnings=tuple(warnings),
        digest=partial(content_digest, path),
    )


def _load(
    path: Path,
    source: str,
    family: str,
    shape: tuple[int, int],
    size: int,
    greyscale: Greyscale,
    limits: Limits,
) -> RawImage:
    data = _read(path, source, size + 1)
    if len(data) != size:
        raise UnreadableFile(
            "the file changed since its header was read",
            where=source,
            remedy="Read the exam again.",
        )
    rows, columns = shape
    pixels = decode_frame(
        data,
        family=family,
        rows=rows,
        columns=columns,
        bytes_per_pixel=2,
        where=source,
        limits=limits,
    )
    return RawImage(pixels=_one_channel(pixels, source), greyscale=greyscale)


def _read(path: Path, source: str, size: int) -> bytes:
    try:
        with open(path, "rb") as handle:
            return handle.read(size)
    except OSError as error:
        raise UnreadableFile(
            f"the file cannot be opened ({error.strerror})", where=source
        ) from None


def _png_size(head: bytes, source: str) -> tuple[int, int, int]:
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise UnreadableFile("the PNG has no header chunk", where=source, remedy="Export it again.")
    columns, rows, bits, colour = struct.unpack(">IIBB", head[16:26])
    if colour == _PNG_PALETTE or colour not in _PNG_GREY or bits not in (8, 16):
        raise PixelError(
            f"the PNG is not 8- or 16-bit grey (colour type {colour}, {bits} bits)",
            where=source,
            remedy="Export it as 16-bit greyscale.",
        )
    return rows, columns, bits


def _tiff_size(path: Path, source: str) -> tuple[int, int, int, bool]:
    """Rows, columns, bits, and whether zero is white."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            # Not their number: a long chain of empty pages would be walked for minutes.
            several = file.pages.is_multipage
            page = file.pages.first
            axes, dtype, photometric = len(page.shape), page.dtype, int(page.photometric)
            # A damaged entry may be a tuple.
            rows, columns = (int(size) for size in page.shape[:2])
    except (
        tifffile.TiffFileError,
        ValueError,
        OSError,
        LookupError,
        TypeError,
        struct.error,
        MemoryError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise UnreadableFile(
            f"the TIFF cannot be read ({type(error).__name__})",
            where=source,
            remedy="Export it again.",
        ) from None
    if several:
        raise PixelError(
            "the TIFF holds several images", where=source, remedy="Give one file a view."
        )
    if photometric not in _TIFF_GREY:
        raise PixelError(
            "the TIFF is not in grey (PhotometricInterpretation)",
            where=source,
            remedy="Export it as unsigned 16-bit greyscale.",
        )
    if dtype is None or dtype.kind != "u" or dtype.itemsize > 2 or axes not in (2, 3):
        raise PixelError(
            f"the TIFF is not 8- or 16-bit grey ({dtype})",
            where=source,
            remedy="Export it as unsigned 16-bit greyscale.",
        )
    return rows, columns, 8 * dtype.itemsize, photometric == _WHITE_IS_ZERO


def _one_channel(pixels: np.ndarray, source: str) -> np.ndarray:
    """Grey stored in several channels is accepted when it is grey; alpha must be opaque."""
    if pixels.ndim == 2:
        return pixels
    colours = pixels[..., : 1 if pixels.shape[2] <= 2 else 3]
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    if (colours != colours[..., :1]).any() or (alpha is not None and alpha.min() != alpha.max()):
        raise PixelError(
            "the image is in colour", where=source, remedy="Export it as 16-bit greyscale."
        )
    return np.ascontiguousarray(colours[..., 0])
