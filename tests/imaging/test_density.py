"""Density follows the tissue, not the grey map, and says how sure it is."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammorisk import read_exam
from mammorisk.imaging.breast import BreastMask, find_breast
from mammorisk.imaging.dense_tissue import find_dense_tissue
from mammorisk.imaging.density import (
    ViewDensity,
    category_probabilities,
    exam_density,
    measure_density,
    measure_view_density,
)
from mammorisk.imaging.segmented_view import segment_exam, segment_view
from mammorisk.imaging.tissue_reading import read_tissue
from mammorisk.imaging.windowing import to_display
from mammorisk.records.exam import Exam
from mammorisk.records.stored_image import Greyscale, RawImage, Window
from tests.factories import simulated_exam
from tests.imaging.test_breast import phantom


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
        image = np.where(pectoral, 0.65, image)
    mask = BreastMask(breast=breast, pectoral=pectoral, chest_wall="left")
    return image.astype(np.float32), mask


@pytest.mark.parametrize("muscle", [False, True])
def test_percent_density_grows_with_the_tissue(muscle: bool) -> None:
    percents = []
    for dense in (0.12, 0.18, 0.25):
        image, mask = half_breast(dense, muscle=muscle)
        found = find_dense_tissue(image, mask)
        assert found is not None
        truth = 100 * ((image > 0.45) & mask.tissue).sum() / mask.tissue.sum()
        assert found.area_percent == pytest.approx(truth, abs=20)
        assert found.dense.sum() / found.measured.sum() == pytest.approx(
            found.area_percent / 100, abs=0.01
        )
        percents.append(found.area_percent)
    assert percents == sorted(percents)


def test_brightness_and_contrast_do_not_matter() -> None:
    image, mask = half_breast(0.15)
    first, second = (find_dense_tissue(i, mask) for i in (image, 0.4 * image + 0.2))
    assert first is not None
    assert second is not None
    assert second.area_percent == pytest.approx(first.area_percent, abs=0.2)
    assert second.volume_fraction == pytest.approx(first.volume_fraction, abs=0.005)


def oblique_percent(image: np.ndarray) -> float:
    found = find_dense_tissue(image, find_breast(image, position="MLO"))
    assert found is not None
    return found.area_percent


@settings(max_examples=15, deadline=None)
@given(gamma=st.floats(0.7, 1.4), dense=st.floats(0.1, 0.4))
def test_gamma_hardly_matters(gamma: float, dense: float) -> None:
    image, _, _ = phantom(dense=dense)
    assert oblique_percent(image**gamma) == pytest.approx(oblique_percent(image), abs=3)


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_gamma_does_not_move_the_measured_area(gamma: float) -> None:
    image, _, _ = phantom()
    mask = find_breast(image, position="MLO")
    first, second = (read_tissue(i, mask) for i in (image, image**gamma))
    assert first is not None
    assert second is not None
    assert (first.measured != second.measured).sum() < 0.002 * first.measured.sum()
    assert second.positive_skewness == pytest.approx(first.positive_skewness, abs=0.003)


@settings(max_examples=15, deadline=None)
@given(sides=st.tuples(*[st.floats(0.0, 0.2)] * 4))
def test_black_padding_does_not_matter(sides: tuple[float, float, float, float]) -> None:
    image, _, _ = phantom()
    rows, columns = image.shape
    top, bottom, left, right = sides
    padded = np.pad(
        image,
        (
            (round(top * rows), round(bottom * rows)),
            (round(left * columns), round(right * columns)),
        ),
    )
    assert oblique_percent(padded) == pytest.approx(oblique_percent(image), abs=3)


def test_eight_bits_are_enough() -> None:
    image, _, _ = phantom()
    coarse = np.round(image * 255) / np.float32(255)
    assert oblique_percent(coarse) == pytest.approx(oblique_percent(image), abs=1)


def even_breast(grey: float) -> tuple[np.ndarray, BreastMask]:
    """A breast of one tissue and its muscle, thinning towards the skin."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:400, :300] / 400.0
    radius = np.hypot(x / 0.7, (y - 0.5) / 0.48)
    breast = radius < 1
    pectoral = breast & (x < 0.3 * (1 - y / 0.4))
    image = np.where(pectoral, 0.62, grey) * np.clip((1 - radius) / 0.12, 0.05, 1) * breast
    image = image * (1 + 0.03 * rng.normal(size=breast.shape))
    return image.astype(np.float32), BreastMask(breast=breast, pectoral=pectoral, chest_wall="left")


def test_a_uniformly_dense_breast_is_not_called_fatty() -> None:
    fatty, dense = (find_dense_tissue(*even_breast(grey)) for grey in (0.35, 0.62))
    assert fatty is not None
    assert dense is not None
    assert fatty.area_percent < 10
    assert dense.area_percent > 50


