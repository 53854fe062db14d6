"""Pixels for Mammo-CLIP, on images whose result can be told without the program."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.errors import PixelError
from mammorisk.imaging.mammo_clip_pixels import (
    MEAN,
    SD,
    crop_to_breast,
    mammo_clip_bytes,
    normalise,
    resize,
)
from mammorisk.records.stored_image import Greyscale, RawImage


def raw(pixels: np.ndarray, **greyscale: object) -> RawImage:
    return RawImage(pixels=pixels, greyscale=Greyscale(bits_stored=12, **greyscale))  # type: ignore[arg-type]


def inside(values: list[list[int]]) -> np.ndarray:
    """An image whose edge of five pixels holds values that must not be used."""
    return np.pad(np.array(values, dtype=np.uint16), 5, constant_values=4095)


def test_range_is_truncated_to_bytes() -> None:
    image = inside([[100, 101, 600], [1099, 1100, 350]])
    # (value - 100) / 1000 * 255, truncated
    expected = [[0, 0, 127], [254, 255, 63]]
    assert mammo_clip_bytes(raw(image)).tolist() == expected
    assert mammo_clip_bytes(raw(image, slope=2.0, intercept=-50.0)).tolist() == expected
    inverted = [[255, 254, 127], [0, 0, 191]]
    assert mammo_clip_bytes(raw(image, inverted=True)).tolist() == inverted
    assert mammo_clip_bytes(raw(image, slope=-1.0)).tolist() == inverted


def test_constant_and_tiny_images() -> None:
    assert not mammo_clip_bytes(raw(inside([[7, 7], [7, 7]]))).any()
    with pytest.raises(PixelError, match="no pixels more than 5 from its edges"):
        mammo_clip_bytes(raw(np.zeros((10, 40), dtype=np.uint16)))


def test_crop_to_the_longest_runs() -> None:
    image = np.zeros((50, 40), dtype=np.uint8)
    image[:, :] = 40  # the brightest background
    y, x = np.mgrid[:50, :40]
    image[10:42, 3:20] = 100 + (x + y)[10:42, 3:20] % 7
    image[12:30, 25:35] = 200 + (x + y)[12:30, 25:35] % 7  # a shorter run of columns
    assert np.array_equal(crop_to_breast(image), image[10:42, 3:20])
    mirrored = image[:, ::-1]
    assert np.array_equal(crop_to_breast(mirrored), image[10:42, 3:20][:, ::-1])


def test_a_run_at_the_edge_counts_one_less() -> None:
    image = np.zeros((50, 40), dtype=np.uint8)
    slope = np.add.outer(np.arange(40), np.arange(10)).astype(np.uint8)
    image[5:45, :10] = slope + 100
    image[5:45, 20:30] = slope + 160
    assert crop_to_breast(image).min() == 160
    image[5:45, 10] = image[5:45, 9]
    # Now both count as 10, and both are kept.
    assert crop_to_breast(image).shape == (40, 21)


def test_without_content_nothing_is_cropped() -> None:
    image = np.full((30, 20), 40, dtype=np.uint8)
    assert crop_to_breast(image).shape == (30, 20)


def test_resize_averages_areas() -> None:
    image = np.repeat(np.repeat(np.array([[10, 20], [30, 41]], dtype=np.uint8), 3, 0), 2, 1)
    assert resize(image, (2, 2)).tolist() == [[10, 20], [30, 41]]
    assert resize(image, (1, 1)).tolist() == [[25]]


def test_normalisation_uses_the_range_of_the_image() -> None:
    found = normalise(np.array([[20, 70], [120, 220]], dtype=np.uint8))
    expected = (np.array([[0, 0.25], [0.5, 1]]) - MEAN) / SD
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(normalise(np.full((2, 2), 9, dtype=np.uint8)), -MEAN / SD, atol=1e-6)
