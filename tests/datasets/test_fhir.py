"""FHIR: codes, nested answers, resources that are void, relatives, partial dates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import DatasetError

LOINC, SNOMED, ROLE = "http://loinc.org", "http://snomed.info/sct", "http://terminology.hl7.org/v3"
ICD = "http://hl7.org/fhir/sid/icd-10"


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def of(woman: str, kind: str, **content: Any) -> dict[str, Any]:
    reference = "patient" if kind == "FamilyMemberHistory" else "subject"
    return {"resourceType": kind, reference: {"reference": f"Patient/{woman}"}, **content}


def quantity(
    woman: str, code: str, date: str, value: float, unit: str, status: str = "final"
) -> Any:
    return of(
        woman,
        "Observation",
        status=status,
        code=coded(LOINC, code),
        effectiveDateTime=date,
        valueQuantity={"value": value, "code": unit},
    )


def resources() -> list[dict[str, Any]]:
    mammogram = {"status": "available", "modality": [{"code": "MG"}]}
    return [
        {"resourceType": "Patient", "id": "a", "gender": "female", "birthDate": "1960-03-01"},
        {
            "resourceType": "Patient",
            "id": "b",
            "gender": "female",
            "birthDate": "1955",
            "deceasedDateTime": "2019-05-01",
        },
        {"resourceType": "Patient", "id": "c", "gender": "male", "birthDate": "1955-01-01"},
        of("a", "ImagingStudy", started="2015-03-01T10:00:00Z", **mammogram),
        of("a", "ImagingStudy", started="2017-03-01T10:00:00Z", **mammogram),
        of(
            "b",
            "Procedure",
            status="completed",
            code=coded(SNOMED, "71651007"),
            performedDateTime="2016-01-01",
        ),
        of(
            "b",
            "Procedure",
            status="not-done",
            code=coded(SNOMED, "71651007"),
            performedDateTime="2014-01-01",
        ),
        of("c", "ImagingStudy", started="2015-03-01", **mammogram),
        quantity("a", "8302-2", "2014-01-01", 64, "[in_i]"),
        quantity("a", "29463-7", "2013-01-01", 70, "kg"),
        quantity("a", "29463-7", "2014-06-01", 72, "kg"),
        quantity("a", "29463-7", "2016-06-01", 90, "kg"),
        quantity("a", "29463-7", "2014-08-01", 7.2, "kg", status="entered-in-error"),
        quantity("b", "29463-7", "2014-06-01", 11, "[stone_av]"),
        of("a", "Condition", code=coded(ICD, "C50.9"), onsetDateTime="2018-03-01"),
        of(
            "b",
            "Condition",
            code=coded(SNOMED, "254837009"),
            onsetDateTime="2017-01-01",
            verificationStatus=coded("x", "refuted"),
        ),
        of(
            "a",
            "FamilyMemberHistory",
            status="completed",
            relationship=coded(ROLE, "MTH"),
            condition=[{"code": coded(SNOMED, "254837009"), "onsetAge": {"value": 48}}],
        ),
        of(
            "a",
            "FamilyMemberHistory",
            status="completed",
            relationship=coded(ROLE, "MAUNT"),
            condition=[{"code": coded(SNOMED, "254837009")}],
        ),
        of(
            "a",
            "QuestionnaireResponse",
            status="completed",
            authored="2014-01-01",
            item=[
                {
                    "linkId": "1",
                    "item": [
                        {
                            "linkId": "hrt",
                            "answer": [{"valueCoding": {"code": "Y2", "display": "Yes, now"}}],
                        },
                        {"linkId": "biopsies", "answer": [{"valueInteger": 1}]},
                    ],
                },
                {
                    "linkId": "menarche",
                    "code": [{"system": LOINC, "code": "42798-9"}],
                    "answer": [{"valueDecimal": 12.5}],
                },
            ],
        ),
        {"resourceType": "Observation", "status": "final", "code": coded(LOINC, "8302-2")},
    ]


MAPPING = {
    "fields": {
        "hrt_use": {"link_ids": ["hrt"], "values": {"y2": "current", "n": "never"}},
        "biopsies": {"link_ids": ["biopsies"]},
    }
}


def test_exams_and_outcomes() -> None:
    cohort = mr.datasets.fhir(
        {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources()]}
    )
    exams = cohort.exams.set_index("patient_id")
    assert exams["exam_id"].to_dict() == {"a": "a-20150301", "b": "b-20160101"}
    assert exams["event"].to_dict() == {"a": 1, "b": 2}
    assert exams.loc["a", "time"] == pytest.approx(3, abs=0.01)
    # A refuted cancer is none; a birth date of a year alone is its middle.
    assert exams.loc["b", "time"] == pytest.approx(3.33, abs=0.01)
    assert exams.loc["b", "age"] == pytest.approx(60.5, abs=0.01)
    counts = cohort.exclusions.set_index(["table", "reason"])["rows"].to_dict()
    assert counts["resources", "entered in error, or never done"] == 3
    assert counts["resources", "belongs to no patient"] == 1
    assert counts["exams", "the patient is male"] == 1
    assert counts["exams", "not the first exam of the woman"] == 1


def test_answers() -> None:
    cohort = mr.datasets.fhir(resources(), mapping=MAPPING)
    exams = cohort.exams.set_index("patient_id")
    assert exams.loc["a", "height_cm"] == pytest.approx(162.56)
    # The latest before the exam; the one entered in error does not count.
    assert exams.loc["a", "weight_kg"] == 72
    assert pd.isna(exams.loc["b", "weight_kg"])
    assert any(one.text.startswith("weight_kg: 1 values") for one in cohort.warnings)
    # Nested items, by linkId and by code.
    assert exams.loc["a", ["hrt_use", "biopsies", "age_menarche"]].tolist() == ["current", 1, 12.5]
    # A mother counts and an aunt does not; without a family history nothing is known.
    assert exams.loc["a", "first_degree_relatives"] == 1
    assert exams.loc["a", "onset_mother"] == (48,)
    assert pd.isna(exams.loc["b", "first_degree_relatives"])


def test_files(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(one) for one in resources())
    (tmp_path / "all.ndjson").write_text(lines)
    assert len(mr.datasets.fhir(tmp_path)) == 2
    (tmp_path / "all.ndjson").write_text(lines[:-5])
    with pytest.raises(DatasetError, match="cannot be read"):
        mr.datasets.fhir(tmp_path)


@pytest.mark.parametrize("wrong", [{"a": 1}, 5, [], [{"resourceType": "Patient", "id": "1"}]])
def test_what_is_no_cohort(wrong: Any) -> None:
    with pytest.raises(DatasetError):
        mr.datasets.fhir(wrong)


def test_mapping_is_checked() -> None:
    with pytest.raises(DatasetError, match="no Questionnaire field"):
        mr.datasets.fhir(resources(), mapping={"fields": {"tallness": {}}})
