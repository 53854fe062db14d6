"""PNG and TIFF: every grey level survives, and the name tells the view."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from mammorisk import read_exam
from mammorisk.errors import PixelError, TooLarge, UnknownView
from tests import factories as f


def write_png(path: Path, pixels: np.ndarray) -> Path:
    path.write_bytes(imagecodecs.png_encode(pixels))
    return path


def test_sixteen_bits_do_not_wrap(tmp_path: Path) -> None:
    pixels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for name in ("R-CC", "LCC", "right_mlo", "L.MLO"):
        write_png(tmp_path / f"{name}.png", pixels)
    exam = read_exam(tmp_path)
    assert len(exam) == 4
    np.testing.assert_array_equal(exam["R-MLO"].load().pixels, pixels)
    assert exam["R-MLO"].pixel_mm is None
    assert "spacing-unknown" in {told.code for told in exam["R-MLO"].warnings}
    assert read_exam(tmp_path, pixel_mm=0.07)["R-MLO"].pixel_mm == 0.07


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff(tmp_path: Path, order: str) -> None:
    pixels = f.breast_pixels(bits=16)
    tifffile.imwrite(
        tmp_path / "L-CC.tif", pixels, byteorder=order, compression="zlib", photometric="minisblack"
    )
    exam = read_exam(tmp_path, allow_missing_views=True)
    np.testing.assert_array_equal(exam["L-CC"].load().pixels, pixels)


def test_eight_bits_are_warned_of(tmp_path: Path) -> None:
    write_png(tmp_path / "L-CC.png", f.breast_pixels(bits=8))
    (view,) = read_exam(tmp_path, allow_missing_views=True)
    assert "eight-bit" in {told.code for told in view.warnings}
    assert view.load().pixels.dtype == np.uint8


def test_grey_in_three_channels_and_colour(tmp_path: Path) -> None:
    grey = f.breast_pixels(bits=8)
    write_png(tmp_path / "L-CC.png", np.repeat(grey[..., None], 3, axis=2))
    view = read_exam(tmp_path, allow_missing_views=True)["L-CC"]
    np.testing.assert_array_equal(view.load().pixels, grey)
    colour = np.repeat(grey[..., None], 3, axis=2).copy()
    colour[100:120, 20:40, 0] ^= 40
    write_png(tmp_path / "L-CC.png", colour)
    with pytest.raises(PixelError, match="colour"):
        read_exam(tmp_path, allow_missing_views=True)["L-CC"].load()


def test_a_name_without_view(tmp_path: Path) -> None:
    path = write_png(tmp_path / "image1.png", f.breast_pixels(bits=16))
    with pytest.raises(UnknownView, match=r"Name it like L-CC\.png"):
        read_exam(tmp_path, allow_missing_views=True)
    assert "L-CC" in read_exam({"L-CC": path}, allow_missing_views=True).views


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    data = bytearray(imagecodecs.png_encode(np.zeros((8, 8), np.uint16)))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "L-CC.png").write_bytes(bytes(data))
    with pytest.raises(TooLarge, match="60000 x 60000"):
        read_exam(tmp_path, allow_missing_views=True)
    tifffile.imwrite(tmp_path / "R-CC.tif", shape=(9000, 9000), dtype=np.uint16)
    (tmp_path / "L-CC.png").unlink()
    with pytest.raises(TooLarge, match="9000 x 9000"):
        read_exam(tmp_path, allow_missing_views=True)


def test_several_pages(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "L-CC.tif", np.zeros((3, 50, 40), np.uint16), photometric="minisblack"
    )
    with pytest.raises(PixelError, match="several images"):
        read_exam(tmp_path, allow_missing_views=True)
