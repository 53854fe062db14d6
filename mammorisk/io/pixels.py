"""Stored pixels of a DICOM image: native ones read here, compressed ones decoded in a child."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from mammorisk.errors import PixelError, TooLarge, UnsupportedSyntax
from mammorisk.greyscale import Greyscale, RawImage
from mammorisk.io.dataset import PARSE_ERRORS, quiet_pydicom, read_dataset, whole
from mammorisk.io.decoding import decode_frame
from mammorisk.io.limits import Limits
from mammorisk.io.syntaxes import FAMILIES, NATIVE


def check_size(rows: int | None, columns: int | None, where: str, limits: Limits) -> None:
    """Refuse an image by its header alone.

    Raises
    ------
    PixelError
        It has no size.
    TooLarge
        It has more pixels than the limit.
    """
    if not rows or not columns or rows < 0 or columns < 0:
        raise PixelError(
            "the header states no image size (Rows, Columns)",
            where=where,
            remedy="Fetch the file again from the archive.",
        )
    if rows * columns > limits.max_pixels:
        raise TooLarge(
            f"the header claims {rows} x {columns} pixels, more than the limit of "
            f"{limits.max_pixels:,}",
            where=where,
            remedy="Pass limits=Limits(max_pixels=...) if it is genuine.",
        )


def syntax_of(dataset: Dataset) -> str:
    """Transfer syntax UID; implicit little endian where no file meta information says otherwise."""
    meta = getattr(dataset, "file_meta", None)
    return str(meta.get("TransferSyntaxUID", "")) if meta else "1.2.840.10008.1.2"


def check_syntax(syntax: str, where: str) -> None:
    """Refuse a transfer syntax that cannot be decoded.

    Raises
    ------
    UnsupportedSyntax
    """
    if syntax not in NATIVE and syntax not in FAMILIES:
        name = pydicom.uid.UID(syntax).name if syntax else "none stated"
        told = name if name != syntax else "an unknown one"
        raise UnsupportedSyntax(
            f"TransferSyntaxUID (0002,0010) is not supported: {told}",
            where=where,
            remedy="Convert the file to an uncompressed or JPEG 2000 syntax.",
        )


def load_pixels(path: Path, greyscale: Greyscale, source: str, limits: Limits) -> RawImage:
    """Read the pixels of a single-frame image.

    Parameters
    ----------
    path : Path
    greyscale : Greyscale
        As read from the header.
    source : str
        Name of the file for errors.
    limits : Limits

    Returns
    -------
    RawImage
        Stored values with bits beyond BitsStored (0028,0101) removed, signed where the header
        says so.

    Raises
    ------
    PixelError
        Truncated or damaged data, colour, or a header that contradicts them.
    """
    with quiet_pydicom():
        dataset = read_dataset(path, limits, pixels=True)
        rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
        allocated, stored = whole(dataset, "BitsAllocated"), whole(dataset, "BitsStored")
        high = whole(dataset, "HighBit")
        samples = whole(dataset, "SamplesPerPixel")
        syntax = syntax_of(dataset)
        data = _bytes(dataset, syntax, source)
    check_size(rows, columns, source, limits)
    assert rows is not None
    assert columns is not None
    if samples not in (None, 1):
        raise PixelError(
            f"SamplesPerPixel (0028,0002) is {samples}: a mammogram has one grey channel",
            where=source,
            remedy="Export the image in greyscale.",
        )
    if allocated not in (8, 16) or stored is None or not 1 <= stored <= allocated:
        raise PixelError(
            f"BitsAllocated {allocated} and BitsStored {stored} are not those of a mammogram",
            where=source,
            remedy="8 or 16 allocated bits are read.",
        )
    width = allocated // 8
    if syntax in NATIVE:
        wanted = rows * columns * width
        if len(data) < wanted:
            raise PixelError(
                f"the pixel data are truncated: {len(data):,} bytes of {wanted:,}",
                where=source,
                remedy="Fetch the file again from the archive.",
            )
        dtype = np.dtype(f"{NATIVE[syntax]}u{width}")
        pixels = np.frombuffer(data, dtype=dtype, count=rows * columns).reshape(rows, columns)
        pixels = pixels.astype(dtype.newbyteorder("="), copy=False)
    else:
        pixels = decode_frame(
            data,
            family=FAMILIES[syntax],
            rows=rows,
            columns=columns,
            bytes_per_pixel=width,
            where=source,
            limits=limits,
        )
        if pixels.ndim == 3:
            raise PixelError(
                "the compressed image is in colour", where=source, remedy="Export it in greyscale."
            )
    return RawImage(pixels=_stored(pixels, stored, high, greyscale.signed), greyscale=greyscale)


def _bytes(dataset: Dataset, syntax: str, source: str) -> bytes:
    """Native pixel bytes, or the first compressed frame."""
    if "PixelData" not in dataset:
        raise PixelError(
            "the file has no PixelData (7FE0,0010)",
            where=source,
            remedy="Fetch the file again from the archive.",
        )
    try:
        data = dataset["PixelData"].value
        if syntax in NATIVE:
            return bytes(data) if not isinstance(data, bytes) else data
        return next(generate_frames(data, number_of_frames=1))
    except (*PARSE_ERRORS, StopIteration) as error:
        raise PixelError(
            f"the pixel data are damaged ({type(error).__name__})",
            where=source,
            remedy="Fetch the file again from the archive.",
        ) from None


def _stored(pixels: np.ndarray, stored: int, high: int | None, signed: bool) -> np.ndarray:
    """Keep the stored bits: overlays may hide above them, signs must be extended."""
    if pixels.dtype.kind == "i":
        return pixels
    width = 8 * pixels.dtype.itemsize
    shift = (high + 1 - stored) if high is not None and high + 1 > stored else 0
    if shift and shift + stored <= width:
        pixels = pixels >> shift
    if signed:
        # Move the sign bit to the top, then let the arithmetic shift bring it back.
        lifted = (pixels << (width - stored)).astype(pixels.dtype, copy=False)
        return lifted.view(f"i{pixels.dtype.itemsize}") >> (width - stored)
    if stored < width and pixels.size and int(pixels.max()) >> stored:
        return pixels & ((1 << stored) - 1)
    return pixels
