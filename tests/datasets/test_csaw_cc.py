"""CSAW-CC: placeholder dates, classes of time, a sample of controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError, EvaluationError
from tests.datasets.miniatures import csaw_cc

DAYS = 365.25


def test_classes_become_intervals(tmp_path: Path) -> None:
    exams = mr.datasets.csaw_cc(csaw_cc(tmp_path, images=False)).exams.set_index("exam_id")
    lower, upper = exams["time_lower"], exams["time_upper"]
    # Screen-detected, and interval cancer.
    assert lower["0001-2014"] == 0
    assert upper["0001-2014"] == pytest.approx(59 / DAYS)
    assert lower["0002-2014"] == pytest.approx(60 / DAYS)
    assert upper["0002-2014"] == pytest.approx(729 / DAYS)
    # Earlier exams: the year of the last one bounds them, never the placeholder date.
    assert lower["0001-2010"] == pytest.approx(3)
    assert upper["0001-2010"] == pytest.approx(5 + 59 / DAYS)
    # The class is the sharper bound here.
    assert lower["0001-2012"] == pytest.approx(730 / DAYS)
    assert upper["0002-2013"] == pytest.approx(2 + 729 / DAYS)
    # No later exam: open.
    assert np.isnan(upper["0003-2011"])
    # A control is free of cancer until her last exam, to the year.
    assert lower["0004-2009"] == 3
    assert np.isnan(upper["0004-2009"])
    assert lower["0004-2013"] == 0
    assert exams["event"].to_dict()["0004-2009"] == 0


def test_no_age_is_made_of_two_classes(tmp_path: Path) -> None:
    cohort = mr.datasets.csaw_cc(csaw_cc(tmp_path, images=False))
    assert "age" not in cohort.exams
    assert set(cohort.exams["age_group"]) == {"over 55"}


def test_rows_are_accounted_for(tmp_path: Path) -> None:
    cohort = mr.datasets.csaw_cc(csaw_cc(tmp_path, images=False))
    counts = cohort.exclusions.set_index("reason")["rows"].to_dict()
    assert counts == {
        "a control with a time to diagnosis": 4,
        "a case without rad_timing": 4,
        "kept": 40,
    }
    assert sorted(cohort.excluded["patient_id"].unique()) == ["0006", "0007"]
    # Eight images in one year are one exam.
    assert (cohort.exams["patient_id"] == "0005").sum() == 1
    # A density of 140 % is unknown, and said.
    assert np.isnan(cohort.exams.set_index("exam_id").loc["0004-2013", "percent_density"])
    assert any("libra_percentdensity" in one.text for one in cohort.warnings)


def test_weights_only_where_the_fraction_is_known(tmp_path: Path) -> None:
    csaw_cc(tmp_path, images=False)
    plain = mr.datasets.csaw_cc(tmp_path)
    assert "weight" not in plain.exams
    assert "sampled-cohort" in [one.code for one in plain.warnings]
    weighted = mr.datasets.csaw_cc(tmp_path, control_sampling_fraction=0.05)
    assert weighted.exams.groupby("event")["weight"].unique().map(list).to_dict() == {
        0: [20.0],
        1: [1.0],
    }
    with pytest.raises(DatasetError, match="no fraction"):
        mr.datasets.csaw_cc(tmp_path, control_sampling_fraction=5)


def test_evaluation_wants_times(tmp_path: Path) -> None:
    csaw_cc(tmp_path, images=False)
    cohort = mr.datasets.csaw_cc(tmp_path)
    risk = np.linspace(0.01, 0.1, len(cohort))
    with pytest.raises(EvaluationError, match="intervals only"):
        mr.evaluate({"score": risk}, cohort, horizons=[2])
    timed = mr.datasets.csaw_cc(tmp_path, times="midpoint", control_follow_up_years=2)
    assert "outcome-assumed" in [one.code for one in timed.warnings]
    assert timed.exams["time"].notna().all()
    report = mr.evaluate({"score": risk}, timed, horizons=[2], published=())
    assert len(report.discrimination)


def test_images_are_found_in_any_folder(tmp_path: Path) -> None:
    cohort = mr.datasets.csaw_cc(csaw_cc(tmp_path))
    assert len(cohort) == 1
    assert [view.name for view in cohort.open_exam(0)] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
    reasons = cohort.exclusions.set_index("reason")["rows"]
    assert reasons["the image file is not there"] == 40
    assert cohort.exclusions["rows"].sum() == 48


def test_another_version_is_named(tmp_path: Path) -> None:
    csaw_cc(tmp_path, images=False)
    path = tmp_path / "CSAW-CC_breast_cancer_screening_data.csv"
    path.write_text(path.read_text().replace("rad_timing", "timing"))
    with pytest.raises(DatasetError, match="has no column rad_timing") as error:
        mr.datasets.csaw_cc(tmp_path)
    assert "10.5878/45vm-t798" in str(error.value)
    check = mr.datasets.csaw_cc.check(tmp_path)
    assert not check.is_usable
    assert check.table["state"].tolist() == ["incomplete"]
