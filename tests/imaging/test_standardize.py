"""Standardised views: the 5% rule, chest wall left, millimetres, and warnings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mammorisk import read_exam
from mammorisk.imaging.standardize import StandardView, _resize, standardize, standardize_exam
from mammorisk.records.exam import Exam
from tests.factories import write_exam


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return read_exam(write_exam(tmp_path_factory.mktemp("exam")))


def spelled(view: StandardView) -> list[tuple[str, str]]:
    return [(told.code, told.text) for told in view.warnings]


def test_five_percent_lie_below_0_and_above_1(exam: Exam) -> None:
    for view in standardize_exam(exam).values():
        inside = view.pixels[view.breast]
        assert (inside < 0).mean() == pytest.approx(0.05, abs=0.005)
        assert (inside > 1).mean() == pytest.approx(0.05, abs=0.005)
        assert (view.pixels[~view.breast] == 0).all()


def test_the_chest_wall_is_left(exam: Exam) -> None:
    views = standardize_exam(exam)
    assert views["R-CC"].mirrored
    assert not views["L-CC"].mirrored
    for view in views.values():
        quarter = view.breast.shape[1] // 4
        assert view.breast[:, :quarter].sum() > view.breast[:, -quarter:].sum()
    np.testing.assert_allclose(views["R-CC"].breast.shape, views["L-CC"].breast.shape, atol=2)


def test_millimetres(exam: Exam) -> None:
    native = standardize(exam["L-CC"])
    coarse = standardize(exam["L-CC"], spacing_mm=1.4)
    assert native.spacing_mm == 0.7
    assert coarse.spacing_mm == 1.4
    assert coarse.pixels.shape[0] == pytest.approx(native.pixels.shape[0] / 2, abs=1)
    assert coarse.breast.sum() == pytest.approx(native.breast.sum() / 4, rel=0.02)


def test_resampling_does_not_alias() -> None:
    y, x = np.indices((400, 300))
    checks = np.where((x + y) % 2 == 0, 0.9, 0.1).astype(np.float32)
    # Picking pixels would give values near 0.1 and 0.9.
    for factor in (0.5, 0.37, 0.25, 0.1):
        small = _resize(checks, factor)
        assert small.mean() == pytest.approx(0.5, abs=0.01)
        assert np.ptp(small) < 0.2


def test_a_shape_is_met(exam: Exam) -> None:
    view = standardize(exam["R-MLO"], shape=(256, 160))
    assert view.pixels.shape == view.breast.shape == view.pectoral.shape == (256, 160)
    fixed = standardize(exam["R-MLO"], spacing_mm=2.0, shape=(128, 96))
    assert fixed.pixels.shape == (128, 96)
    assert fixed.spacing_mm == 2.0
    cut = standardize(exam["R-MLO"], spacing_mm=0.35, shape=(128, 96))
    assert [told.code for told in cut.warnings] == ["cut-to-shape"]


def test_unknown_spacing_is_said(exam: Exam) -> None:
    blind = replace(exam["L-CC"], pixel_mm=None)
    view = standardize(blind, spacing_mm=0.5)
    assert view.spacing_mm is None
    assert spelled(view) == [("spacing-unknown", "pixel spacing unknown: not resampled")]
    fitted = standardize(blind, spacing_mm=0.5, shape=(100, 80))
    assert fitted.pixels.shape == (100, 80)
    assert spelled(fitted) == [("spacing-unknown", "pixel spacing unknown: fitted to the shape")]
