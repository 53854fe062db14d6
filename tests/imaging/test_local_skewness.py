"""The sign of the local skewness depends on structure, not on brightness, contrast or noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mammorisk.imaging.local_skewness import grain_share, positive_share


def strands(seed: int = 0) -> np.ndarray:
    """Sparse bright blobs on a dark ground."""
    points = np.random.default_rng(seed).random((240, 200)) < 0.02
    return cv2.GaussianBlur(points.astype(np.float32), (0, 0), 1.5)


EVERYWHERE = np.ones((240, 200), dtype=bool)


def test_bright_strands_are_positive_and_dark_islands_negative() -> None:
    assert positive_share(strands(), EVERYWHERE, EVERYWHERE, 8.0) > 0.95
    assert positive_share(-strands(), EVERYWHERE, EVERYWHERE, 8.0) < 0.05


def test_brightness_and_contrast_do_not_matter() -> None:
    first, second = (
        positive_share(grey, EVERYWHERE, EVERYWHERE, 8.0)
        for grey in (strands(), 3.0 + 0.2 * strands())
    )
    assert second == pytest.approx(first, abs=0.005)


def test_pixels_outside_the_region_do_not_matter() -> None:
    grey = strands()
    region = EVERYWHERE.copy()
    region[:, 100:] = False
    before = positive_share(grey, region, region, 8.0)
    grey[:, 100:] = 50.0
    assert positive_share(grey, region, region, 8.0) == pytest.approx(before, abs=1e-3)


def test_noise_is_grain_and_structure_is_not() -> None:
    noise = np.random.default_rng(1).normal(size=(240, 200)).astype(np.float32)
    assert grain_share(noise, EVERYWHERE, EVERYWHERE, 4.0) > 0.9
    smooth = cv2.GaussianBlur(noise, (0, 0), 6.0)
    assert grain_share(smooth, EVERYWHERE, EVERYWHERE, 4.0) < 0.4
    flat = np.zeros((240, 200), np.float32)
    assert grain_share(flat, EVERYWHERE, EVERYWHERE, 4.0) == 1.0
