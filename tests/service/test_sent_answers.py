"""Answers as JSON and as a FHIR QuestionnaireResponse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mammorisk.errors import QuestionnaireError
from mammorisk.service.sent_answers import read_sent_answers


def response(items: list[dict[str, Any]], **changed: Any) -> bytes:
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}
    body = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://127.0.0.1:9/never-fetched",
        "status": "completed",
        "basedOn": [{"identifier": {"type": kind, "value": "A1"}}],
        "item": items,
    }
    return json.dumps(body | changed).encode()


def answer(link: str, **value: Any) -> dict[str, Any]:
    return {"linkId": link, "answer": [value]}


AGE = answer("age", valueInteger=54)


def test_a_fhir_response() -> None:
    group = {
        "linkId": "about-you",
        "item": [
            AGE,
            answer("race_ethnicity", valueCoding={"code": "white"}),
            answer("height_cm", valueQuantity={"value": 163.0, "code": "cm"}),
            answer("prior_breast_cancer", valueBoolean=False),
            {"linkId": "onset_mother", "answer": [{"valueInteger": 47}]},
            answer("favourite-colour", valueString="blue"),
            {"linkId": "comment"},
        ],
    }
    sent = read_sent_answers(response([group, answer("parity", valueDecimal=2.0)]))
    assert sent.accession == "A1"
    assert sent.answers == {
        **{"age": 54.0, "race_ethnicity": "white", "height_cm": 163.0, "parity": 2},
        **{"prior_breast_cancer": False, "onset_mother": (47.0,)},
    }
    assert sent.not_used == ("favourite-colour",)
    assert "A1" not in repr(sent)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"accession": "", "answers": {"age": 54}}', "missing"),
        (b'{"accession": "A1", "answers": {"age": 540}}', "age"),
        (b'{"accession": "A1", "answers": {"years": 54}}', "no such field"),
        (b"[1]", "not a JSON object"),
        (b"[" * 200_000, "RecursionError|not a JSON"),
        (b" " * (2**20 + 1), "more than 1 MB"),
        (response([AGE], status="in-progress"), "completed"),
        (response([AGE], basedOn=[]), "accession"),
        (response([AGE], basedOn=[{"identifier": {"value": "A1"}}]), "accession"),
        (response([AGE, AGE]), "twice"),
        (response([answer("favourite-colour", valueString="blue")]), "no item"),
        (response([answer("height_cm", valueQuantity={"value": 5.4, "code": "[ft_i]"})]), "in cm"),
        (response([answer("age", valueDate="1970-01-01")]), "no value"),
        (response([{"linkId": "age", "answer": [{"valueInteger": 1}] * 2}]), "several answers"),
        (response([answer("parity", valueInteger=1)]), "age: required"),
        (b'{"resourceType": "Patient"}', "QuestionnaireResponse"),
    ],
)
def test_what_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(QuestionnaireError, match=told) as caught:
        read_sent_answers(body)
    assert caught.value.remedy
