"""A catalogue of malformed pictures and of odd things found in folders."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from mammorisk import read_exam
from mammorisk.errors import ExamError, NoImages, PixelError, TooLarge, UnreadableFile
from mammorisk.io import Limits
from tests import factories as f
from tests.io.hostile import LIMITS, read_and_load, told

PIXELS = f.breast_pixels(rows=40, columns=32, bits=16)
Write = Callable[[Path], object]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    *, rows: int = 8, columns: int = 8, bits: int = 16, colour: int = 0, data: bytes | None = None
) -> bytes:
    body = zlib.compress(bytes(rows * (1 + columns * bits // 8))) if data is None else data
    head = struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def spoilt(at: int, value: bytes) -> Write:
    def write(path: Path) -> None:
        data = bytearray(imagecodecs.png_encode(PIXELS))
        data[at : at + len(value)] = value
        path.write_bytes(bytes(data))

    return write


def bytes_of(data: bytes) -> Write:
    return lambda path: path.write_bytes(data)


def tiff(array: np.ndarray, **options: object) -> Write:
    return lambda path: tifffile.imwrite(path, array, **options)  # type: ignore[arg-type]


def cyclic_tiff(path: Path) -> None:
    tifffile.imwrite(path, PIXELS, photometric="minisblack", byteorder="<")
    data = bytearray(path.read_bytes())
    start = struct.unpack("<I", data[4:8])[0]
    entries = struct.unpack("<H", data[start : start + 2])[0]
    data[start + 2 + 12 * entries : start + 6 + 12 * entries] = struct.pack("<I", start)
    path.write_bytes(bytes(data))


PICTURES = {
    "PNG cut in its header": ("png", bytes_of(png()[:20]), UnreadableFile),
    "PNG signature alone": ("png", bytes_of(png()[:8]), UnreadableFile),
    "PNG without IHDR": ("png", spoilt(12, b"JUNK"), UnreadableFile),
    "PNG with a wrong checksum": ("png", spoilt(29, b"\0\0\0\0"), PixelError),
    "PNG cut in its data": ("png", bytes_of(imagecodecs.png_encode(PIXELS)[:200]), PixelError),
    "PNG of garbage data": ("png", bytes_of(png(data=b"garbage" * 9)), PixelError),
    "PNG with too little data": ("png", bytes_of(png(data=zlib.compress(b"\0" * 9))), PixelError),
    "PNG bomb of 60000 x 60000": (
        "png",
        bytes_of(png(rows=60000, columns=60000, data=b"")),
        TooLarge,
    ),
    "PNG of no pixels": ("png", bytes_of(png(rows=0, data=b"")), PixelError),
    "PNG of 2 billion columns": ("png", bytes_of(png(columns=2**31 - 1, data=b"")), TooLarge),
    "PNG with a palette": ("png", bytes_of(png(bits=8, colour=3)), PixelError),
    "PNG of 1 bit": ("png", bytes_of(png(bits=1)), PixelError),
    "PNG of an unknown colour type": ("png", bytes_of(png(colour=5)), PixelError),
    "JPEG named PNG": ("png", bytes_of(imagecodecs.jpeg_encode(PIXELS.astype(np.uint8))), NoImages),
    "text named PNG": ("png", bytes_of(b"not a picture"), NoImages),
    "empty PNG": ("png", bytes_of(b""), UnreadableFile),
    "TIFF signature alone": ("tif", bytes_of(b"II*\0"), UnreadableFile),
    "TIFF that points beyond its end": ("tif", bytes_of(b"II*\0" + b"\xff" * 4), UnreadableFile),
    "TIFF whose directory points to itself": ("tif", cyclic_tiff, None),
    "TIFF of floats": ("tif", tiff(PIXELS.astype(np.float32)), PixelError),
    "TIFF of signed values": ("tif", tiff(PIXELS.astype(np.int16)), PixelError),
    "TIFF of 32 bits": ("tif", tiff(PIXELS.astype(np.uint32)), PixelError),
    "TIFF of two pages": (
        "tif",
        tiff(np.stack([PIXELS, PIXELS]), photometric="minisblack"),
        PixelError,
    ),
    "TIFF in planar colour": (
        "tif",
        tiff(np.stack([PIXELS, PIXELS // 2, PIXELS]), photometric="rgb", planarconfig="separate"),
        PixelError,
    ),
}


@pytest.mark.parametrize(("suffix", "write", "error"), PICTURES.values(), ids=PICTURES.keys())
def test_pictures(tmp_path: Path, suffix: str, write: Write, error: type[ExamError] | None) -> None:
    path = tmp_path / f"L-CC.{suffix}"
    write(path)
    if error is None:
        # Read or refused, but within bounds on time and memory.
        with contextlib.suppress(ExamError):
            read_and_load(tmp_path)
        return
    with pytest.raises(error, match=re.escape(path.name)):
        read_and_load(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return f.write_exam(tmp_path / "exam")


def test_what_is_not_a_regular_file(folder: Path) -> None:
    os.mkfifo(folder / "fifo.dcm")
    (folder / "folder.dcm").mkdir()
    (folder / "loop.dcm").symlink_to(folder / "loop.dcm")
    (folder / "nowhere.dcm").symlink_to(folder / "gone.dcm")
    (folder / "device.dcm").symlink_to("/dev/zero")
    exam = read_exam(folder)
    aside = told(exam)
    assert len(exam) == 4
    assert "fifo.dcm: not a regular file" in aside
    for name in ("loop.dcm", "nowhere.dcm", "device.dcm"):
        assert f"{name}: a link" in aside


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = f.write_view(tmp_path / "secret" / "other.dcm", PatientID="other")
    (folder / "link.dcm").symlink_to(outside)
    (folder / "linked-folder").symlink_to(outside.parent)
    exam = read_exam(folder)
    assert len(exam) == 4
    assert "link.dcm: a link out of the folder, not followed" in told(exam)


def test_a_loop_of_folders_ends(folder: Path) -> None:
    (folder / "again").symlink_to(folder)
    assert len(read_exam(folder)) == 4


def test_folders_too_deep_or_too_full(folder: Path) -> None:
    deep = folder.joinpath(*["d"] * 8)
    deep.mkdir(parents=True)
    f.write_view(deep / "x.dcm", PatientID="another")
    assert len(read_exam(folder)) == 4
    with pytest.raises(TooLarge, match="more than 3 files"):
        read_exam(folder, limits=Limits(max_files=3))


def test_a_dicomdir_is_never_followed(folder: Path, tmp_path: Path) -> None:
    outside = f.write_view(tmp_path / "outside.dcm", PatientID="another")
    directory = f.mammogram(SOPClassUID="1.2.840.10008.1.3.10", ImageComments=f"..\\{outside.name}")
    f.save(directory, folder / "DICOMDIR")
    assert len(read_exam(folder)) == 4


def test_companions_do_no_harm(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0" * 10)
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf" * 10)
    (folder / "woman.json").write_text("{}")
    exam = read_exam(folder)
    assert exam.flags == ()
    assert {item.reason for item in exam.set_aside} == {"not an image file"}


def test_a_file_over_the_size_limit(folder: Path) -> None:
    with pytest.raises(TooLarge, match="MB"):
        read_exam(folder, limits=Limits(max_file_bytes=1000))


def test_a_sparse_file_that_claims_a_terabyte(tmp_path: Path) -> None:
    path = f.write_view(tmp_path / "x.dcm")
    os.truncate(path, 2**40)
    with pytest.raises(TooLarge):
        read_exam(tmp_path, allow_missing_views=True, limits=LIMITS)


@pytest.mark.parametrize("name", ["LPT1", "con", "x..dcm", "a\nb.dcm", "é中.dcm", "x" * 200])
def test_odd_names(folder: Path, name: str) -> None:
    (folder / "LCC.dcm").rename(folder / name)
    exam = read_exam(folder)
    assert exam["L-CC"].source == name


def test_a_file_that_shrinks_between_header_and_pixels(tmp_path: Path) -> None:
    path = f.write_view(tmp_path / "x.dcm")
    exam = read_exam(tmp_path, allow_missing_views=True)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ExamError, match=r"x\.dcm"):
        exam["L-CC"].load()
    path.unlink()
    with pytest.raises(ExamError, match=r"x\.dcm"):
        exam["L-CC"].load()
