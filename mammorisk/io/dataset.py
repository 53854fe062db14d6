"""A DICOM dataset, parsed and questioned without trusting a byte of it.

Everything pydicom raises on damaged input becomes a house error here, its warnings (which quote
values, so possibly identities) are silenced, and a value in the wrong form is None.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mammorisk.errors import TooLarge, UnreadableDicom, UnreadableFile
from mammorisk.io.limits import Limits

#: What pydicom lets escape on malformed input, found by mutating valid files.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    zlib.error,
    RecursionError,
    MemoryError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    AssertionError,
)

#: Sequences within sequences: structured reports reach about ten.
MAX_SEQUENCE_DEPTH = 64

# pydicom's validation mode, warnings and logger belong to the process, so one thread at a time.
_PYDICOM = threading.RLock()


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """pydicom neither warns nor logs in here: its messages quote values."""
    logger = logging.getLogger("pydicom")
    with _PYDICOM, warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        was_disabled, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = was_disabled


class _Clamped(io.RawIOBase):
    """A file whose reads never ask for more than is left, whatever length an element claims."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        return self._file.read(left if size is None or size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def file_size(path: Path, limits: Limits) -> int:
    """Size of a regular file in bytes.

    Raises
    ------
    UnreadableFile
        It cannot be opened.
    TooLarge
        It is larger than the limit.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableFile(
            f"the file cannot be opened ({error.strerror})", where=path.name
        ) from None
    if size > limits.max_file_bytes:
        raise TooLarge(
            f"the file has {size / 2**20:.0f} MB, more than the limit of "
            f"{limits.max_file_bytes / 2**20:.0f} MB",
            where=path.name,
            remedy="Pass limits=mr.Limits(max_file_bytes=...) if it is genuine.",
        )
    return size


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes are those of a DICOM file, with or without a preamble."""
    if head[128:132] == b"DICM":
        return True
    # Old files start at once with group 0002 or 0008, elements below 0x0100.
    return head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00"


class Parsed(NamedTuple):
    """A data set, and where its pixel data begin.

    Attributes
    ----------
    dataset : Dataset
    pixel_start : int or None
        Offset in the file of the element at which parsing stopped; None when the pixels were read
        too, or when the data set is deflated.
    """

    dataset: Dataset
    pixel_start: int | None


def read_dataset(path: Path, limits: Limits, *, pixels: bool = False) -> Parsed:
    """Parse a file; call inside :func:`quiet_pydicom`.

    Parameters
    ----------
    path : Path
    limits : Limits
    pixels : bool
        Read the pixel data too; otherwise stop before them.

    Returns
    -------
    Parsed

    Raises
    ------
    UnreadableDicom
        It cannot be parsed.
    TooLarge
        It inflates beyond the limit.
    """
    size = file_size(path, limits)
    try:
        with open(path, "rb") as handle:
            source: Any = _Clamped(handle, size)
            deflated = _is_deflated(source)
            if deflated:
                _check_inflated_size(source, path, limits)
            handle.seek(0)
            dataset = pydicom.dcmread(source, force=True, stop_before_pixels=not pixels)
            start = None if pixels or deflated else handle.tell()
            # Sequences are parsed on first sight: do it while errors are caught.
            _look_inside(dataset, 0)
    except PARSE_ERRORS as error:
        raise UnreadableDicom(
            f"the file cannot be parsed as DICOM ({type(error).__name__})",
            where=path.name,
            remedy="Fetch it again from the archive.",
        ) from None
    return Parsed(dataset, start)


def _look_inside(dataset: Dataset, depth: int) -> None:
    """Convert every element; drop those that cannot be, which then count as absent.

    Sequences of stated length are parsed level by level, in a time that grows with the square of
    the depth: nesting beyond any genuine file is given up on.
    """
    if depth > MAX_SEQUENCE_DEPTH:
        raise RecursionError
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except (RecursionError, MemoryError):
            raise
        except PARSE_ERRORS:
            del dataset[tag]
            continue
        if element.VR == "SQ":
            for item in element.value:
                _look_inside(item, depth + 1)


def _is_deflated(source: Any) -> bool:
    """Whether the data set is deflated; leaves the file at its start."""
    if source.read(132)[128:] != b"DICM":
        return False
    meta = pydicom.filereader.read_dataset(
        source, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2
    )
    return text(meta, "TransferSyntaxUID") == DeflatedExplicitVRLittleEndian


def _check_inflated_size(source: Any, path: Path, limits: Limits) -> None:
    """pydicom inflates a data set whole: see first what it comes to."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total, chunk = 0, source.read()
    while chunk:
        total += len(inflater.decompress(chunk, 2**22))
        if total > limits.max_file_bytes:
            raise TooLarge(
                f"the deflated data inflate beyond {limits.max_file_bytes / 2**20:.0f} MB",
                where=path.name,
                remedy="Pass limits=mr.Limits(max_file_bytes=...) if it is genuine.",
            )
        chunk = inflater.unconsumed_tail


# --- tolerant access; call inside quiet_pydicom --------------------------------------------------


def text(dataset: Dataset, keyword: str) -> str | None:
    """First value of an attribute as stripped text; None when absent, empty or unreadable."""
    values = texts(dataset, keyword)
    return values[0] if values and values[0] else None


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """All values as stripped text, empty ones included."""
    try:
        value = dataset.get(keyword)
    except PARSE_ERRORS:
        return []
    if value is None:
        return []
    many = value if isinstance(value, (list, tuple, pydicom.multival.MultiValue)) else [value]
    try:
        return [str(item).strip(" \0\t\r\n") for item in many]
    except PARSE_ERRORS:
        return []


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty when absent or not a sequence."""
    try:
        value = dataset.get(keyword)
    except PARSE_ERRORS:
        return []
    return list(value) if isinstance(value, pydicom.sequence.Sequence) else []


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """All finite values as floats, decimal commas and padding forgiven.

    Raises
    ------
    ValueError
        A value is there and is not a number.
    """
    tag = tag_for_keyword(keyword)
    assert tag is not None
    if tag not in dataset:
        return []
    element = dataset.get_item(tag)
    raw = element.value if element is not None else None
    kind = getattr(element, "VR", None) or dictionary_VR(tag)
    if isinstance(raw, bytes) and kind in ("DS", "IS"):
        raw = raw.decode("latin-1").split("\\")
    else:
        try:
            raw = dataset[tag].value
        except PARSE_ERRORS:
            raise ValueError(keyword) from None
    many = raw if isinstance(raw, (list, tuple, pydicom.multival.MultiValue)) else [raw]
    found = []
    for item in many:
        word = str(item).strip(" \0\t\r\n").replace(",", ".") if item is not None else ""
        if not word:
            continue
        value = float(word)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(keyword)
        found.append(value)
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    """First value as a float; None when absent, empty or not a number."""
    try:
        return next(iter(numbers(dataset, keyword)), None)
    except ValueError:
        return None


def whole(dataset: Dataset, keyword: str) -> int | None:
    """First value as an int; None when absent or not a whole number."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def yes_no(dataset: Dataset, keyword: str) -> bool | None:
    """YES or NO; None for anything else."""
    return {"YES": True, "NO": False}.get((text(dataset, keyword) or "").upper())
