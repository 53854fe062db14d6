"""INbreast: semicolons, women in file names, ML for MLO, blanks, property lists."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import mammorisk as mr
from tests.datasets.miniatures import inbreast

FIRST, SECOND = "0123456789abcdef", "fedcba9876543210"


def test_women_and_months(tmp_path: Path) -> None:
    cohort = mr.datasets.inbreast(inbreast(tmp_path, images=False), images=False)
    exams = cohort.exams.set_index("exam_id")
    assert exams.index.tolist() == [f"{FIRST}-201001", f"{FIRST}-201103", f"{SECOND}-201001"]
    # The denser breast and the more suspicious image.
    assert exams["breast_density"].tolist()[:1] == ["c"]
    assert exams["birads"].tolist() == ["4a", "6", "1"]
    # A blank ACR is unknown.
    assert pd.isna(exams["breast_density"].iloc[1])


def test_rows_without_file_have_a_reason(tmp_path: Path) -> None:
    cohort = mr.datasets.inbreast(inbreast(tmp_path, images=False), images=False)
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "no File Name: a row below the table": 1,
        "no file of this number, whose name alone tells the woman": 1,
        "kept": 6,
    }


def test_oblique_views_called_ml(tmp_path: Path) -> None:
    cohort = mr.datasets.inbreast(inbreast(tmp_path))
    exam = cohort.open_exam(0)
    assert [view.name for view in exam] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]


def test_outlines(tmp_path: Path) -> None:
    found = mr.datasets.inbreast.annotations(inbreast(tmp_path, images=False))
    assert found.loc[0, "points"] == ((10.5, 20.25), (11.0, 21.0))
    assert found.loc[0, ["patient_id", "laterality", "view", "finding"]].tolist() == [
        FIRST,
        "L",
        "CC",
        "Mass",
    ]
    # A damaged file has a row that says so.
    assert "cannot be read" in found.loc[1, "problem"]
    assert found["problem"].notna().sum() == 1
