"""Mutated valid files: only house errors come out, nothing hangs, memory stays bounded.

The number of mutations can be raised: ``MAMMORISK_FUZZ=200000 pytest tests/io/test_fuzz.py``.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammorisk import read_exam
from mammorisk.errors import ExamError
from tests import factories as f
from tests.io.hostile import SECONDS, as_bytes, read_and_load, small

HEADERS = int(os.environ.get("MAMMORISK_FUZZ", "3600"))
DECODES = max(60, HEADERS // 20)

SYNTAXES = {
    "implicit": f.IMPLICIT,
    "explicit": f.EXPLICIT,
    "big endian": f.BIG_ENDIAN,
    "deflated": f.DEFLATED,
    "RLE": f.RLE,
    "JPEG lossless": f.JPEG_LOSSLESS_SV1,
    "JPEG-LS": f.JPEG_LS,
    "JPEG 2000": f.JPEG_2000,
    "HTJ2K": f.HTJ2K,
}


LENGTHS = [b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\1\0"]
VRS = [b"SQ", b"UN", b"OB", b"DS", b"US", b"UT", b"FD", b"AT", b"PN", b"\0\0"]
VALUES = [
    b"",
    b"\\\\\\",
    b"-1",
    b"1e999",
    b"\0" * 9,
    b"\xff" * 60,
    b"../../x",
    b"\xfe\xff\x00\xe0" * 4,
]


def mutate(data: bytes, rng: np.random.Generator, start: int) -> bytes:
    """A few changes: bytes, lengths, deletions, repetitions, a cut."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(start, len(out)))
        kind = rng.integers(6)
        if kind == 0:
            out[at] = int(rng.integers(256))
        elif kind == 1:
            out[at : at + 4] = LENGTHS[rng.integers(len(LENGTHS))]
        elif kind == 2:
            del out[at : at + int(rng.integers(1, 30))]
        elif kind == 3:
            piece = out[at : at + int(rng.integers(1, 60))]
            out[at:at] = piece * int(rng.integers(1, 4))
        elif kind == 4:
            other = int(rng.integers(start, len(out)))
            out[at : at + 8] = out[other : other + 8]
        elif len(out) > start + 100:
            del out[int(rng.integers(start + 50, len(out))) :]
        start = min(start, len(out) - 1)
    return bytes(out)


def mutate_elements(data: bytes, starts: list[int], rng: np.random.Generator) -> bytes:
    """A few elements with another VR, length or value, gone, or in twice; from back to front."""
    out = bytearray(data)
    for i in sorted(rng.choice(len(starts) - 1, size=3, replace=False), reverse=True):
        # Offsets of values: the length comes right before, the VR before it.
        at, following = starts[i], starts[i + 1]
        kind = rng.integers(5)
        if kind == 0:
            out[at - 4 : at - 2] = VRS[rng.integers(len(VRS))]
        elif kind == 1:
            out[at - 4 : at] = LENGTHS[rng.integers(len(LENGTHS))]
        elif kind == 2:
            value = VALUES[rng.integers(len(VALUES))]
            out[at : following - 8] = value
            out[at - 2 : at] = len(value).to_bytes(2, "little")
        elif kind == 3:
            del out[at - 8 : following - 8]
        else:
            out[at:at] = out[at - 8 : following - 8] * 3
    return bytes(out)


def value_offsets(data: bytes) -> list[int]:
    """Where the values of the top-level elements begin."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    raw = [dataset.get_item(tag) for tag in list(dataset.keys())]
    return [one.value_tell for one in raw if one is not None and one.value_tell]


@pytest.mark.parametrize("name", SYNTAXES)
def test_mutated_headers(tmp_path: Path, name: str) -> None:
    data = bytes(as_bytes(small(SYNTAXES[name]), tmp_path))
    header = max(600, data.find(b"\xe0\x7f\x10\x00"))
    rng = np.random.default_rng([1, len(name)])
    path = tmp_path / "x.dcm"
    starts = value_offsets(data) if name != "deflated" else []
    count = HEADERS // len(SYNTAXES)
    read = 0
    for i in range(count):
        if starts and i % 2:
            path.write_bytes(mutate_elements(data, starts, rng))
        else:
            path.write_bytes(mutate(data[:header] if rng.random() < 0.7 else data, rng, 128))
        start = time.process_time()
        with contextlib.suppress(ExamError):
            read_exam(path, allow_missing_views=True, allow_processing=True)
            read += 1
        assert time.process_time() - start < SECONDS
    # Mutations that were all refused, or all harmless, would test nothing.
    assert 0.02 * count < read < 0.98 * count


@pytest.mark.parametrize("name", SYNTAXES)
def test_mutated_pixel_data(tmp_path: Path, name: str) -> None:
    data = bytes(as_bytes(small(SYNTAXES[name]), tmp_path))
    start = max(132, data.find(b"\xe0\x7f\x10\x00"))
    rng = np.random.default_rng([2, len(name)])
    path = tmp_path / "x.dcm"
    for _ in range(DECODES // len(SYNTAXES)):
        path.write_bytes(mutate(data, rng, start))
        with contextlib.suppress(ExamError):
            read_and_load(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_mutated_pictures(tmp_path: Path, suffix: str) -> None:
    pixels = f.breast_pixels(rows=40, columns=32, bits=16)
    path = tmp_path / f"L-CC.{suffix}"
    if suffix == "png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        tifffile.imwrite(path, pixels, photometric="minisblack")
    data = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(DECODES // 2):
        path.write_bytes(mutate(data, rng, 4))
        with contextlib.suppress(ExamError):
            read_and_load(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.one_of(
        st.text(max_size=64),
        st.sampled_from(["../../etc/passwd", "a\0b", "CON", "..\\..\\x", "/abs", "~", "é" * 64]),
    )
)
def test_no_path_is_built_from_a_header(tmp_path: Path, text: str) -> None:
    dataset = small()
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesDescription", "ManufacturerModelName"):
        with contextlib.suppress(ValueError, TypeError):
            setattr(dataset, keyword, text)
    try:
        f.save(dataset, tmp_path / "in" / "x.dcm")
    except (ValueError, UnicodeError, TypeError):
        return
    before = sorted(tmp_path.rglob("*"))
    with contextlib.suppress(ExamError):
        for view in read_exam(tmp_path / "in", allow_missing_views=True):
            view.load()
    assert sorted(tmp_path.rglob("*")) == before
