"""Density follows the tissue, not the grey map, and says how sure it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mammorisk import read_exam
from mammorisk.imaging.breast import BreastMask
from mammorisk.imaging.dense_tissue import find_dense_tissue
from mammorisk.imaging.density import category_probabilities, measure_density
from mammorisk.imaging.segmented_view import segment_exam
from mammorisk.records.exam import Exam
from tests.factories import simulated_exam


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return read_exam(simulated_exam(tmp_path_factory.mktemp("exam")))


def half_breast(dense: float, *, muscle: bool = False) -> tuple[np.ndarray, BreastMask]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:400, :300] / 400.0
    radius = np.hypot(x / 0.7, (y - 0.5) / 0.48)
    breast = radius < 1
    gland = breast & (np.hypot((x - 0.25) / 1.2, y - 0.5) < dense)
    image = np.where(breast, 0.3, 0.0) + 0.3 * gland + rng.normal(0, 0.01, breast.shape)
    pectoral = np.zeros_like(breast)
    if muscle:
        pectoral = breast & (x < 0.3 * (1 - y / 0.4))
        image = np.where(pectoral, 0.9, image)
    mask = BreastMask(breast=breast, pectoral=pectoral, chest_wall="left")
    return image.astype(np.float32), mask


def test_percent_density_grows_with_the_tissue() -> None:
    percents = []
    for dense in (0.08, 0.12, 0.18, 0.25):
        image, mask = half_breast(dense)
        found = find_dense_tissue(image, mask)
        assert found is not None
        truth = 100 * (image > 0.45).sum() / mask.breast.sum()
        assert found.area_percent == pytest.approx(truth, rel=0.25)
        percents.append(found.area_percent)
    assert percents == sorted(percents)


def test_brightness_and_contrast_do_not_matter() -> None:
    image, mask = half_breast(0.15)
    first, second = (find_dense_tissue(i, mask) for i in (image, 0.4 * image + 0.2))
    assert first is not None
    assert second is not None
    assert second.area_percent == pytest.approx(first.area_percent, abs=0.2)
    assert second.volume_fraction == pytest.approx(first.volume_fraction, abs=0.005)


def test_muscle_is_not_dense_tissue() -> None:
    without = find_dense_tissue(*half_breast(0.12))
    beside = find_dense_tissue(*half_breast(0.12, muscle=True))
    assert without is not None
    assert beside is not None
    _, mask = half_breast(0.12, muscle=True)
    assert not (beside.dense & mask.pectoral[: beside.dense.shape[0]]).any()
    assert beside.area_percent < 1.6 * without.area_percent


def test_categories() -> None:
    for percent, category in ((3, "a"), (17, "b"), (36, "c"), (75, "d")):
        probabilities = category_probabilities(percent)
        assert sum(probabilities.values()) == pytest.approx(1)
        assert max(probabilities, key=lambda c: probabilities[c]) == category
    assert category_probabilities(0)["a"] > 0.99
    assert category_probabilities(100)["d"] > 0.99


def test_an_exam(exam: Exam) -> None:
    estimate = measure_density(exam)
    assert set(estimate.percent_density_by_view) == {"R-CC", "L-CC", "R-MLO", "L-MLO"}
    assert estimate.percent_density == pytest.approx(
        np.mean(list(estimate.percent_density_by_view.values()))
    )
    assert all(5 < area < 200 for area in estimate.dense_area_cm2_by_view.values())
    assert all(20 < volume < 1500 for volume in estimate.dense_volume_cm3_by_view.values())


def test_implants_are_not_measured(exam: Exam) -> None:
    images = segment_exam(exam)
    images["L-CC"] = replace(images["L-CC"], view=replace(images["L-CC"].view, implant=True))
    estimate = measure_density(exam, images)
    assert "L-CC" not in estimate.percent_density_by_view
    (told,) = estimate.warnings
    assert told.code == "density-not-measured"
    assert str(told) == "L-CC: breast implant, density not measured"


def test_nothing_to_measure() -> None:
    empty = BreastMask(
        breast=np.zeros((100, 80), bool), pectoral=np.zeros((100, 80), bool), chest_wall="left"
    )
    assert find_dense_tissue(np.zeros((100, 80), np.float32), empty) is None
