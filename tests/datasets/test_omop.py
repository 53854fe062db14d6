"""OMOP: concepts as data, units, observation periods, deaths, several drivers."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError

DAYS = 365.25
FEMALE, MALE = 8532, 8507
MAMMOGRAPHY, BILATERAL, BREAST_CANCER, DUCTAL, BIOPSY = 4324693, 99001, 4112853, 99002, 99003
HEIGHT, WEIGHT, MENARCHE, CM, INCH, KG, STONE = 3036277, 3025315, 99004, 8582, 9330, 9529, 99005

TABLES: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "person": (
        "person_id, gender_concept_id, year_of_birth, month_of_birth, day_of_birth",
        [
            (1, FEMALE, 1960, 3, 1),
            (2, FEMALE, 1955, None, None),
            (3, FEMALE, 1950, 6, 15),
            (4, MALE, 1950, 1, 1),
            (5, FEMALE, 1958, 1, 1),
            (6, FEMALE, 1949, 5, 5),
        ],
    ),
    "observation_period": (
        "person_id, observation_period_start_date, observation_period_end_date",
        [
            (1, "2010-01-01", "2020-12-31"),
            (2, "2010-01-01", "2014-12-31"),
            (2, "2016-01-01", "2018-12-31"),
            (3, "2010-01-01", "2017-06-30"),
            (4, "2010-01-01", "2020-12-31"),
            (5, "2016-01-01", "2020-12-31"),
            (6, "2010-01-01", "2020-12-31"),
        ],
    ),
    "procedure_occurrence": (
        "person_id, procedure_concept_id, procedure_date",
        [
            (1, BILATERAL, "2012-03-01"),
            (1, MAMMOGRAPHY, "2014-03-01"),
            (1, BIOPSY, "2011-01-01"),
            (1, BIOPSY, "2011-01-01"),
            (1, BIOPSY, "2013-01-01"),
            (2, MAMMOGRAPHY, "2013-01-01"),
            (3, MAMMOGRAPHY, "2013-01-01"),
            (4, MAMMOGRAPHY, "2013-01-01"),
            (5, MAMMOGRAPHY, "2013-01-01"),
            (6, MAMMOGRAPHY, "2013-01-01"),
            (99, MAMMOGRAPHY, "2013-01-01"),
        ],
    ),
    "condition_occurrence": (
        "person_id, condition_concept_id, condition_start_date",
        [
            (1, DUCTAL, "2016-03-01"),
            (1, BREAST_CANCER, "2017-03-01"),
            # After the end of the observation period that holds the exam.
            (2, BREAST_CANCER, "2016-05-01"),
            (6, BREAST_CANCER, "2011-01-01"),
        ],
    ),
    "measurement": (
        "person_id, measurement_concept_id, measurement_date, value_as_number, "
        "value_as_concept_id, unit_concept_id",
        [
            (1, HEIGHT, "2011-01-01", 64.0, None, INCH),
            (1, WEIGHT, "2011-01-01", 70.0, None, KG),
            (1, WEIGHT, "2012-01-01", 72.0, None, KG),
            (1, WEIGHT, "2015-01-01", 99.0, None, KG),
            (2, HEIGHT, "2011-01-01", 165.0, None, CM),
            # No unit, and one that nobody named.
            (2, WEIGHT, "2011-01-01", 70.0, None, None),
            (3, WEIGHT, "2011-01-01", 10.0, None, STONE),
        ],
    ),
    "observation": (
        "person_id, observation_concept_id, observation_date, value_as_number, "
        "value_as_concept_id, unit_concept_id",
        [(1, MENARCHE, "2011-01-01", 13.0, None, None)],
    ),
    "death": ("person_id, death_date", [(3, "2017-07-02"), (1, "2019-01-01")]),
    "concept": (
        "concept_id, vocabulary_id, concept_code",
        [
            (MAMMOGRAPHY, "SNOMED", "71651007"),
            (BREAST_CANCER, "SNOMED", "254837009"),
            (BIOPSY, "SNOMED", "122548005"),
            (MENARCHE, "LOINC", "42798-9"),
        ],
    ),
    "concept_ancestor": (
        "descendant_concept_id, ancestor_concept_id",
        [(BILATERAL, MAMMOGRAPHY), (DUCTAL, BREAST_CANCER), (BIOPSY, BIOPSY)],
    ),
}


def database(connection: Any) -> Any:
    for name, (columns, rows) in TABLES.items():
        names = [one.strip() for one in columns.split(",")]
        words = ("date", "concept_code", "vocabulary_id")
        # DuckDB wants types.
        kinds = ", ".join(
            f"{one} {'VARCHAR' if one.endswith(words) else 'DOUBLE'}" for one in names
        )
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE {name} ({kinds})")
        marks = ", ".join("?" * len(columns.split(",")))
        cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    return connection


@pytest.fixture
def sqlite() -> Any:
    return database(sqlite3.connect(":memory:"))


def test_exams_and_reasons(sqlite: Any) -> None:
    cohort = mr.datasets.omop(sqlite)
    assert cohort.exclusions.set_index("reason")["rows"].to_dict() == {
        "no such person": 1,
        "not recorded as a woman": 1,
        "outside of the observation periods": 1,
        "not the first exam of the woman": 1,
        "kept": 4,
    }
    exams = cohort.exams.set_index("patient_id")
    # A mammogram below the concept in the hierarchy counts.
    assert exams.loc["1", "exam_id"] == "1-20120301"
    assert exams.loc["1", "age"] == 52.0
    # No birthday: the middle of the year.
    assert exams.loc["2", "age"] == pytest.approx(57.5, abs=0.01)


def test_outcomes(sqlite: Any) -> None:
    exams = mr.datasets.omop(sqlite).exams.set_index("patient_id")
    days = (pd.Timestamp("2016-03-01") - pd.Timestamp("2012-03-01")).days
    # A cancer below the concept, and a death after it.
    assert exams.loc["1", "time"] == pytest.approx(days / DAYS)
    assert exams["event"].to_dict() == {"1": 1, "2": 0, "3": 2, "6": 0}
    # Cancer after the end of the period of the exam: nobody watched in between.
    assert exams.loc["2", "time"] == pytest.approx(729 / DAYS, abs=0.003)
    assert exams.loc["6", "prior_breast_cancer"]
    assert pd.isna(exams.loc["1", "prior_breast_cancer"])


def test_values_before_the_exam_in_their_units(sqlite: Any) -> None:
    cohort = mr.datasets.omop(sqlite)
    exams = cohort.exams.set_index("patient_id")
    assert exams.loc["1", "height_cm"] == pytest.approx(162.56)
    # The latest before the exam, not the later one.
    assert exams.loc["1", "weight_kg"] == 72
    assert exams.loc["1", "age_menarche"] == 13
    assert exams.loc["1", "biopsies"] == 1
    # No record of a biopsy is not "none".
    assert pd.isna(exams.loc["2", "biopsies"])
    # No unit, and an unknown unit: unknown, and counted.
    assert exams.loc[["2", "3"], "weight_kg"].isna().all()
    assert any(one.text.startswith("weight_kg: 2 values") for one in cohort.warnings)


def test_mapping_is_data(sqlite: Any, tmp_path: Path) -> None:
    path = tmp_path / "local.yaml"
    path.write_text(
        "fields:\n  weight_kg:\n    table: measurement\n    concepts: [3025315]\n"
        "    units: {9529: kg, 99005: st}\n    unit_if_none: kg\n"
    )
    exams = mr.datasets.omop(sqlite, mapping=path).exams.set_index("patient_id")
    assert exams.loc["3", "weight_kg"] == pytest.approx(63.5, abs=0.01)
    assert exams.loc["2", "weight_kg"] == 70
    # The other fields are still mapped.
    assert exams.loc["1", "age_menarche"] == 13
    with pytest.raises(DatasetError, match="no Questionnaire field"):
        mr.datasets.omop(sqlite, mapping={"fields": {"mass": {"table": "measurement"}}})
    wrong = {"weight_kg": {"table": "measurement", "units": {1: "pounds"}}}
    with pytest.raises(DatasetError, match="unit 'pounds'"):
        mr.datasets.omop(sqlite, mapping={"fields": wrong})


def test_exams_of_the_user(sqlite: Any) -> None:
    index = pd.DataFrame({"person_id": [1, 1], "date": ["2012-03-01", "2014-03-01"]})
    cohort = mr.datasets.omop(sqlite, index=index)
    assert len(cohort) == 2
    assert cohort.exams["biopsies"].tolist() == [1, 2]
    with pytest.raises(DatasetError, match="no column date"):
        mr.datasets.omop(sqlite, index=index[["person_id"]])


def test_codes_are_no_sql(sqlite: Any) -> None:
    wrong = {"table": "measurement", "codes": ["LOINC:1' OR '1'='1"]}
    with pytest.raises(DatasetError, match="no vocabulary:code"):
        mr.datasets.omop(sqlite, mapping={"fields": {"bmi": wrong}})
    with pytest.raises(DatasetError, match="no name of a schema"):
        mr.datasets.omop(sqlite, schema="a; DROP TABLE person")


def test_another_layout_is_named(sqlite: Any) -> None:
    sqlite.execute("DROP TABLE death")
    with pytest.raises(DatasetError, match="no table death"):
        mr.datasets.omop(sqlite)


def test_duckdb() -> None:
    duckdb = pytest.importorskip("duckdb")
    cohort = mr.datasets.omop(database(duckdb.connect(":memory:")))
    assert cohort.exams["event"].tolist() == [1, 0, 2, 0]
    assert cohort.exams["patient_id"].tolist() == ["1", "2", "3", "6"]


def test_sqlalchemy(tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    database(sqlite3.connect(tmp_path / "omop.db")).commit()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'omop.db'}")
    with engine.connect() as connection:
        cohort = mr.datasets.omop(connection)
    assert cohort.exams["event"].tolist() == [1, 0, 2, 0]


def test_it_can_be_scored(sqlite: Any) -> None:
    risks = mr.predict(mr.datasets.omop(sqlite), model="bcrat")
    assert len(risks) == 4
    # A cancer before the exam: the model refuses.
    assert "prior-breast-cancer" in risks["warning_codes"].iloc[3]


@pytest.mark.parametrize("wrong", [{"fields": [1]}, {"female": "x"}, [1], {"fields": {"bmi": 5}}])
def test_mappings_that_are_none(sqlite: Any, wrong: Any) -> None:
    with pytest.raises(DatasetError):
        mr.datasets.omop(sqlite, mapping=wrong)
