"""CDD-CESM, BCS-DBT, Mammo-MX and KAU-BCMD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError
from tests.datasets.miniatures import bcs_dbt, bmcd, cdd_cesm, mammo_mx


def test_subtracted_images_are_no_mammograms(tmp_path: Path) -> None:
    cohort = mr.datasets.cdd_cesm(cdd_cesm(tmp_path))
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "the name of the image does not tell woman, side and view": 1,
        "a subtracted image with contrast agent (CM)": 1,
        "the pathology is not Normal, Benign or Malignant": 1,
        "the image file is not there": 1,
        "kept": 3,
    }
    first = cohort.exams.iloc[0]
    # Malignant and benign findings of one image; the other breast is normal.
    assert first[["cancer", "cancer_L", "cancer_R"]].tolist() == [1, 1, 0]
    assert first[["age", "breast_density", "birads"]].tolist() == [52, "c", "5"]
    assert sorted(cohort.views["file_path"]) == [
        "Low energy images of CDD-CESM/P1_L_DM_CC.jpg",
        "Low energy images of CDD-CESM/P1_R_DM_MLO.jpg",
    ]
    assert [view.name for view in cohort.open_exam(0)] == ["L-CC", "R-MLO"]


def test_a_class_in_four_columns(tmp_path: Path) -> None:
    cohort = mr.datasets.bcs_dbt(bcs_dbt(tmp_path))
    exams = cohort.exams.set_index("exam_id")
    assert exams["finding"].to_dict() == {"S1": "Cancer", "S2": "Actionable", "S3": "Normal"}
    assert exams["split"].to_dict() == {"S1": "train", "S2": "train", "S3": "test"}
    assert exams.loc["S1", ["cancer", "cancer_L", "cancer_R"]].tolist() == [1, 0, 1]
    assert np.isnan(exams.loc["S2", "cancer_L"])
    assert mr.datasets.check_split(cohort).empty
    counts = cohort.exclusions.set_index(["table", "reason"])["rows"].to_dict()
    assert counts["labels", "not exactly one of the four classes is 1"] == 1
    assert counts["labels", "the view is not CC or MLO of a side"] == 1
    assert not cohort.has_images
    with pytest.raises(EvaluationError, match="detection, not risk"):
        mr.evaluate({"score": [0.1, 0.2, 0.3]}, cohort, horizons=[1])
    box = mr.datasets.bcs_dbt.annotations(tmp_path).iloc[0]
    assert box[["laterality", "view", "slice"]].tolist() == ["R", "MLO", 22]
    assert box[["x_min", "y_min", "x_max", "y_max"]].tolist() == [100, 200, 130, 240]


def test_names_are_the_table(tmp_path: Path) -> None:
    cohort = mr.datasets.mammo_mx(mammo_mx(tmp_path))
    exams = cohort.exams.set_index("patient_id")
    assert exams.loc["000077", ["breast_density", "birads"]].tolist() == ["c", "4"]
    # A density that is not defined is unknown.
    assert pd.isna(exams.loc["000079", "breast_density"])
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "the name of the file does not tell woman, side, view, BI-RADS and density": 1,
        "the view ML is none of CC and MLO": 1,
        "kept": 5,
    }
    assert any("1 names state another BI-RADS" in one.text for one in cohort.warnings)
    # Files without a suffix are read.
    assert not cohort.open_exam(0).missing


def test_folders_are_assessments(tmp_path: Path) -> None:
    cohort = mr.datasets.bmcd(bmcd(tmp_path))
    exams = cohort.exams.set_index("exam_id")
    # Two years of a woman are two exams; images of one exam lie in two folders.
    assert exams["birads"].to_dict() == {"001-2019": "4", "001-2020": "1", "002-2019": "5"}
    assert any("images of 1 exams lie in several folders" in one.text for one in cohort.warnings)
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "the name of the file does not tell year, woman, view and side": 1,
        "not in a folder of a BI-RADS": 1,
        "the view ML is none of CC and MLO": 1,
        "kept": 5,
    }
    first = cohort.exams.index[cohort.exams["exam_id"] == "001-2019"][0]
    names = {view.name for view in cohort.open_exam(int(first))}
    assert names == {"L-CC", "L-MLO", "R-CC"}