def textured_breast(sign: float) -> tuple[np.ndarray, BreastMask]:
    """An even breast with strands of dense tissue (sign 1) or islands of fat (-1)."""
    image, mask = even_breast(0.5)
    points = np.random.default_rng(3).random(image.shape) < 0.01
    blobs = cv2.GaussianBlur(points.astype(np.float32), (0, 0), 2.0)
    image = np.where(mask.tissue, image * np.exp(sign * 4.0 * blobs), image)
    return image.astype(np.float32), mask


def test_islands_of_fat_are_denser_than_strands_in_fat() -> None:
    strands, islands = (find_dense_tissue(*textured_breast(sign)) for sign in (1, -1))
    assert strands is not None
    assert islands is not None
    assert islands.area_percent > strands.area_percent + 10


def test_a_black_column_at_the_chest_wall_does_not_matter() -> None:
    image, mask = textured_breast(1)
    plain = find_dense_tissue(image, mask)
    image[:, :3] = 0.0
    bordered = find_dense_tissue(image, mask)
    assert plain is not None
    assert bordered is not None
    assert bordered.area_percent == pytest.approx(plain.area_percent, abs=1)


def test_a_range_of_stored_values_is_not_measured(exam: Exam) -> None:
    seen = segment_view(exam["L-MLO"])
    # Stored values are about linear in the logarithm of exposure: tissue varies little above air.
    squeezed = np.where(seen.mask.breast, 0.6 + 0.15 * seen.image, 0.0).astype(np.float32)
    assert measure_view_density(seen, ()).reading is not None
    found = measure_view_density(replace(seen, image=squeezed), ())
    assert found.reading is None
    (told,) = found.warnings
    assert told.code == "density-not-measured"
    assert "window" in told.text


def test_without_muscle_an_even_breast_is_not_measured() -> None:
    image, mask = even_breast(0.5)
    no_muscle = replace(mask, breast=mask.tissue, pectoral=np.zeros_like(mask.pectoral))
    reading = read_tissue(image, no_muscle)
    assert reading is not None
    estimate = exam_density({"L-CC": ViewDensity(reading=reading)})
    assert estimate.percent_density is None
    assert [one.code for one in estimate.warnings] == ["density-not-measured"]
    with_other = exam_density(
        {
            "L-CC": ViewDensity(reading=reading),
            "L-MLO": ViewDensity(reading=read_tissue(image, mask)),
        }
    )
    assert set(with_other.percent_density_by_view) == {"L-CC", "L-MLO"}


def test_muscle_is_not_dense_tissue() -> None:
    image, mask = half_breast(0.18, muscle=True)
    found = find_dense_tissue(image, mask)
    assert found is not None
    assert found.on_image(image.shape).any()
    assert not (found.on_image(image.shape) & eroded(mask.pectoral)).any()


def eroded(mask: np.ndarray) -> np.ndarray:
    """Without its outermost pixels, which a coarser grid cannot tell."""
    return cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda image: 1 - image, "inverted"),
        (lambda image: np.where(image > np.quantile(image, 0.8), 1, image), "saturated"),
        (lambda image: np.full_like(image, 0.4), "constant"),
        (lambda image: image[:, : int(0.5 * np.flatnonzero(image.max(axis=0) > 0.1)[-1])], "cut"),
        (lambda image: np.random.default_rng(0).random(image.shape), "noise"),
    ],
    ids=["inverted", "saturated", "constant", "cut off", "noise"],
)
def test_an_unusable_view_has_no_density(exam: Exam, change: object, word: str) -> None:
    view = exam["L-CC"]
    image = change(to_display(view.load())).astype(np.float32)  # type: ignore[operator]
    raw = RawImage(
        pixels=np.round(image * 4095).astype(np.uint16),
        # The whole range is shown, as of a picture.
        greyscale=Greyscale(bits_stored=12, windows=(Window(center=2048.0, width=4096.0),)),
    )
    seen = segment_view(replace(view, load=lambda: raw, rows=image.shape[0]))
    found = measure_view_density(seen)
    assert found.reading is None
    (told,) = found.warnings
    assert told.code == "density-not-measured"
    assert word in told.text


def test_categories() -> None:
    for percent, category in ((3, "a"), (13, "b"), (36, "c"), (75, "d")):
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
    assert str(told) == "L-CC: breast implant: density not measured"


def test_nothing_to_measure() -> None:
    empty = BreastMask(
        breast=np.zeros((100, 80), bool), pectoral=np.zeros((100, 80), bool), chest_wall="left"
    )
    assert find_dense_tissue(np.zeros((100, 80), np.float32), empty) is None
