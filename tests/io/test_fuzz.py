"""Mutated valid files: only house errors come out, nothing hangs, memory stays bounded.

The number of mutations can be raised: ``MAMMORISK_FUZZ=200000 pytest tests/io/test_fuzz.py``.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammorisk import read_exam
from mammorisk.errors import ExamError
from tests import factories as f
from tests.io.hostile import as_bytes, read_and_load, small

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


LENGTHS = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\1\0")


def mutate(data: bytes, rng: np.random.Generator, start: int) -> bytes:
    """A few changes: bytes, lengths, deletions, repetitions, a cut."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(start, len(out)))
        kind = rng.integers(6)
        if kind == 0:
            out[at] = int(rng.integers(256))
        elif kind == 1:
            out[at : at + 4] = rng.choice(
                [b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\1\0"]
            )
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


@pytest.mark.parametrize("name", SYNTAXES)
def test_mutated_headers(tmp_path: Path, name: str) -> None:
    data = bytes(as_bytes(small(SYNTAXES[name]), tmp_path))
    header = max(600, data.find(b"\xe0\x7f\x10\x00"))
    rng = np.random.default_rng([1, len(name)])
    path = tmp_path / "x.dcm"
    for _ in range(HEADERS // len(SYNTAXES)):
        path.write_bytes(mutate(data[:header] if rng.random() < 0.7 else data, rng, 128))
        with contextlib.suppress(ExamError):
            read_exam(path, allow_missing_views=True, allow_processing=True)


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
    encode = imagecodecs.png_encode if suffix == "png" else imagecodecs.tiff_encode
    try:
        data = encode(pixels)
    except NotImplementedError:
        import tifffile

        tifffile.imwrite(tmp_path / "made.tif", pixels, photometric="minisblack")
        data = (tmp_path / "made.tif").read_bytes()
    rng = np.random.default_rng(3)
    path = tmp_path / f"L-CC.{suffix}"
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
