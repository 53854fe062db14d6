"""Views that are stored turned are brought upright, and windows that do not fit are left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mammorisk import read_exam
from mammorisk.imaging.breast import find_breast
from mammorisk.imaging.segmented_view import SegmentedView, segment_view
from mammorisk.imaging.upright import _DARKER_ABOVE, _corner_step, has_muscle, needed_turn
from mammorisk.records.exam import Exam, Orientation
from tests.factories import simulated_exam, write_exam


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return read_exam(simulated_exam(tmp_path_factory.mktemp("exam"), pixel_mm=1.0))


def stored(exam: Exam, name: str, turns: int, orientation: Orientation | None) -> SegmentedView:
    """The view with its pixels stored turned counterclockwise."""
    view = exam[name]
    raw = view.load()
    pixels = np.ascontiguousarray(np.rot90(raw.pixels, turns))
    turned = replace(
        view,
        load=lambda: replace(raw, pixels=pixels),
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        orientation=orientation,
    )
    return segment_view(turned)


def codes(seen: SegmentedView) -> list[str]:
    return [one.code for one in seen.warnings]


@pytest.mark.parametrize("name", ["R-CC", "L-CC", "R-MLO", "L-MLO"])
def test_upright_views_stay(exam: Exam, name: str) -> None:
    seen = segment_view(exam[name])
    assert codes(seen) == []
    np.testing.assert_array_equal(seen.raw.pixels, exam[name].load().pixels)


@pytest.mark.parametrize("name", ["R-CC", "L-MLO"])
def test_a_half_turn_as_the_header_says(exam: Exam, name: str) -> None:
    own = exam[name].orientation
    assert own is not None
    seen = stored(exam, name, 2, own.opposite())
    assert codes(seen) == ["turned"]
    np.testing.assert_array_equal(seen.raw.pixels, exam[name].load().pixels)
    assert seen.view.orientation == own


def test_a_header_that_the_pixels_contradict_turns_nothing(exam: Exam) -> None:
    own = exam["L-CC"].orientation
    assert own is not None
    assert codes(stored(exam, "L-CC", 0, own.opposite())) == []


@pytest.mark.parametrize("name", ["R-MLO", "L-MLO"])
def test_a_bright_lower_corner_is_muscle_upside_down(exam: Exam, name: str) -> None:
    """An edge of dense tissue may be taken for the muscle; its corner is not as bright as this."""
    seen = segment_view(exam[name])
    assert _corner_step(seen.image, seen.mask) < 0
    turned = np.ascontiguousarray(seen.image[::-1, ::-1])
    mask = find_breast(turned, position="MLO")
    assert _corner_step(turned, mask) > _DARKER_ABOVE
    false_muscle = replace(mask, pectoral=mask.breast & (np.indices(turned.shape)[0] < 60))
    assert has_muscle(false_muscle)
    view = replace(exam[name], orientation=None)
    assert needed_turn(view, turned, false_muscle).quarters == 2
    assert needed_turn(view, seen.image, seen.mask).is_none


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("name", ["R-CC", "L-MLO"])
def test_a_quarter_turn_by_its_pixels(exam: Exam, name: str, turns: int) -> None:
    seen = stored(exam, name, turns, None)
    assert codes(seen) == ["turned"]
    np.testing.assert_array_equal(seen.raw.pixels, exam[name].load().pixels)
    assert (seen.view.rows, seen.view.columns) == seen.image.shape


def test_a_window_of_eight_bits_on_twelve(tmp_path: Path) -> None:
    write_exam(tmp_path, WindowCenter=128, WindowWidth=256)
    seen = segment_view(read_exam(tmp_path)["L-CC"])
    assert codes(seen) == ["window-misfit"]
    assert (seen.image >= 0.999).mean() < 0.01
    write_exam(tmp_path, WindowCenter=30000, WindowWidth=60000)
    assert codes(segment_view(read_exam(tmp_path)["L-CC"])) == ["window-misfit"]
    write_exam(tmp_path)
    assert codes(segment_view(read_exam(tmp_path)["L-CC"])) == []
