"""NL-Breast-Screening: backslashes, folders that contradict the table."""

from __future__ import annotations

from pathlib import Path

import mammorisk as mr
from tests.datasets.miniatures import nlbs


def test_exams(tmp_path: Path) -> None:
    cohort = mr.datasets.nlbs(nlbs(tmp_path, images=False))
    columns = ["exam_id", "age", "cancer", "false_positive"]
    assert cohort.exams[columns].to_numpy().tolist() == [
        ["000000000001", 55, 1, 0],
        ["000000000002", 55, 0, 1],
    ]
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "no number of 12 digits in the path": 1,
        "kept": 8,
    }


def test_backslashes_lead_to_files(tmp_path: Path) -> None:
    cohort = mr.datasets.nlbs(nlbs(tmp_path))
    assert len(cohort) == 2
    for row in range(2):
        assert not cohort.open_exam(row).missing


def test_the_table_counts_more_than_the_folders(tmp_path: Path) -> None:
    cohort = mr.datasets.nlbs(nlbs(tmp_path))
    told = [one.text for one in cohort.warnings if one.code == "view-contradiction"]
    assert told[0].startswith("4 folders name another view")
    assert cohort.open_exam(1)["L-CC"].laterality == "L"
