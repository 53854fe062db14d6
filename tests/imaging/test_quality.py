"""Each finding is made where it should be, and not on a sound exam."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.imaging.breast import find_breast
from mammorisk.imaging.quality import check_exam, check_view
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam
from mammorisk.records.exam import Exam, Intent, Orientation
from tests.factories import simulated_exam


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return mr.read_exam(simulated_exam(tmp_path_factory.mktemp("exam")))


@pytest.fixture(scope="module")
def images(exam: Exam) -> dict[str, SegmentedView]:
    return segment_exam(exam)


def codes(seen: SegmentedView) -> set[str]:
    return {finding.code for finding in check_view(seen)}


def altered(seen: SegmentedView, image: np.ndarray) -> SegmentedView:
    return replace(seen, image=image, mask=find_breast(image, position=seen.view.position))


def test_a_sound_exam_has_no_findings(exam: Exam, images: dict[str, SegmentedView]) -> None:
    assert check_exam(exam, images) == []


def test_header_findings(images: dict[str, SegmentedView]) -> None:
    seen = images["L-CC"]
    for change, code in (
        ({"intent": Intent.PROCESSING}, "for-processing"),
        ({"implant": True}, "implant"),
        ({"burned_in": True}, "burned-in-text"),
        ({"orientation": Orientation(rows="P", columns="L")}, "wrong-side"),
    ):
        assert codes(replace(seen, view=replace(seen.view, **change))) == {code}


def test_a_mirrored_image_contradicts_its_header(images: dict[str, SegmentedView]) -> None:
    seen = images["R-CC"]
    assert "wrong-side" in codes(altered(seen, np.ascontiguousarray(seen.image[:, ::-1])))


def test_inverted_grey_levels(images: dict[str, SegmentedView]) -> None:
    assert codes(altered(images["L-CC"], 1 - images["L-CC"].image)) & {"inverted", "wrong-side"}


def test_saturation_implant_and_clipping(images: dict[str, SegmentedView]) -> None:
    seen = images["L-CC"]
    white = np.where(seen.image > np.quantile(seen.image, 0.9), 1, seen.image).astype(np.float32)
    assert "saturated" in codes(replace(seen, image=white))
    implant = seen.image.copy()
    implant[250:550, 50:300] = 0.97
    assert "implant" in codes(altered(seen, implant))
    width = int(0.6 * np.flatnonzero(seen.mask.breast.any(axis=0))[-1])
    assert "clipped" in codes(altered(seen, np.ascontiguousarray(seen.image[:, :width])))


def test_text_beside_the_breast(images: dict[str, SegmentedView]) -> None:
    image = images["L-CC"].image.copy()
    for i in range(12):
        image[30:42, 450 + 12 * i : 457 + 12 * i] = 0.9
    assert "burned-in-text" in codes(altered(images["L-CC"], image))


def test_an_empty_image(images: dict[str, SegmentedView]) -> None:
    black = altered(images["L-CC"], np.zeros_like(images["L-CC"].image))
    assert codes(black) == {"no-breast"}


def test_sizes_and_missing_views(exam: Exam, images: dict[str, SegmentedView]) -> None:
    half = replace(images["L-CC"], view=replace(images["L-CC"].view, pixel_mm=0.15))
    partial = replace(exam, views={k: v for k, v in exam.views.items() if k != "R-MLO"})
    few = {k: v for k, v in images.items() if k != "R-MLO"} | {"L-CC": half}
    found = {told.code: str(told) for told in check_exam(partial, few)}
    assert found["views-missing"] == "missing views: R-MLO"
    assert found["size-asymmetry"].startswith("CC: one breast has 4.")
