"""Inputs of networks: caching, missing values, order, and bad exams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import PixelError
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.inputs.exam_set import load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.inputs.scaling import Scaling
from mammorisk.inputs.standard_exam import ImageSettings, network_view, standard_exam, to_float
from mammorisk.records.exam import Exam, Intent
from tests.factories import simulated_exam

SETTINGS = ImageSettings(spacing_mm=4, rows=60, columns=40)
#: Holds the whole breast.
WIDE = ImageSettings(spacing_mm=4, rows=80, columns=64)


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return mr.read_exam(simulated_exam(tmp_path_factory.mktemp("e"), pixel_mm=2.0))


def test_the_cache_is_keyed_by_content_and_settings(exam: Exam, tmp_path: Path) -> None:
    cache = ImageCache(folder=tmp_path / "c", settings=SETTINGS)
    made = cache.get(exam)

    def files() -> list[Path]:
        return sorted((tmp_path / "c").rglob("*.safetensors"))

    assert len(files()) == 1
    kept = cache.get(exam)
    np.testing.assert_array_equal(kept.pixels, made.pixels)
    assert kept.acquisitions == made.acquisitions

    def unreadable() -> None:
        raise AssertionError("pixels were read again")

    views = {name: replace(view, load=unreadable) for name, view in exam.views.items()}
    np.testing.assert_array_equal(cache.get(Exam(views=views)).pixels, made.pixels)
    ImageCache(folder=tmp_path / "c", settings=SETTINGS.model_copy(update={"rows": 64})).get(exam)
    other = {name: replace(view, digest=lambda: "x") for name, view in exam.views.items()}
    cache.get(Exam(views=other))
    assert len(files()) == 3
    # A damaged entry is made again.
    for file in files():
        file.write_bytes(file.read_bytes()[:50])
    np.testing.assert_array_equal(cache.get(exam).pixels, made.pixels)


def test_standard_views(exam: Exam) -> None:
    made = standard_exam(exam, SETTINGS)
    assert made.pixels.shape == (4, 60, 40)
    assert made.present.all()
    grey = to_float(made.pixels)
    assert (grey[made.pixels == 0] == 0).all()
    inside = grey[made.pixels > 0]
    assert 0.02 < np.mean(inside < 0) < 0.12
    # The chest wall is at the left in every view.
    columns = (made.pixels > 0).sum(axis=1)
    assert (columns[:, 2] > columns[:, 30]).all()
    part = Exam(views={"L-CC": exam["L-CC"]})
    alone = standard_exam(part, SETTINGS)
    assert alone.present.tolist() == [False, True, False, False]
    assert not alone.pixels[[0, 2, 3]].any()
    assert np.isnan(alone.percent_density).tolist() == [True, False, True, True]
    assert [one is None for one in alone.acquisitions] == [True, False, True, True]
    raw = replace(exam["R-CC"], intent=Intent.PROCESSING)
    unused = standard_exam(Exam(views={"R-CC": raw, "L-CC": exam["L-CC"]}), SETTINGS)
    np.testing.assert_array_equal(unused.pixels, alone.pixels)
    assert unused.present.tolist() == [False, True, False, False]


def test_bytes_are_grey_inside_the_breast_and_zero_outside() -> None:
    grey = to_float(np.array([[0, 1, 128, 255]], dtype=np.uint8))
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey, np.array([[0, -0.5, 0.5, 1.5]], dtype=np.float32))


def test_what_a_view_lacks_for_the_network_is_told(exam: Exam) -> None:
    view = exam["R-CC"]
    assert network_view(segment_view(view), WIDE).warnings == ()
    cut = network_view(segment_view(view), SETTINGS)
    assert [told.code for told in cut.warnings] == ["cut-to-shape"]
    raw = network_view(segment_view(replace(view, intent=Intent.PROCESSING)), WIDE)
    assert raw.content is None
    assert [told.code for told in raw.warnings] == ["for-processing"]
    assert "not used by the network" in raw.warnings[0].text
    blind = network_view(segment_view(replace(view, pixel_mm=None)), WIDE)
    assert blind.content is not None
    assert [told.code for told in blind.warnings] == ["spacing-unknown"]


def test_exams_in_order_whatever_fails(exam: Exam) -> None:
    def open_exam(row: int) -> Exam | None:
        if row == 2:
            raise PixelError("damaged", where="L-CC.dcm")
        made = replace(exam, patient_sex="M") if row == 5 else exam
        return None if row == 4 else made

    def open_prior(row: int) -> Exam | None:
        if row == 1:
            raise PixelError("damaged prior")
        return exam if row == 3 else None

    exams = load_exams(
        range(6), open_exam, ImageCache(folder=None, settings=SETTINGS), open_prior=open_prior
    )
    assert exams.present[:, :4].all(axis=1).tolist() == [True, True, False, True, False, True]
    assert exams.present[:, 4:].any(axis=1).tolist() == [False, False, False, True, False, False]
    assert "damaged" in exams.errors[2]
    assert exams.errors[4] == ""
    assert exams.errors[1] == ""
    assert "damaged prior" in exams.prior_errors[1]
    assert [bool(error) for error in exams.prior_errors] == [i == 1 for i in range(6)]
    assert exams.male.tolist() == [row == 5 for row in range(6)]
    assert exams.take(np.array([5, 0])).male.tolist() == [True, False]
    assert (exams.years_before[:, 4:] == 2).all()
    assert len(exams.acquisition) == 6 * 8
    assert exams.acquisition["thickness_mm"].notna().sum() == 4 * 4 + 4


def test_scaling_tells_missing_from_zero() -> None:
    frame = pd.DataFrame(
        {"x": [1.0, 3.0, np.nan, 500.0], "kind": ["a", "b", None, "new"], "flat": [2.0] * 4}
    )
    scaling = Scaling.fit(frame.iloc[:3], ["x", "flat", "absent"], ["kind", "gone"])
    out = pd.DataFrame(scaling.transform(frame), columns=scaling.columns)
    assert out["x unknown"].tolist() == [0, 0, 1, 0]
    assert out["x"].iloc[2] == 0
    assert out["x"].iloc[0] == -out["x"].iloc[1] != 0
    assert out["x"].iloc[3] == 4
    assert out["kind unknown"].tolist() == [0, 0, 1, 1]
    assert (out["flat"] == 0).all()
    assert not any("absent" in name or "gone" in name for name in out)
    again = Scaling.from_dict(scaling.to_dict())
    np.testing.assert_array_equal(again.transform(frame), scaling.transform(frame))
    empty = scaling.transform(pd.DataFrame({"y": [1.0]}))
    assert empty.shape == (1, len(scaling.columns))


def test_acquisition_of_a_missing_view_is_unknown(exam: Exam) -> None:
    table = acquisition_table([exam["L-CC"].acquisition, None])
    assert table["thickness_mm"].notna().tolist() == [True, False]
    assert table["manufacturer"].iloc[1] is None or pd.isna(table["manufacturer"].iloc[1])
