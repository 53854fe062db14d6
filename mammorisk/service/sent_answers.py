"""Answers that are sent to the server: as JSON, or as a FHIR R4 QuestionnaireResponse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mammorisk.errors import QuestionnaireError
from mammorisk.io.answers_file import parse_answers
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.records.questionnaire_fields import FIELDS, RELATIVES

#: Code of an accession number among the types of identifiers.
_ACCESSION = "ACSN"
#: Types of a FHIR answer that can be the value of a field.
_VALUES = ("valueBoolean", "valueInteger", "valueDecimal", "valueString")
_STATUSES = ("completed", "amended")
#: UCUM unit of a quantity by the end of the name of its field, or by its name.
_UNITS = {"_cm": "cm", "_kg": "kg", "_g_per_day": "g/d", "bmi": "kg/m2"}
_YEARS = "a"
#: Largest depth of nested items.
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class SentAnswers:
    """Answers of one woman, and the accession number of her exam.

    Attributes
    ----------
    accession : str
    answers : dict
        Fields of a questionnaire, checked.
    not_used : tuple of str
        Links of answered items that are not fields of a questionnaire.
    """

    accession: str = field(repr=False)
    answers: dict[str, Any]
    not_used: tuple[str, ...] = ()


def read_sent_answers(content: bytes) -> SentAnswers:
    """Read the body of a request. No address in it is fetched.

    Parameters
    ----------
    content : bytes
        ``{"accession": ..., "answers": {...}}``, or a FHIR R4 QuestionnaireResponse whose links are
        the fields of a questionnaire, and whose ``basedOn`` has the accession number as an
        identifier.

    Raises
    ------
    QuestionnaireError
        It has another form, or an answer is impossible.

    Examples
    --------
    >>> from mammorisk.service.sent_answers import read_sent_answers
    >>> read_sent_answers(b'{"accession": "A1", "answers": {"age": 54}}').answers
    {'age': 54.0}
    """
    body = parse_answers(content)
    sent = _from_fhir(body) if "resourceType" in body else _from_json(body)
    checked = Questionnaire(**sent.answers)
    known = {name: value for name, value in checked if value is not None and name in sent.answers}
    return SentAnswers(accession=sent.accession, answers=known, not_used=sent.not_used)


def _from_json(body: Mapping[str, Any]) -> SentAnswers:
    accession, answers = body.get("accession"), body.get("answers")
    if not isinstance(accession, str) or not accession.strip() or not isinstance(answers, dict):
        raise QuestionnaireError(
            "the accession number or the answers are missing",
            where="questionnaire",
            remedy='Send {"accession": "...", "answers": {"age": 54}}.',
        )
    return SentAnswers(accession=accession, answers=answers)


def _from_fhir(body: Mapping[str, Any]) -> SentAnswers:
    if body.get("resourceType") != "QuestionnaireResponse" or body.get("status") not in _STATUSES:
        raise QuestionnaireError(
            "the resource is not a completed QuestionnaireResponse",
            where="resourceType and status",
            remedy=f"Send a QuestionnaireResponse whose status is {' or '.join(_STATUSES)}.",
        )
    answers: dict[str, Any] = {}
    not_used: list[str] = []
    for item in _items(body, 0):
        link = str(item.get("linkId", ""))
        given = _list(item.get("answer"))
        if not given:
            continue
        if link not in FIELDS:
            not_used.append(link)
        elif link in answers:
            raise QuestionnaireError(
                "the item is there twice", where=link, remedy="Send one answer for each field."
            )
        else:
            values = [_value(link, one) for one in given]
            if link not in RELATIVES and len(values) > 1:
                raise QuestionnaireError(
                    "the item has several answers", where=link, remedy="Send one answer."
                )
            answers[link] = values if link in RELATIVES else values[0]
    if not answers:
        raise QuestionnaireError(
            "no item is a field of a questionnaire",
            where="item.linkId",
            remedy="Name the items like the fields of mammorisk.Questionnaire, such as age.",
        )
    return SentAnswers(
        accession=_accession(body), answers=answers, not_used=tuple(dict.fromkeys(not_used))
    )


def _items(node: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """Items in groups, and those below the answers of others."""
    if depth > _DEEPEST:
        raise QuestionnaireError(
            "the items are nested too deeply", where="item", remedy="Send a flat list of items."
        )
    for item in _list(node.get("item")):
        if isinstance(item, Mapping):
            yield item
            yield from _items(item, depth + 1)
            for answer in _list(item.get("answer")):
                if isinstance(answer, Mapping):
                    yield from _items(answer, depth + 1)


def _value(link: str, answer: Any) -> Any:
    if isinstance(answer, Mapping):
        for kind in _VALUES:
            if kind in answer:
                return answer[kind]
        coding = answer.get("valueCoding")
        if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
            return coding["code"]
        quantity = answer.get("valueQuantity")
        if isinstance(quantity, Mapping) and "value" in quantity:
            return _in_unit(link, quantity)
    raise QuestionnaireError(
        "the answer has no value that can be used",
        where=link,
        remedy=f"Send one of {', '.join(_VALUES)}, valueCoding with a code, or valueQuantity.",
    )


def _in_unit(link: str, quantity: Mapping[str, Any]) -> Any:
    wanted = next((unit for end, unit in _UNITS.items() if link.endswith(end)), _YEARS)
    if quantity.get("code", quantity.get("unit")) != wanted or "comparator" in quantity:
        raise QuestionnaireError(
            f"the quantity is not a value in {wanted} (UCUM)",
            where=link,
            remedy=f"Send the value in {wanted}.",
        )
    return quantity["value"]


def _accession(body: Mapping[str, Any]) -> str:
    found = set()
    for reference in _list(body.get("basedOn")):
        identifier = reference.get("identifier") if isinstance(reference, Mapping) else None
        if not isinstance(identifier, Mapping):
            continue
        kind = identifier.get("type")
        codings = _list(kind.get("coding")) if isinstance(kind, Mapping) else []
        is_accession = any(
            isinstance(one, Mapping) and one.get("code") == _ACCESSION for one in codings
        )
        value = identifier.get("value")
        if is_accession and isinstance(value, str) and value.strip():
            found.add(value.strip())
    if len(found) != 1:
        raise QuestionnaireError(
            "there is no accession number, or there are several",
            where="basedOn.identifier",
            remedy=f"Send one identifier of the type {_ACCESSION} (v2-0203).",
        )
    return found.pop()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
