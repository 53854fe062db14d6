"""EMBED: rows a finding, sides that mean both, shifted dates, ids of 16 digits, men, C-View."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError
from tests.datasets.miniatures import ACC, embed


def exams_of(root: Path, **options: object) -> pd.DataFrame:
    return mr.datasets.embed(embed(root, images=False), **options).exams.set_index("exam_id")


def test_one_row_an_exam_with_the_worst_finding(tmp_path: Path) -> None:
    exams = exams_of(tmp_path)
    assert exams.index.is_unique
    # N on one side and A on the other: A decides a screening exam.
    assert exams.loc[str(ACC + 1), "birads"] == "0"
    assert exams.loc[str(ACC + 1), "age"] == 57
    assert exams.loc[str(ACC), "race_ethnicity"] == "black"
    # Asian is not one of the groups of the models: unknown, and the word is kept.
    assert pd.isna(exams.loc[str(ACC + 11), "race_ethnicity"])
    assert exams.loc[str(ACC + 11), "race"] == "asian"


def test_pathology_of_a_diagnostic_exam_is_the_outcome_of_the_screens_before(
    tmp_path: Path,
) -> None:
    exams = exams_of(tmp_path)
    days = (pd.Timestamp("2014-03-27") - pd.Timestamp("2012-03-01")).days
    assert exams.loc[str(ACC), "time"] == pytest.approx(days / 365.25)
    assert exams.loc[str(ACC + 1), "time"] == pytest.approx(26 / 365.25)
    assert exams.loc[[str(ACC), str(ACC + 1)], "event"].tolist() == [1, 1]
    # Two findings on the day: invasive counts more than in situ. The benign one before is none.
    assert exams.loc[str(ACC), "cancer_type"] == "invasive"
    assert exams.loc[str(ACC), "cancer_side"] == "L"
    # Follow-up ends at the last exam of any kind.
    assert exams.loc[str(ACC + 4), "event"] == 0
    assert exams.loc[str(ACC + 4), "time"] == pytest.approx(730 / 365.25, abs=0.003)


def test_every_finding_is_accounted_for(tmp_path: Path) -> None:
    cohort = mr.datasets.embed(embed(tmp_path, images=False), images=False)
    counts = cohort.exclusions.set_index("reason")["rows"].to_dict()
    assert counts == {
        "the patient is male (GENDER_DESC)": 1,
        "the patient is male (tissueden 5)": 1,
        "no screening exam": 4,
        "a cancer of the woman has no date (procdate_anon)": 1,
        "after a diagnosis of cancer": 1,
        "BI-RADS 6 without pathology: a cancer known before the exam": 1,
        "kept": 7,
    }
    with open(tmp_path / "tables" / "EMBED_OpenData_clinical.csv") as handle:
        lines = list(csv.reader(handle))
    assert cohort.exclusions["rows"].sum() == len(lines) - 1
    # The line of an excluded row leads to it.
    late = cohort.excluded.set_index("reason").loc["after a diagnosis of cancer"]
    assert lines[late["line"] - 1][1] == late["exam_id"]


def test_densities_that_differ_are_unknown(tmp_path: Path) -> None:
    cohort = mr.datasets.embed(embed(tmp_path, images=False), images=False)
    exams = cohort.exams.set_index("exam_id")
    assert pd.isna(exams.loc[str(ACC + 11), "breast_density"])
    assert exams.loc[str(ACC), "breast_density"] == "b"
    assert any("breast_density (the findings of an exam differ)" in w.text for w in cohort.warnings)


def test_images(tmp_path: Path) -> None:
    cohort = mr.datasets.embed(embed(tmp_path))
    assert cohort.exams["exam_id"].tolist() == [str(ACC), str(ACC + 1), str(ACC + 4)]
    exam = cohort.open_exam(1)
    assert [view.name for view in exam] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
    images = cohort.exclusions.query("table == 'metadata'").set_index("reason")["rows"].to_dict()
    assert images == {
        "its exam is not in the cohort": 4,
        "spot or magnification view": 1,
        "synthetic image (cview): pass synthetic=True to use it": 1,
        "the image file is not there": 8,
        "kept": 12,
    }
    assert cohort.exclusions.query("table == 'clinical'")["rows"].sum() == 16
    both = mr.datasets.embed(tmp_path, synthetic=True)
    assert len(both.views) == 13


def test_ids_that_a_spreadsheet_rounded_are_refused(tmp_path: Path) -> None:
    path = embed(tmp_path, images=False) / "tables" / "EMBED_OpenData_clinical.csv"
    text = path.read_text()
    # Beyond 2**53 a decimal number may be another one; 7E+15 is surely rounded.
    path.write_text(
        text.replace(f"{ACC},", "1.23457E+15,").replace(f"{ACC + 4},", "9876543210987654.0,")
    )
    cohort = mr.datasets.embed(tmp_path, images=False)
    gone = cohort.excluded[cohort.excluded["reason"].str.contains("rounded")]
    assert len(gone) == 2
    path.write_text(text.replace(f"{ACC},", f"{ACC}.0,"))
    assert str(ACC) in set(mr.datasets.embed(tmp_path, images=False).exams["exam_id"])


def test_annotations_have_both_breasts(tmp_path: Path) -> None:
    found = mr.datasets.embed.annotations(embed(tmp_path, images=False))
    both = found[found["exam_id"] == str(ACC + 4)]
    assert both["laterality"].tolist() == ["L", "R"]
    assert both["side_recorded"].tolist() == ["B", "B"]
    assert not found[found["exam_id"] == str(ACC + 1)]["implied"].any()
    # A bilateral exam with a finding of one breast alone: the other one was negative.
    implied = found[found["implied"]]
    assert implied[["exam_id", "laterality", "birads"]].to_numpy().tolist() == [
        [str(ACC + 10), "R", "1"]
    ]
    assert set(found["pathology"].dropna()) == {"benign", "in situ", "invasive"}


def test_rois_are_turned_back_from_flipped_pictures(tmp_path: Path) -> None:
    rois = mr.datasets.embed.rois(embed(tmp_path, images=False))
    left, right = (rois[rois["laterality"] == side].iloc[0] for side in "LR")
    assert left[["x_min", "y_min", "x_max", "y_max"]].tolist() == [5, 10, 15, 30]
    # The picture of a right breast is flipped: 48 columns.
    assert right[["x_min", "y_min", "x_max", "y_max"]].tolist() == [32, 10, 42, 30]
    assert bool(right["is_flipped"])
    path = tmp_path / "tables" / "EMBED_OpenData_metadata.csv"
    path.write_text(path.read_text().replace("PatientOrientation", "Other"))
    unknown = mr.datasets.embed.rois(tmp_path)
    assert unknown["is_flipped"].isna().all()
    assert unknown["x_min"].isna().all()


def test_a_partial_download_is_named(tmp_path: Path) -> None:
    embed(tmp_path, images=False)
    (tmp_path / "tables" / "EMBED_OpenData_metadata.csv").unlink()
    with pytest.raises(DatasetError, match="EMBED_OpenData_metadata"):
        mr.datasets.embed(tmp_path)
    assert len(mr.datasets.embed(tmp_path, images=False)) == 5
    states = mr.datasets.embed.check(tmp_path).table.set_index("part")["state"].to_dict()
    assert states == {"clinical": "complete", "metadata": "missing", "images": "missing"}
    with pytest.raises(DatasetError, match="no such folder") as error:
        mr.datasets.embed(tmp_path / "nowhere")
    assert "Emory" in str(error.value)


def test_it_can_be_evaluated(tmp_path: Path) -> None:
    cohort = mr.datasets.embed(embed(tmp_path, images=False))
    risks = np.linspace(0.05, 0.01, len(cohort))
    report = mr.evaluate({"score": risks}, cohort, horizons=[1], published=())
    assert len(report.discrimination)
