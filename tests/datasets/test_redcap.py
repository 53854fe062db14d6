"""REDCap: raw and label exports, dictionaries, rows by event, identifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError, QuestionnaireError
from tests.datasets.miniatures import write_csv

DICTIONARY = (
    "Variable / Field Name",
    "Field Type",
    "Choices, Calculations, OR Slider Labels",
    "Identifier?",
)
MAPPING: dict[str, Any] = {
    "age": "age_at_visit",
    "height_cm": {"column": "height_in", "unit": "in"},
    "hrt_use": {
        "column": "hrt",
        "values": {1: "never", 2: "former", 3: "current"},
        "missing": [99],
    },
    "first_degree_relatives": {"column": "fh", "values": {0: 0, 1: 1}},
}


def project(folder: Path, *, labels: bool = False) -> tuple[Path, Path]:
    hrt = {"1": "Never", "2": "Former, stopped", "3": "Current", "99": "Unknown"}
    dictionary = write_csv(
        folder / "dictionary.csv",
        DICTIONARY,
        [
            ["record_id", "text", "", ""],
            ["name", "text", "", "y"],
            ["age_at_visit", "text", "", ""],
            ["height_in", "text", "", ""],
            ["hrt", "radio", " | ".join(f"{code}, {word}" for code, word in hrt.items()), ""],
            ["fh", "yesno", "", ""],
        ],
    )
    rows = [["001", "A", 54, 64, "2", "1"], ["002", "B", 61, "", "99", "0"]]
    if labels:
        for row in rows:
            row[4], row[5] = hrt[str(row[4])], {"1": "Yes", "0": "No"}[str(row[5])]
    header = ("record_id", "name", "age_at_visit", "height_in", "hrt", "fh")
    return write_csv(folder / "export.csv", header, rows), dictionary


@pytest.mark.parametrize("labels", [False, True])
def test_codes_and_labels_give_the_same(tmp_path: Path, labels: bool) -> None:
    export, dictionary = project(tmp_path, labels=labels)
    cohort = mr.datasets.redcap(export, MAPPING, dictionary=dictionary)
    exams = cohort.exams
    assert exams["patient_id"].tolist() == ["001", "002"]
    assert exams["age"].tolist() == [54, 61]
    assert exams["height_cm"].iloc[0] == pytest.approx(162.56)
    assert exams["hrt_use"].iloc[0] == "former"
    assert pd.isna(exams["hrt_use"].iloc[1])
    assert exams["first_degree_relatives"].tolist() == [1, 0]
    # A column that the project marks as an identifier is not in the cohort.
    assert "name" not in exams
    assert cohort.outcome_kind == "none"


def test_codes_that_the_project_does_not_have(tmp_path: Path) -> None:
    export, dictionary = project(tmp_path)
    wrong = {**MAPPING, "hrt_use": {"column": "hrt", "values": {0: "never", 2: "former"}}}
    with pytest.raises(DatasetError, match="has no code 0"):
        mr.datasets.redcap(export, wrong, dictionary=dictionary)
    missing = {**MAPPING, "hrt_use": {"column": "hrt", "values": {2: "former"}}}
    with pytest.raises(QuestionnaireError, match="'99' in 1 rows"):
        mr.datasets.redcap(export, missing, dictionary=dictionary)


def test_rows_of_one_record(tmp_path: Path) -> None:
    header = ("record_id", "redcap_event_name", "age_at_visit", "fh")
    rows = [["1", "baseline", 54, ""], ["1", "family", "", 1], ["2", "baseline", 60, 0]]
    path = write_csv(tmp_path / "export.csv", header, rows)
    mapping = {"age": "age_at_visit", "first_degree_relatives": "fh"}
    exams = mr.datasets.redcap(path, mapping).exams
    assert exams[["age", "first_degree_relatives"]].to_numpy().tolist() == [[54, 1], [60, 0]]
    # Two visits: an age each. Put together they would contradict each other.
    rows.append(["2", "year_5", 65, ""])
    write_csv(path, header, rows)
    with pytest.raises(DatasetError, match="contradict each other in age_at_visit"):
        mr.datasets.redcap(path, mapping)
    by_visit = mr.datasets.redcap(path, mapping, exam="redcap_event_name")
    assert by_visit.exams["exam_id"].tolist() == [
        "1-baseline",
        "1-family",
        "2-baseline",
        "2-year_5",
    ]


def test_outcomes(tmp_path: Path) -> None:
    rows = [["1", 54, 2.5, 1], ["2", 60, 5, 0]]
    path = write_csv(tmp_path / "export.csv", ("record_id", "age", "years", "bc"), rows)
    mapping = {"age": "age", "time": "years", "event": {"column": "bc", "values": {0: 0, 1: 1}}}
    cohort = mr.datasets.redcap(path, mapping)
    assert cohort.outcome_kind == "survival"
    assert cohort.exams["event"].tolist() == [1, 0]


def test_no_record(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "export.csv", ("id", "age"), [["1", 50]])
    with pytest.raises(DatasetError, match="no column record_id"):
        mr.datasets.redcap(path, {"age": "age"})
    with pytest.raises(DatasetError, match="not a data dictionary"):
        mr.datasets.redcap(path, {"age": "age"}, dictionary=path, record="id")
