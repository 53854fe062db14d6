"""CMMD: rows a breast, views in the headers alone, breasts without a row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError
from tests.datasets.miniatures import cmmd


def test_breasts_without_a_row_are_not_benign(tmp_path: Path) -> None:
    cohort = mr.datasets.cmmd(cmmd(tmp_path, images=False))
    exams = cohort.exams.set_index("patient_id")
    assert exams["cancer"].to_dict() == {"D1-0001": 0, "D2-0002": 1, "D2-0003": 1}
    assert pd.isna(exams.loc["D1-0001", "cancer_L"])
    assert exams.loc["D1-0001", "cancer_R"] == 0
    assert exams.loc["D2-0002", ["cancer_L", "cancer_R"]].tolist() == [1, 0]
    assert exams.loc["D2-0002", "subtype_L"] == "Luminal A"
    assert "sampled-cohort" in [one.code for one in cohort.warnings]


def test_views_from_headers(tmp_path: Path) -> None:
    cohort = mr.datasets.cmmd(cmmd(tmp_path))
    assert cohort.exams["patient_id"].tolist() == ["D1-0001", "D2-0002"]
    exam = cohort.open_exam(0)
    assert [view.name for view in exam] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
    assert exam.age_years == 44
    counts = cohort.exclusions.set_index(["table", "reason"])["rows"].to_dict()
    assert counts == {
        ("breasts", "classification is not Benign or Malignant"): 1,
        ("breasts", "no image of the woman is there"): 1,
        ("breasts", "kept"): 3,
        ("images", "the header cannot be read (InvalidDicomError)"): 1,
        ("images", "its woman is not in the clinical table"): 2,
        ("images", "kept"): 8,
    }


def test_images_that_are_demanded(tmp_path: Path) -> None:
    cmmd(tmp_path, images=False)
    with pytest.raises(DatasetError, match="no image file"):
        mr.datasets.cmmd(tmp_path, images=True)
    (tmp_path / "CMMD_clinicaldata_revision.xlsx").write_bytes(b"PK broken")
    with pytest.raises(DatasetError):
        mr.datasets.cmmd(tmp_path)
