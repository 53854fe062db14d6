"""What the hostile tests share: valid bytes to break, and one way to see what becomes of them."""

from __future__ import annotations

import resource
import struct
import sys
import time
from pathlib import Path

from pydicom.dataset import FileDataset

from mammorisk import read_exam
from mammorisk.io import Limits
from mammorisk.records.exam import Exam
from tests import factories as f

#: Far above what a small file needs, far below what a bomb asks for.
PEAK_BYTES = 150 * 2**20
#: Of processor time: a busy machine does not break it.
SECONDS = 5.0
LIMITS = Limits(decode_seconds=4.0, decode_memory_bytes=2**30, max_file_bytes=32 * 2**20)


def read_and_load(path: Path) -> Exam:
    """Read an exam and every pixel of it, within bounds on processor time and memory.

    The decoder's process has limits of its own, ``LIMITS``.
    """
    start, before = time.process_time(), peak_bytes()
    try:
        exam = read_exam(path, allow_missing_views=True, limits=LIMITS)
        for view in exam:
            image = view.load()
            assert image.pixels.shape == (view.rows, view.columns)
        return exam
    finally:
        seconds = time.process_time() - start
        grown = peak_bytes() - before
        assert seconds < SECONDS, f"took {seconds:.1f} s"
        assert grown < PEAK_BYTES, f"took {grown / 2**20:.0f} MB"


def peak_bytes() -> int:
    """Most memory this process ever held, codecs' own included; macOS counts in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def told(exam: Exam) -> str:
    """Everything an exam says of itself, for searching."""
    aside = [f"{item.source}: {item.reason}" for item in exam.set_aside]
    return "\n".join([*map(str, exam.all_warnings()), *aside])


def small(syntax: str = f.EXPLICIT, **options: object) -> FileDataset:
    """A valid L-CC of 2 KB of pixels."""
    bits = int(options.get("bits", 12))  # type: ignore[call-overload]
    pixels = f.breast_pixels(rows=40, columns=32, bits=bits)
    return f.mammogram(pixels=pixels, syntax=syntax, **options)


def as_bytes(dataset: FileDataset, folder: Path) -> bytearray:
    """A dataset as it is written to a file."""
    path = f.save(dataset, folder / "made" / "x")
    data = bytearray(path.read_bytes())
    path.unlink()
    path.parent.rmdir()
    return data


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """One element, explicit little endian; the length may lie."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    size = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF"):
        return head + struct.pack("<HI", 0, size) + value
    return head + struct.pack("<H", size) + value


def find(data: bytes | bytearray, tag: int) -> int:
    """Offset of an element of an explicit little-endian file."""
    at = data.find(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
    assert at > 0
    return at


def insert(data: bytearray, before: int, what: bytes) -> bytearray:
    """Bytes put in front of an element."""
    at = find(data, before)
    return data[:at] + what + data[at:]


def set_value(data: bytearray, tag: int, value: bytes) -> bytearray:
    """The value of a short element replaced by one of any length."""
    at = find(data, tag)
    vr = bytes(data[at + 4 : at + 6])
    old = struct.unpack("<H", data[at + 6 : at + 8])[0]
    return data[:at] + element(tag, vr, value) + data[at + 8 + old :]
