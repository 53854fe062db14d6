"""Stored pixels of a DICOM image. Compressed pixels are decoded in a child process."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from mammorisk.errors import PixelError, TooLarge, UnsupportedSyntax
from mammorisk.io.dataset import PARSE_ERRORS, quiet_pydicom, whole
from mammorisk.io.decoding import decode_frame
from mammorisk.io.limits import Limits, file_size
from mammorisk.io.parsing import read_dataset
from mammorisk.io.stored_bits import stored_image
from mammorisk.io.syntaxes import FAMILIES, NATIVE, NOT_READ
from mammorisk.records.stored_image import Greyscale, RawImage

_PIXEL_DATA = (0x7FE0, 0x0010)

#: The element of each group of overlays that gives the bit of an overlay within the pixels: Overlay
#: Bit Position (60xx,0102), retired.
_OVERLAY_BITS = frozenset(Tag(group, 0x0102) for group in range(0x6000, 0x6020, 2))

#: Elements that are needed to read the pixels.
_NAMES = ("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit")
_WITH_PIXELS = (*map(Tag, _NAMES), Tag(_PIXEL_DATA), *_OVERLAY_BITS)
_ITEM, _SEQUENCE_DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"

#: Largest number of fragments. A single frame has one or a few; reading a long chain of empty
#: fragments would take minutes.
_MOST_FRAGMENTS = 10_000


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """Attributes of a header that are needed to read the pixels. None where they are not stated."""

    rows: int | None
    columns: int | None
    allocated: int | None
    stored: int | None
    high: int | None
    samples: int | None
    syntax: str
    overlays: int
    implicit: bool

    @classmethod
    def of(cls, dataset: Dataset) -> PixelFormat:
        """Return the format of a parsed header; call inside :func:`quiet_pydicom`."""
        return cls(
            rows=whole(dataset, "Rows"),
            columns=whole(dataset, "Columns"),
            allocated=whole(dataset, "BitsAllocated"),
            stored=whole(dataset, "BitsStored"),
            high=whole(dataset, "HighBit"),
            samples=whole(dataset, "SamplesPerPixel"),
            syntax=syntax_of(dataset),
            overlays=_overlay_bits(dataset),
            implicit=bool(dataset.original_encoding[0]),
        )


@dataclass(frozen=True, kw_only=True)
class PixelPlace:
    """Where a file stores its pixels, found when its header was parsed.

    Attributes
    ----------
    start : int
        Offset of the element with the pixels.
    pixels : PixelFormat
    size, changed_ns : int
        Size of the file and time of its last change. If they differ later, the file is another one.
    """

    start: int
    pixels: PixelFormat
    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path, start: int | None, dataset: Dataset) -> PixelPlace | None:
        """Return the place of uncompressed pixels; None for others. Call as :class:`PixelFormat`.

        Parameters
        ----------
        path : Path
        start : int or None
            As in :class:`mammorisk.io.parsing.Parsed`.
        dataset : Dataset
            The header.
        """
        if start is None or syntax_of(dataset) not in NATIVE:
            return None
        told = path.stat()
        return cls(
            start=start,
            pixels=PixelFormat.of(dataset),
            size=told.st_size,
            changed_ns=told.st_mtime_ns,
        )

    def read(self, path: Path) -> bytes | None:
        """Return the bytes of the pixels; None if the file has changed."""
        with open(path, "rb") as handle:
            told = os.fstat(handle.fileno())
            if (told.st_size, told.st_mtime_ns) != (self.size, self.changed_ns):
                return None
            handle.seek(self.start)
            order = NATIVE[self.pixels.syntax]
            length = _pixel_length(handle, order, implicit=self.pixels.implicit)
            return None if length is None else handle.read(min(length, self.size))


def check_size(rows: int | None, columns: int | None, limits: Limits) -> tuple[int, int]:
    """Check the size of an image in its header.

    Returns
    -------
    tuple of int
        Rows and columns.

    Raises
    ------
    PixelError
        The header states no size.
    TooLarge
        The image has more pixels than the limit.
    """
    if not rows or not columns or rows < 0 or columns < 0:
        raise PixelError(
            "the header states no image size (Rows, Columns)",
            remedy="Fetch the file again from the archive.",
        )
    if rows * columns > limits.max_pixels:
        raise TooLarge(
            f"the header claims {rows} x {columns} pixels, more than the limit of "
            f"{limits.max_pixels:,}",
            remedy="Pass limits=mr.Limits(max_pixels=...) if it is genuine.",
        )
    return rows, columns


def syntax_of(dataset: Dataset) -> str:
    """Return the transfer syntax; implicit little endian without file meta information."""
    meta = getattr(dataset, "file_meta", None)
    return str(meta.get("TransferSyntaxUID", "")) if meta else ImplicitVRLittleEndian


def check_syntax(syntax: str) -> None:
    """Refuse a transfer syntax that cannot be decoded.

    Raises
    ------
    UnsupportedSyntax
    """
    if syntax in NATIVE or syntax in FAMILIES:
        return
    name = NOT_READ.get(syntax) or (pydicom.uid.UID(syntax).name if syntax else "none stated")
    told = name if name != syntax else "an unknown one"
    raise UnsupportedSyntax(
        f"TransferSyntaxUID (0002,0010) is not supported: {told}",
        remedy="Convert the file to an uncompressed or JPEG 2000 syntax.",
    )


def check_pixel_data(path: Path, start: int, dataset: Dataset) -> None:
    """Check that the pixel data are present and complete, without reading them.

    Parameters
    ----------
    path : Path
    start : int
        Offset of the element after the header.
    dataset : Dataset
        The header.

    Raises
    ------
    PixelError
        There are no pixel data, or less than the header states.
    """
    syntax = syntax_of(dataset)
    with open(path, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(start)
        length = _pixel_length(
            handle, NATIVE.get(syntax, "<"), implicit=bool(dataset.original_encoding[0])
        )
        at = handle.tell()
        if length is None:
            raise PixelError(
                "the file has no PixelData (7FE0,0010)",
                remedy="Fetch the file again from the archive.",
            )
        if syntax in NATIVE:
            bits = whole(dataset, "BitsAllocated") or 0
            wanted = (whole(dataset, "Rows") or 0) * (whole(dataset, "Columns") or 0) * bits // 8
            there, whole_image = size - at, wanted <= min(length, size - at)
        else:
            there, whole_image = size - at, _fragments_are_whole(handle, at, size)
    if not whole_image:
        raise PixelError(
            f"the pixel data are truncated: {max(there, 0):,} bytes are available",
            remedy="Fetch the file again from the archive.",
        )


def _pixel_length(handle: BinaryIO, order: str, *, implicit: bool) -> int | None:
    """Read the head of the element with the pixels and return its length; None if it is another."""
    element = handle.read(12)
    if element[:4] != struct.pack(f"{order}HH", *_PIXEL_DATA) or len(element) < 12:
        return None
    if implicit:
        handle.seek(-4, os.SEEK_CUR)
        return int(struct.unpack("<I", element[4:8])[0])
    return int(struct.unpack(f"{order}I", element[8:12])[0])


def _fragments_are_whole(handle: BinaryIO, at: int, size: int) -> bool:
    """Walk the items of encapsulated pixel data (PS3.5 A.4) to their delimiter."""
    for _ in range(_MOST_FRAGMENTS):
        handle.seek(at)
        head = handle.read(8)
        if len(head) < 8:
            return False
        tag, length = struct.unpack("<4sI", head)
        at += 8 + length
        if tag == _SEQUENCE_DELIMITER:
            return True
        if tag != _ITEM or at > size:
            return False
    return False


def load_pixels(
    path: Path, greyscale: Greyscale, limits: Limits, place: PixelPlace | None = None
) -> RawImage:
    """Read the pixels of a single-frame image.

    Parameters
    ----------
    path : Path
    greyscale : Greyscale
        Greyscale from the header.
    limits : Limits
    place : PixelPlace, optional
        From the header. Without it, or if the file has changed, the file is parsed again.

    Returns
    -------
    RawImage
        Stored values, signed if the header says so. Bits above BitsStored (0028,0101) are removed,
        unless the pixels show that they are part of the values. ``warnings`` describes both cases.

    Raises
    ------
    PixelError
        Truncated or damaged data, colour, or a header that contradicts them.
    """
    data = None if place is None else _read_at(place, path, limits)
    if place is not None and data is not None:
        told = place.pixels
    else:
        with quiet_pydicom():
            dataset = read_dataset(path, limits, only=_WITH_PIXELS).dataset
            told = PixelFormat.of(dataset)
            data = _bytes(dataset, told.syntax)
    rows, columns = check_size(told.rows, told.columns, limits)
    if told.samples not in (None, 1):
        raise PixelError(
            f"SamplesPerPixel (0028,0002) is {told.samples}: a mammogram has one grey channel",
            remedy="Export the image in greyscale.",
        )
    allocated, stored, syntax = told.allocated, told.stored, told.syntax
    if allocated not in (8, 16) or stored is None or not 1 <= stored <= allocated:
        raise PixelError(
            f"BitsAllocated {allocated} and BitsStored {stored} are not those of a mammogram",
            remedy="8 or 16 allocated bits are supported.",
        )
    width = allocated // 8
    if syntax in NATIVE:
        wanted = rows * columns * width
        if len(data) < wanted:
            raise PixelError(
                f"the pixel data are truncated: {len(data):,} bytes of {wanted:,}",
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
            limits=limits,
        )
        if pixels.ndim == 3:
            raise PixelError("the compressed image is in colour", remedy="Export it in greyscale.")
    return stored_image(pixels, greyscale, high_bit=told.high, overlay_bits=told.overlays)


def _read_at(place: PixelPlace, path: Path, limits: Limits) -> bytes | None:
    file_size(path, limits)
    try:
        return place.read(path)
    except OSError:
        return None


def _bytes(dataset: Dataset, syntax: str) -> bytes:
    """Return the native pixel bytes, or the first compressed frame."""
    if "PixelData" not in dataset:
        raise PixelError(
            "the file has no PixelData (7FE0,0010)",
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
            remedy="Fetch the file again from the archive.",
        ) from None


def _overlay_bits(dataset: Dataset) -> int:
    """Return the mask of bits that contain overlays."""
    bits = 0
    for tag in _OVERLAY_BITS.intersection(dataset.keys()):
        try:
            element = dataset.get(tag)
            position = None if element is None else int(element.value)
        except PARSE_ERRORS:
            continue
        # Position 0 means that the overlay has its own data element.
        if position is not None and 0 < position < 16:
            bits |= 1 << position
    return bits
