"""Breasts have the density they are asked for, in every view, and stay the same woman's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mammorisk.simulation.anatomy import GRID, _ball, draw_breasts, project
from mammorisk.simulation.random_fields import octaves, power_law_pair


def both(value: float) -> dict[str, float]:
    return {"L": value, "R": value}


@pytest.mark.parametrize(("area", "volume"), [(3.0, 2.5), (20.0, 7.0), (60.0, 18.0)])
def test_area_and_volume_are_met(area: float, volume: float) -> None:
    breasts = draw_breasts(
        [1, 2], area_percent=both(area), volumetric_percent=both(volume), exponent=3.0
    )
    inside, _, _ = _ball()
    for breast in breasts.values():
        assert breast.dense_area_percent == pytest.approx(area, rel=0.05, abs=0.3)
        # The mean over paths, weighted by their length, is the mean over the volume.
        length = inside.sum(axis=2)
        region = np.average(breast.region["CC"], weights=length)
        assert 100 * breast.gland_share * region == pytest.approx(volume, rel=0.02)


def test_views_are_projections_of_one_volume() -> None:
    inside, _, _ = _ball()
    ones = inside.astype(np.float32)
    for view in ("CC", "MLO"):
        seen = project(ones, view)
        np.testing.assert_allclose(seen[seen > 0], 1.0, rtol=1e-5)
    # A blob above the nipple is central in CC and above in MLO.
    blob = np.zeros(GRID, dtype=np.float32)
    blob[20:24, 34:38, 54:58] = 1
    assert abs(int(project(blob, "CC").sum(axis=0).argmax()) - 36) <= 2
    assert int(project(blob, "MLO").sum(axis=0).argmax()) > 45


def test_sides_are_alike_and_years_keep_the_pattern() -> None:
    options = {"volumetric_percent": both(10), "exponent": 3.0}
    women = [draw_breasts([i], area_percent=both(30), **options) for i in range(6)]
    own = [
        np.corrcoef(w["L"].region["CC"].ravel(), w["R"].region["CC"].ravel())[0, 1] for w in women
    ]
    other = [
        np.corrcoef(a["L"].region["CC"].ravel(), b["R"].region["CC"].ravel())[0, 1]
        for a, b in pairwise(women)
    ]
    assert np.mean(own) > np.mean(other) + 0.05
    younger = draw_breasts([0], area_percent=both(40), **options)["L"].region["MLO"]
    now = women[0]["L"].region["MLO"]
    assert np.corrcoef(younger.ravel(), now.ravel())[0, 1] > 0.95
    assert (younger >= now - 1e-4).all()


@pytest.mark.parametrize("exponent", [2.5, 3.0, 3.5])
def test_the_projected_spectrum_has_the_exponent(exponent: float) -> None:
    slopes = []
    for seed in range(4):
        field, _ = power_law_pair(np.random.default_rng(seed), (64, 64, 64), exponent)
        power = np.abs(np.fft.fft2(field.mean(axis=2))) ** 2
        frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None, :])
        use = (frequency > 0.04) & (frequency < 0.4)
        slopes.append(-np.polyfit(np.log(frequency[use]), np.log(power[use]), 1)[0])
    assert np.mean(slopes) == pytest.approx(exponent, abs=0.12)


def test_fine_detail_is_the_same_at_every_pixel_size() -> None:
    fine = octaves([5], (200, 160), 0.5, coarsest_mm=8, exponent=3)
    coarse = octaves([5], (100, 80), 1.0, coarsest_mm=8, exponent=3)
    pooled = fine.reshape(100, 2, 80, 2).mean(axis=(1, 3))
    assert np.corrcoef(pooled.ravel(), coarse.ravel())[0, 1] > 0.95
