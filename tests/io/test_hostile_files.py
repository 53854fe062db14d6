"""A catalogue of malformed pictures and of odd things found in folders."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
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


def entry(tag: int, value: int, count: int = 1) -> Write:
    """A TIFF with another value in one entry of its directory."""

    def write(path: Path) -> None:
        tifffile.imwrite(path, PIXELS, photometric="minisblack", byteorder="<")
        data = bytearray(path.read_bytes())
        start = struct.unpack("<I", data[4:8])[0]
        tags = [
            struct.unpack("<H", data[at : at + 2])[0]
            for at in range(start + 2, start + 2 + 12 * data[start], 12)
        ]
        at = start + 2 + 12 * tags.index(tag)
        data[at + 2 : at + 12] = struct.pack("<HII", 4, count, value)
        path.write_bytes(bytes(data))

    return write


def many_directories() -> bytes:
    """A chain of empty TIFF directories of 6 bytes each."""
    chain = np.zeros(2_000_000, dtype=[("entries", "<u2"), ("next", "<u4")])
    chain["next"][:-1] = 8 + 6 * np.arange(1, len(chain))
    return b"II*\0" + struct.pack("<I", 8) + chain.tobytes()


def interlaced(path: Path) -> None:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
    rows = [
        b"\0" + row.astype(">u2").tobytes()
        for top, left, down, across in [*passes, (0, 1, 2, 2), (1, 0, 2, 1)]
        for row in PIXELS[top::down, left::across]
    ]
    head = struct.pack(">IIBBBBB", PIXELS.shape[1], PIXELS.shape[0], 16, 0, 0, 0, 1)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))


def animated() -> bytes:
    data = imagecodecs.png_encode(PIXELS)
    frame = struct.pack(">IIIIIHHBB", 0, PIXELS.shape[1], PIXELS.shape[0], 0, 0, 1, 1, 0, 0)
    extra = chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", frame)
    return data[:33] + extra + data[33:]


def commented() -> bytes:
    data = imagecodecs.png_encode(PIXELS)
    return data[:33] + chunk(b"zTXt", b"a\0\0" + zeros_packed(300 * 2**20)) + data[33:]


def zeros_packed(size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join(parts) + packer.flush()


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
    "JPEG without a frame": (
        "jpg",
        bytes_of(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"\0" * 30),
        UnreadableFile,
    ),
    "JPEG XL": ("jxl", bytes_of(b"\xff\x0a" + b"\0" * 200), NoImages),
    "text named PNG": ("png", bytes_of(b"not a picture"), NoImages),
    "empty PNG": ("png", bytes_of(b""), UnreadableFile),
    "TIFF signature alone": ("tif", bytes_of(b"II*\0"), UnreadableFile),
    "TIFF that points beyond its end": ("tif", bytes_of(b"II*\0" + b"\xff" * 4), UnreadableFile),
    "PNG with two headers": (
        "png",
        bytes_of(png()[:33] + png(rows=60000, columns=60000)[8:]),
        PixelError,
    ),
    "TIFF whose directory points to itself": ("tif", cyclic_tiff, PixelError),
    "TIFF with 2 million empty directories": ("tif", bytes_of(many_directories()), UnreadableFile),
    "TIFF that claims 4 billion columns": ("tif", entry(256, 2**32 - 1), TooLarge),
    "TIFF that claims 60000 columns": ("tif", entry(256, 60_000), PixelError),
    "TIFF of two widths": ("tif", entry(256, 8, count=2), UnreadableFile),
    "TIFF of no rows": ("tif", entry(257, 0), PixelError),
    "TIFF of 64 bits": ("tif", entry(258, 64), PixelError),
    "TIFF of 60000 channels": ("tif", entry(277, 60_000), PixelError),
    "TIFF whose strip lies beyond its end": ("tif", entry(273, 2**32 - 2), PixelError),
    "TIFF that claims to hold a JPEG": ("tif", entry(259, 7), PixelError),
    "TIFF with a palette": (
        "tif",
        tiff(PIXELS.astype(np.uint8), photometric="palette", colormap=np.zeros((3, 256), "u2")),
        PixelError,
    ),
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


READ_PICTURES = {
    "PNG, interlaced": ("png", interlaced),
    "PNG, animated": ("png", bytes_of(animated())),
    "PNG with 300 MB of comment": ("png", bytes_of(commented())),
    "PNG of grey in three channels": (
        "png",
        bytes_of(imagecodecs.png_encode(np.dstack([PIXELS] * 3))),
    ),
    "TIFF whose strip claims 4 GB": ("tif", entry(279, 2**32 - 1)),
    "TIFF of one strip of 4 billion rows": ("tif", entry(278, 2**32 - 1)),
}


@pytest.mark.parametrize(("suffix", "write", "error"), PICTURES.values(), ids=PICTURES.keys())
def test_pictures(tmp_path: Path, suffix: str, write: Write, error: type[ExamError]) -> None:
    path = tmp_path / f"L-CC.{suffix}"
    write(path)
    with pytest.raises(error) as caught:
        read_and_load(tmp_path)
    assert path.name not in str(caught.value)
    assert caught.value.source in (path.name, None)


@pytest.mark.parametrize(("suffix", "write"), READ_PICTURES.values(), ids=READ_PICTURES.keys())
def test_odd_pictures_are_read(tmp_path: Path, suffix: str, write: Write) -> None:
    write(tmp_path / f"L-CC.{suffix}")
    np.testing.assert_array_equal(read_and_load(tmp_path)["L-CC"].load().pixels, PIXELS)


def test_a_picture_whose_data_inflate_beyond_its_size(tmp_path: Path) -> None:
    (tmp_path / "L-CC.png").write_bytes(png(data=zeros_packed(100 * 2**20)))
    assert not read_and_load(tmp_path)["L-CC"].load().pixels.any()


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
    assert "linked-folder: a link to a folder, not followed" in told(exam)


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
    outside = f.write_view(tmp_path / "outside.dcm", "R", "MLO")
    (folder / "RMLO.dcm").unlink()
    directory = f.mammogram(SOPClassUID="1.2.840.10008.1.3.10", Modality=None)
    record = pydicom.Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["..", outside.name]
    directory.DirectoryRecordSequence = [record]
    f.save(directory, folder / "DICOMDIR")
    with pytest.raises(ExamError):
        read_exam(folder)
    assert read_exam(folder, allow_missing_views=True).missing == ("R-MLO",)


def test_companions_do_no_harm(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0" * 10)
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf" * 10)
    (folder / "woman.json").write_text("{}")
    exam = read_exam(folder)
    assert exam.all_warnings() == ()
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
    for _ in range(2):
        with pytest.raises(ExamError, match=r"^L-CC: ") as caught:
            exam["L-CC"].load()
        assert caught.value.source == "x.dcm"
        path.unlink(missing_ok=True)


def test_a_picture_that_goes_between_header_and_pixels(tmp_path: Path) -> None:
    path = tmp_path / "L-CC.png"
    path.write_bytes(imagecodecs.png_encode(PIXELS))
    view = read_exam(tmp_path, allow_missing_views=True)["L-CC"]
    path.unlink()
    with pytest.raises(UnreadableFile, match="L-CC"):
        view.load()


def test_a_tiff_in_which_zero_is_white(tmp_path: Path) -> None:
    for name, photometric in (("L-CC", "minisblack"), ("R-CC", "miniswhite")):
        tifffile.imwrite(tmp_path / f"{name}.tif", PIXELS, photometric=photometric)
    exam = read_exam(tmp_path, allow_missing_views=True)
    assert [exam[name].load().greyscale.inverted for name in ("L-CC", "R-CC")] == [False, True]
