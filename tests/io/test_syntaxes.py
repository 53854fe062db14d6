"""One test a transfer syntax, on files written here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder

from mammorisk import read_exam
from mammorisk.io import Limits
from tests import factories as f


def load(path: Path) -> np.ndarray:
    exam = read_exam(path, allow_missing_views=True)
    return exam["L-CC"].load().pixels


@pytest.mark.parametrize(
    "syntax",
    [
        f.IMPLICIT,
        f.EXPLICIT,
        f.BIG_ENDIAN,
        f.DEFLATED,
        f.RLE,
        f.JPEG_LOSSLESS,
        f.JPEG_LOSSLESS_SV1,
        f.JPEG_LS,
        f.JPEG_2000,
        f.HTJ2K,
        f.HTJ2K_RPCL,
        f.DEFLATED_FRAME,
    ],
    ids=lambda uid: pydicom.uid.UID(uid).name,
)
def test_lossless_syntaxes_are_bit_exact(tmp_path: Path, syntax: str) -> None:
    pixels = f.breast_pixels()
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels, syntax=syntax)
    np.testing.assert_array_equal(load(path), pixels)


@pytest.mark.parametrize(
    ("syntax", "bits", "tolerance"),
    [
        (f.JPEG_8, 8, 12),
        (f.JPEG_12, 12, 60),
        (f.JPEG_LS_NEAR, 12, 2),
        (f.JPEG_2000_LOSSY, 12, 60),
        (f.HTJ2K_LOSSY, 12, 120),
    ],
    ids=["JPEG baseline", "JPEG extended 12 bit", "JPEG-LS near-lossless", "JPEG 2000", "HTJ2K"],
)
def test_lossy_syntaxes_are_close(tmp_path: Path, syntax: str, bits: int, tolerance: int) -> None:
    pixels = f.breast_pixels(bits=bits)
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels, syntax=syntax, bits=bits)
    difference = np.abs(load(path).astype(int) - pixels.astype(int))
    assert difference.max() <= tolerance
    assert difference.mean() <= tolerance / 2


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg_with_any_predictor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predictor: int, bits: int
) -> None:
    pixels = f.breast_pixels(rows=61, columns=47, bits=bits)

    def encode(image: np.ndarray, bits: int) -> bytes:
        return imagecodecs.jpeg8_encode(
            image, lossless=True, predictor=predictor, bitspersample=bits
        )

    monkeypatch.setitem(f.ENCODERS, f.JPEG_LOSSLESS, encode)
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels, syntax=f.JPEG_LOSSLESS, bits=bits)
    np.testing.assert_array_equal(load(path), pixels)


@pytest.mark.parametrize(
    ("syntax", "bits", "plugin"),
    [
        (f.RLE, 12, "pydicom"),
        (f.RLE, 8, "pydicom"),
        (f.JPEG_2000, 12, "pillow"),
        (f.JPEG_2000_LOSSY, 12, "pillow"),
        (f.JPEG_8, 8, "pillow"),
    ],
)
def test_pydicoms_decoders_agree(tmp_path: Path, syntax: str, bits: int, plugin: str) -> None:
    path = f.write_view(tmp_path / "a.dcm", syntax=syntax, bits=bits)
    decoder = get_decoder(pydicom.uid.UID(syntax))
    theirs, _ = decoder.as_array(pydicom.dcmread(path), raw=True, decoding_plugin=plugin)
    np.testing.assert_array_equal(load(path), theirs)


@pytest.mark.parametrize(
    ("syntax", "decode"),
    [
        # Each is another library than the one that mammorisk decodes with.
        (f.JPEG_LOSSLESS_SV1, imagecodecs.ljpeg_decode),
        (f.HTJ2K, imagecodecs.htj2k_decode),
    ],
)
def test_other_libraries_agree(
    tmp_path: Path, syntax: str, decode: Callable[[bytes], np.ndarray]
) -> None:
    path = f.write_view(tmp_path / "a.dcm", syntax=syntax)
    frame = next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))
    np.testing.assert_array_equal(load(path), decode(frame))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("syntax", [f.EXPLICIT, f.JPEG_2000, f.RLE])
def test_depths(tmp_path: Path, bits: int, syntax: str) -> None:
    pixels = f.breast_pixels(bits=bits)
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels, bits=bits, syntax=syntax)
    np.testing.assert_array_equal(load(path), pixels)
    exam = read_exam(path, allow_missing_views=True)
    assert exam["L-CC"].load().greyscale.bits_stored == bits


@pytest.mark.parametrize("syntax", [f.EXPLICIT, f.BIG_ENDIAN, f.RLE])
def test_signed_pixels(tmp_path: Path, syntax: str) -> None:
    pixels = np.minimum(f.breast_pixels().astype(np.int16) - 1500, 2047)
    if syntax == f.RLE:
        stored = pixels.view(np.uint16)
        path = f.write_view(tmp_path / "a.dcm", pixels=stored, syntax=syntax, PixelRepresentation=1)
    else:
        path = f.write_view(tmp_path / "a.dcm", pixels=pixels, syntax=syntax, bits=12)
    got = load(path)
    np.testing.assert_array_equal(got, pixels)
    assert got.min() == -1500


def test_bits_above_the_stored_ones_are_removed(tmp_path: Path) -> None:
    pixels = f.breast_pixels()
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels | 0xF000, bits=12)
    np.testing.assert_array_equal(load(path), pixels)


def test_left_aligned_bits(tmp_path: Path) -> None:
    pixels = f.breast_pixels()
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels << 4, bits=12, HighBit=15)
    np.testing.assert_array_equal(load(path), pixels)


def test_a_codec_over_its_limits_is_stopped_and_the_next_image_is_read(tmp_path: Path) -> None:
    from mammorisk.errors import PixelError

    # Large enough that no machine decodes it in a millisecond.
    pixels = np.tile(f.breast_pixels(), (8, 8))
    path = f.write_view(tmp_path / "a.dcm", pixels=pixels, syntax=f.JPEG_2000)
    hasty = Limits(decode_seconds=0.001)
    view = read_exam(path, allow_missing_views=True, limits=hasty)["L-CC"]
    with pytest.raises(PixelError, match="longer than"):
        view.load()
    cramped = Limits(decode_memory_bytes=2**20)
    view = read_exam(path, allow_missing_views=True, limits=cramped)["L-CC"]
    with pytest.raises(PixelError):
        view.load()
    np.testing.assert_array_equal(load(path), pixels)
