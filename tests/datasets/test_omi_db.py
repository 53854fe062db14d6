"""OMI-DB: two spellings, dates of two kinds, precedence of episodes, raw copies."""

from __future__ import annotations

from pathlib import Path

import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError
from tests.datasets.miniatures import omi_db

DAYS = 365.25


def test_outcomes(tmp_path: Path) -> None:
    cohort = mr.datasets.omi_db(omi_db(tmp_path, images=False))
    exams = cohort.exams.set_index("exam_id")
    # The interval cancer of a later episode is the outcome of the screen before.
    assert exams.loc["1.1", "event"] == 1
    assert exams.loc["1.1", "time"] == pytest.approx(366 / DAYS)
    assert exams.loc["1.1", "status"] == "normal"
    # First malignant procedure, not the last one.
    assert exams.loc["2.2", "time"] == pytest.approx(28 / DAYS)
    assert exams.loc["2.2", "status"] == "malignant"
    assert exams.loc["2.1", "event"] == 1
    # An interval case that surgery contradicts is no cancer.
    assert exams.loc["3.1", "event"] == 0
    assert exams.loc["3.1", "time"] == pytest.approx(517 / DAYS)


def test_reasons(tmp_path: Path) -> None:
    cohort = mr.datasets.omi_db(omi_db(tmp_path, images=False), images=False)
    assert cohort.exclusions.set_index(["table", "reason"])["rows"].to_dict() == {
        ("clients", "nbss_*.json cannot be read"): 1,
        ("clients", "there is no nbss_*.json"): 1,
        ("clients", "kept"): 3,
        ("studies", "not on the date of a screening"): 1,
        ("studies", "after a diagnosis of cancer"): 1,
        ("studies", "kept"): 4,
    }


def test_raw_copies_and_both_names_of_headers(tmp_path: Path) -> None:
    cohort = mr.datasets.omi_db(omi_db(tmp_path))
    assert cohort.exams["exam_id"].tolist() == ["2.1", "2.2", "1.1"]
    for row in range(3):
        exam = cohort.open_exam(row)
        assert not exam.missing
        assert "for-processing" not in [one.code for one in exam.all_warnings()]
    reason = "for-processing copy of an image that is also there for presentation"
    assert cohort.exclusions.set_index("reason")["rows"][reason] == 4
    # Headers named .dcm.json are read as well.
    assert cohort.views.loc[cohort.views["exam_id"] == "2.1", "view"].notna().all()


def test_marks(tmp_path: Path) -> None:
    found = mr.datasets.omi_db.annotations(omi_db(tmp_path, images=False))
    first = found.iloc[0]
    assert first[["x_min", "y_min", "x_max", "y_max"]].tolist() == [5, 6, 20, 30]
    assert len(found) == 6


def test_a_folder_without_data(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data"):
        mr.datasets.omi_db(tmp_path)
