"""Bits that the header denies are found by looking at the pixels, and never removed in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mammorisk.io.stored_bits import stored_image
from mammorisk.records.stored_image import Greyscale, RawImage
from tests import factories as f

PIXELS = f.breast_pixels(rows=120, columns=100)


def read(pixels: np.ndarray, high: int = 11, overlays: int = 0, **grey: Any) -> RawImage:
    greyscale = Greyscale(**{"bits_stored": 12, **grey})
    return stored_image(pixels, greyscale, high_bit=high, overlay_bits=overlays)


def texts(raw: RawImage) -> list[str]:
    assert {one.code for one in raw.warnings} <= {"pixels-contradict-header"}
    return [one.text for one in raw.warnings]


def test_a_sound_image_is_left_as_it_is() -> None:
    raw = read(PIXELS)
    assert texts(raw) == []
    np.testing.assert_array_equal(raw.pixels, PIXELS)


def test_left_aligned_values_are_shifted() -> None:
    raw = read(PIXELS << 4, high=15)
    assert texts(raw) == []
    np.testing.assert_array_equal(raw.pixels, PIXELS)


def test_right_aligned_values_under_a_high_bit_of_15() -> None:
    raw = read(PIXELS, high=15)
    assert "HighBit" in texts(raw)[0]
    np.testing.assert_array_equal(raw.pixels, PIXELS)


def test_values_beyond_the_stored_bits_are_kept() -> None:
    raw = read(PIXELS * 4)
    assert "all their bits were used" in texts(raw)[0]
    assert raw.greyscale.bits_stored == 14
    np.testing.assert_array_equal(raw.pixels, PIXELS * 4)


@pytest.mark.parametrize("overlays", [0, 1 << 13])
def test_overlays_above_the_values_are_removed_and_told(overlays: int) -> None:
    drawn = PIXELS.copy()
    drawn[10:40, 20:60] |= 1 << 13
    raw = read(drawn, overlays=overlays)
    assert "were removed" in texts(raw)[0]
    np.testing.assert_array_equal(raw.pixels, PIXELS)


def test_a_sign_that_is_extended_is_no_contradiction() -> None:
    signed = PIXELS.astype(np.int16) - 2000
    raw = read(signed.view(np.uint16), signed=True)
    assert texts(raw) == []
    np.testing.assert_array_equal(raw.pixels, signed)


def test_unsigned_values_said_to_be_signed() -> None:
    raw = read(PIXELS, signed=True)
    assert "read as unsigned" in texts(raw)[0]
    np.testing.assert_array_equal(raw.pixels, PIXELS)


@pytest.mark.parametrize(
    ("background", "written", "bits"), [(-32768, 32768, 16), (-2000, 63536, 16), (-2000, 2096, 12)]
)
def test_padding_written_with_the_other_sign(background: int, written: int, bits: int) -> None:
    signed = np.where(PIXELS > 0, PIXELS.astype(np.int16) // 4, background).astype(np.int16)
    raw = read(
        signed.view(np.uint16),
        high=bits - 1,
        bits_stored=bits,
        signed=True,
        padding=(written, written),
    )
    assert raw.greyscale.padding == (background, background)
    assert "PixelPaddingValue" in texts(raw)[0]
