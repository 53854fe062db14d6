"""Parsing of DICOM files with limits on time and memory for any content.

Exceptions of pydicom on damaged input are converted to errors of this package.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mammorisk.errors import TooLarge, UnreadableDicom
from mammorisk.io.dataset import PARSE_ERRORS, text
from mammorisk.io.limits import Limits, file_size

#: Largest depth of nested sequences. Structured reports have about ten levels.
MAX_SEQUENCE_DEPTH = 64

#: Largest number of reads. pydicom needs two or three reads and about 10 microseconds for an
#: element. A mammogram has a few hundred elements, a tomosynthesis object about ten thousand.
MAX_READS = 300_000

#: Largest number of bytes of values that become Python objects, which need much more memory. A
#: mammogram has about ten thousand. Binary values such as pixels and overlays are not counted,
#: unless they are short.
MAX_VALUE_BYTES = 4 * 2**20

#: Bytes up to which a value is counted without looking up its kind.
_SHORT = 64

#: Binary value representations, as written in the dictionary of pydicom.
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "OB or OW", "US or OW"})


class _Clamped(io.RawIOBase):
    """File whose reads are limited to the rest of the file, whatever length an element states.

    The number of reads is limited too: parsing a file of many empty elements would take minutes and
    many times its size in memory.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        # The position is kept here, because asking the file for it takes longer than most reads.
        self._at = file.tell()
        self._reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self._reads += 1
        if self._reads > MAX_READS:
            raise TooLarge(
                "the file has more elements than any mammogram",
                remedy="Fetch it again from the archive.",
            )
        left = max(0, self._size - self._at)
        found = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = self._file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file with these first 132 bytes may be DICOM, with or without a preamble."""
    if head[128:132] == b"DICM":
        return True
    # Old files without a preamble start with group 0002 or 0008 and an element below 0x0100.
    return head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00"


class Parsed(NamedTuple):
    """A data set, and the position of its pixel data.

    Attributes
    ----------
    dataset : Dataset
    pixel_start : int or None
        Offset of the element at which parsing stopped. None if only some elements were read, or if
        the data set is deflated.
    """

    dataset: Dataset
    pixel_start: int | None


def read_dataset(path: Path, limits: Limits, *, only: Sequence[int] = ()) -> Parsed:
    """Parse a file; call inside :func:`quiet_pydicom`.

    Parameters
    ----------
    path : Path
    limits : Limits
    only : sequence of int
        Tags of the elements to read, which may include the pixel data. Default: all elements before
        the pixel data.

    Returns
    -------
    Parsed

    Raises
    ------
    UnreadableDicom
        The file cannot be parsed.
    TooLarge
        The inflated data exceed the limit, or there are more elements or values than in any
        mammogram.
    """
    size = file_size(path, limits)
    try:
        with open(path, "rb") as handle:
            source: Any = _Clamped(handle, size)
            meta = _deflated_meta(source)
            if meta is not None:
                dataset = _read_deflated(source, meta, limits, only)
                start = None
            else:
                source.seek(0)
                dataset = pydicom.dcmread(
                    source,
                    force=True,
                    stop_before_pixels=not only,
                    specific_tags=list(only) or None,
                )
                start = None if only else handle.tell()
            # Sequences are parsed at the first access: do this here, where errors are caught.
            _look_inside(dataset, 0, MAX_VALUE_BYTES)
    except PARSE_ERRORS as error:
        raise UnreadableDicom(
            f"the file cannot be parsed as DICOM ({type(error).__name__})",
            remedy="Fetch it again from the archive.",
        ) from None
    return Parsed(dataset, start)


def _look_inside(dataset: Dataset, depth: int, left: int) -> int:
    """Convert every element. Elements that cannot be converted are removed and count as absent.

    Private elements are removed without conversion, because none is used. The time to parse nested
    sequences of defined length grows with the square of the depth, so deeper nesting than in any
    genuine file is not parsed.

    Returns
    -------
    int
        Number of bytes of values that may still be converted.
    """
    if depth > MAX_SEQUENCE_DEPTH:
        raise RecursionError
    for tag in list(dataset.keys()):
        if tag.is_private:
            del dataset[tag]
            continue
        left -= _convertible_bytes(dataset, tag)
        if left < 0:
            raise TooLarge(
                f"the header has more than {MAX_VALUE_BYTES / 2**20:.0f} MB of values",
                remedy="Fetch it again from the archive.",
            )
        try:
            element = dataset[tag]
        except (RecursionError, MemoryError):
            raise
        except PARSE_ERRORS:
            del dataset[tag]
            continue
        if element.VR == "SQ":
            for item in element.value:
                left = _look_inside(item, depth + 1, left)
    return left


def _convertible_bytes(dataset: Dataset, tag: BaseTag) -> int:
    raw = dataset.get_item(tag)
    if raw is None or not isinstance(raw.value, bytes):
        return 0
    if len(raw.value) <= _SHORT:
        return len(raw.value)
    # pydicom converts UN to the VR in its dictionary.
    kind = dictionary_VR(tag) if dictionary_has_tag(tag) else raw.VR
    return 0 if kind is None or kind in _BINARY else len(raw.value)


def _deflated_meta(source: Any) -> FileMetaDataset | None:
    """Read the file meta information of a deflated file; None for other files."""
    if source.read(132)[128:] != b"DICM":
        return None
    meta = pydicom.filereader.read_dataset(
        source, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2
    )
    if text(meta, "TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return None
    return FileMetaDataset(meta)


def _read_deflated(
    source: Any, meta: FileMetaDataset, limits: Limits, only: Sequence[int]
) -> FileDataset:
    """Read a deflated data set with a limit. pydicom would inflate it without one."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated, chunk = bytearray(), source.read()
    while chunk:
        inflated += inflater.decompress(chunk, 2**22)
        if len(inflated) > limits.max_file_bytes:
            raise TooLarge(
                f"the deflated data inflate beyond {limits.max_file_bytes / 2**20:.0f} MB",
                remedy="Pass limits=mr.Limits(max_file_bytes=...) if it is genuine.",
            )
        chunk = inflater.unconsumed_tail
    if not inflater.eof:
        raise EOFError
    dataset = pydicom.filereader.read_dataset(
        _Clamped(io.BytesIO(inflated), len(inflated)),  # type: ignore[arg-type]
        False,
        True,
        stop_when=None if only else lambda tag, vr, length: tag >> 16 == 0x7FE0,
        specific_tags=[BaseTag(tag) for tag in only] or None,
    )
    return FileDataset(None, dataset, file_meta=meta, is_implicit_VR=False)  # type: ignore[arg-type]
