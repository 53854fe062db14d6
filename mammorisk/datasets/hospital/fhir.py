"""fhir(): questionnaires and outcomes from resources of FHIR R4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator

from mammorisk.datasets.dataset_cohort import DatasetCohort, build_cohort
from mammorisk.datasets.exclusions import Exclusions
from mammorisk.datasets.hospital.fhir_resources import (
    all_resources,
    codings,
    has_code,
    read_dates,
    resource_rows,
)
from mammorisk.datasets.hospital.mapping import check_units, merge_mapping
from mammorisk.datasets.layout import load_layout
from mammorisk.datasets.questionnaire_mapping import UNITS
from mammorisk.errors import DatasetError
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

_DAYS = 365.25


class CodedField(BaseModel):
    """Codes of a field, and how their values are read.

    Attributes
    ----------
    codes : tuple of str
        ``system|code`` of an Observation, or of the item of a Questionnaire.
    link_ids : tuple of str
        ``linkId`` of an item of a QuestionnaireResponse.
    units : dict of str to str
        Unit of UCUM -> unit, of a field that has units.
    values : dict of str to object
        Code or text of an answer -> value of the field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codes: tuple[str, ...] = ()
    link_ids: tuple[str, ...] = ()
    units: dict[str, str] = {}
    values: dict[str, Any] = {}

    @field_validator("values", mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {str(code).strip().lower(): value for code, value in values.items()}


class FhirMapping(BaseModel):
    """Codes of exams, cancers, relatives and the fields of a questionnaire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mammogram: tuple[str, ...]
    cancer: tuple[str, ...]
    relatives: dict[str, str]
    fields: dict[str, CodedField]

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, fields: dict[str, CodedField]) -> dict[str, CodedField]:
        check_units({name: one.units.values() for name, one in fields.items()})
        return fields


def fhir(
    bundle: Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | Path,
    *,
    mapping: Mapping[str, Any] | str | Path | None = None,
) -> DatasetCohort:
    """Read questionnaires and outcomes from resources of FHIR R4.

    Parameters
    ----------
    bundle : dict, list of dict, or path
        A Bundle, a list of bundles or resources, a JSON file, an NDJSON file, or a folder with such
        files (a bulk export).
    mapping : dict or path, optional
        Changes to the mapping: a dictionary or YAML file with any of ``mammogram``, ``cancer``,
        ``relatives`` and ``fields``. An entry of ``fields`` replaces that of the same field. Codes
        are ``system|code``; items of a questionnaire are named by ``link_ids``.

    Returns
    -------
    DatasetCohort
        One row for each woman: ``age`` at the exam, the fields of the mapping,
        ``first_degree_relatives`` and ages at onset from FamilyMemberHistory, ``time`` (years to
        the first breast cancer after the exam, death, or the last date of any resource) and
        ``event``. Resources that are entered in error, cancelled or refuted are excluded.

    Raises
    ------
    DatasetError
        The input is not FHIR, has no mammogram, or the mapping is wrong.

    See Also
    --------
    mammorisk.datasets.omop : The same from a database.
    mammorisk.datasets.redcap : The same from an export of REDCap.

    Examples
    --------
    >>> import mammorisk as mr
    >>> woman = {"reference": "Patient/1"}
    >>> loinc = {"coding": [{"system": "http://loinc.org", "code": "42798-9"}]}
    >>> resources = [
    ...     {"resourceType": "Patient", "id": "1", "birthDate": "1960-03-01", "gender": "female"},
    ...     {"resourceType": "ImagingStudy", "status": "available", "subject": woman,
    ...      "started": "2015-03-01", "modality": [{"code": "MG"}]},
    ...     {"resourceType": "Observation", "status": "final", "code": loinc, "subject": woman,
    ...      "effectiveDateTime": "2014-01-01", "valueQuantity": {"value": 13}},
    ... ]
    >>> cohort = mr.datasets.fhir(resources)
    >>> cohort.exams[["patient_id", "age", "age_menarche", "event"]]
      patient_id   age  age_menarche  event
    0          1  55.0            13      0
    """
    layout = load_layout("fhir")
    wanted = merge_mapping(FhirMapping, layout.codes, mapping)
    exclusions = Exclusions()
    warnings: list[TableWarning] = []

    def say(code: str, text: str) -> None:
        warnings.append(TableWarning(warning=make_warning(code, text)))

    rows = resource_rows(all_resources(bundle))
    exclusions.start("resources", rows)
    rows = exclusions.drop("resources", rows, rows["is_void"], "entered in error, or never done")
    of_nobody = rows["patient_id"].isna()
    rows = exclusions.drop("resources", rows, of_nobody, "belongs to no patient")
    patients = rows[rows["kind"] == "Patient"].drop_duplicates("patient_id")
    exams = _exams(rows, wanted.mammogram)
    exclusions.start("exams", exams)
    known = patients.set_index("patient_id")["resource"]
    there = exams["patient_id"].isin(known.index)
    exams = exclusions.drop("exams", exams, ~there, "no such Patient")
    gender = exams["patient_id"].map(known.map(lambda one: one.get("gender")))
    exams = exclusions.drop("exams", exams, gender == "male", "the patient is male")
    undated = exams["exam_date"].isna()
    exams = exclusions.drop("exams", exams, undated, "the exam has no date")
    later = exams.sort_values("exam_date").duplicated("patient_id").reindex(exams.index)
    exams = exclusions.drop("exams", exams, later, "not the first exam of the woman")
    if exams.empty:
        raise DatasetError(
            "there is no mammogram with a date",
            where="bundle",
            remedy="Give ImagingStudy resources of modality MG, or name the codes of the "
            "Procedure in mapping={'mammogram': [...]}.",
        )
    exams = exams.set_index("patient_id", drop=False)
    born = read_dates(known.map(lambda one: one.get("birthDate")).reindex(exams.index))
    exams["age"] = ((exams["exam_date"] - born).dt.days / _DAYS).round(2)
    answers, unread = _answers(rows, wanted.fields)
    for field in wanted.fields:
        exams[field] = _latest(answers[answers["field"] == field], exams)
    for field, n in unread.items():
        say(
            "value-not-read", f"{field}: {n:,} values in units or codes that are not in the mapping"
        )
    exams = _relatives(rows, wanted, exams)
    exams = _outcome(rows, known, wanted.cancer, exams)
    counts = exclusions.counts()
    gone = counts[counts["reason"] != "kept"]
    for table, reason, n in gone[["table", "reason", "rows"]].to_numpy():
        say("rows-excluded", f"{table}: {n:,} are excluded: {reason}")
    say(
        "outcome-assumed",
        "follow-up ends at the last date of any resource of a woman, since FHIR has no end of "
        "observation",
    )
    exams["exam_id"] = exams["patient_id"] + "-" + exams["exam_date"].dt.strftime("%Y%m%d")
    exams = exams.reset_index(drop=True)
    return build_cohort(layout.card, exams, None, exclusions, warnings, root=Path())


def _exams(rows: pd.DataFrame, mammogram: Sequence[str]) -> pd.DataFrame:
    def is_exam(kind: str, resource: Mapping[str, Any]) -> bool:
        if kind == "ImagingStudy":
            modalities = [one for one in resource.get("modality") or [] if isinstance(one, Mapping)]
            return any(one.get("code") == "MG" for one in modalities)
        return kind == "Procedure" and has_code(resource.get("code"), mammogram)

    mask = [is_exam(kind, one) for kind, one in zip(rows["kind"], rows["resource"], strict=True)]
    found = rows.loc[mask, ["patient_id", "date"]].rename(columns={"date": "exam_date"})
    return found.drop_duplicates()


def _answers(
    rows: pd.DataFrame, fields: Mapping[str, CodedField]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Values of fields with woman and date, and the number that were not read."""
    found: list[tuple[str, Any, str, Any]] = []
    unread: dict[str, int] = {}
    for kind, patient, date, resource in rows[
        ["kind", "patient_id", "date", "resource"]
    ].to_numpy():
        if kind == "Observation":
            parts = [resource, *(resource.get("component") or [])]
            told = [(one.get("code"), "", one) for one in parts if isinstance(one, Mapping)]
        elif kind == "QuestionnaireResponse":
            told = list(_items(resource.get("item")))
        else:
            continue
        for concept, link_id, value in told:
            for field, coded in fields.items():
                if not (has_code(concept, coded.codes) or link_id in coded.link_ids):
                    continue
                answer = _value(value, field, coded)
                if answer is None:
                    unread[field] = unread.get(field, 0) + 1
                else:
                    found.append((patient, date, field, answer))
    columns = ["patient_id", "date", "field", "value"]
    return pd.DataFrame(found, columns=columns).astype({"date": "datetime64[ns]"}), unread


def _items(items: Any) -> Iterator[tuple[Any, str, Mapping[str, Any]]]:
    """Answers of a QuestionnaireResponse: concept, linkId and value, of nested items too."""
    for item in items or []:
        if not isinstance(item, Mapping):
            continue
        for answer in item.get("answer") or []:
            if isinstance(answer, Mapping):
                concept = {"coding": item.get("code") or []}
                yield concept, str(item.get("linkId", "")), answer
                yield from _items(answer.get("item"))
        yield from _items(item.get("item"))


def _value(holder: Mapping[str, Any], field: str, coded: CodedField) -> Any:
    """The value of an Observation or answer in terms of the field; None if it cannot be read."""
    if coded.values:
        return next((coded.values[one] for one in _words(holder) if one in coded.values), None)
    quantity = holder.get("valueQuantity")
    if isinstance(quantity, Mapping):
        number = quantity.get("value")
        if not isinstance(number, (int, float)) or isinstance(number, bool):
            return None
        if not coded.units:
            return number
        unit = coded.units.get(str(quantity.get("code") or quantity.get("unit") or ""))
        return None if unit is None else number * UNITS[field][unit]
    for name in ("valueInteger", "valueDecimal", "valueBoolean", "valueString"):
        if holder.get(name) is not None:
            # For a field with units, a number without a unit is not used.
            return None if coded.units else holder[name]
    return None


def _words(holder: Mapping[str, Any]) -> Iterator[str]:
    """Codes and texts of an answer, in lower case."""
    coding = holder.get("valueCoding")
    concept = holder.get("valueCodeableConcept")
    for _, code in codings({"coding": [coding]} if coding else concept):
        yield code.strip().lower()
    for one in (coding, concept):
        if isinstance(one, Mapping):
            yield str(one.get("display") or one.get("text") or "").strip().lower()
    for name in ("valueString", "valueBoolean", "valueInteger"):
        if holder.get(name) is not None:
            yield str(holder[name]).strip().lower()


def _latest(answers: pd.DataFrame, exams: pd.DataFrame) -> pd.Series:
    at = answers["patient_id"].map(exams["exam_date"])
    before = answers[at.notna() & (answers["date"].isna() | (answers["date"] <= at))]
    latest = before.sort_values("date", na_position="first").groupby("patient_id")["value"].last()
    return latest.reindex(exams.index).infer_objects()


def _relatives(rows: pd.DataFrame, wanted: FhirMapping, exams: pd.DataFrame) -> pd.DataFrame:
    history = rows[rows["kind"] == "FamilyMemberHistory"]
    ill: dict[str, int] = dict.fromkeys(history["patient_id"], 0)
    onsets: dict[str, dict[str, list[float]]] = {
        name: {} for name in set(wanted.relatives.values())
    }
    for patient, resource in history[["patient_id", "resource"]].to_numpy():
        codes = [code for _, code in codings(resource.get("relationship"))]
        field = next((wanted.relatives[one] for one in codes if one in wanted.relatives), None)
        conditions = [one for one in resource.get("condition") or [] if isinstance(one, Mapping)]
        found = [one for one in conditions if has_code(one.get("code"), wanted.cancer)]
        if field is None or not found:
            continue
        ill[patient] += 1
        ages = [one.get("onsetAge", {}).get("value") for one in found]
        known = [float(age) for age in ages if isinstance(age, (int, float))]
        if known:
            onsets[field].setdefault(patient, []).append(min(known))
    exams["first_degree_relatives"] = pd.Series(ill, dtype=float).reindex(exams.index)
    for name in sorted(onsets):
        of_field = onsets[name]
        if of_field:
            ages_of = {patient: tuple(sorted(ages)) for patient, ages in of_field.items()}
            exams[name] = pd.Series(ages_of, dtype=object).reindex(exams.index)
    return exams


def _outcome(
    rows: pd.DataFrame, patients: pd.Series, cancer: Sequence[str], exams: pd.DataFrame
) -> pd.DataFrame:
    conditions = rows[rows["kind"] == "Condition"]
    told = [has_code(one.get("code"), cancer) for one in conditions["resource"]]
    # Typed, because an empty list would be interpreted as names of columns.
    found = conditions[pd.Series(told, index=conditions.index, dtype=bool)]
    at = found["patient_id"].map(exams["exam_date"])
    first = found[found["date"] > at].groupby("patient_id")["date"].min().reindex(exams.index)
    before = set(found.loc[(found["date"] <= at) | found["date"].isna(), "patient_id"])
    death = read_dates(patients.map(lambda one: one.get("deceasedDateTime"))).reindex(exams.index)
    last = rows.groupby("patient_id")["date"].max().reindex(exams.index)
    ill = first.notna()
    dead = ~ill & death.notna()
    stop = first.where(ill, death.where(dead, last))
    prior = pd.Series(exams.index.isin(list(before)), index=exams.index)
    return exams.assign(
        time=(stop - exams["exam_date"]).dt.days / _DAYS,
        event=ill.astype(int) + 2 * dead.astype(int),
        prior_breast_cancer=prior.map({True: True, False: None}),
    )
