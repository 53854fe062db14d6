"""A result as a FHIR R4 RiskAssessment."""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from mammorisk._utils.style import NOTICE
from mammorisk.prediction.exports.content import (
    StatedRisk,
    interval_words,
    model_words,
    notes,
    outcome_kind,
    outcome_words,
    required_risks,
)
from mammorisk.records.dicom_source import DicomSource

#: System of the concepts and keys of this package.
SYSTEM = "urn:mammorisk"
_SNOMED = "http://snomed.info/sct"
_MEANING = "Absolute risk of breast cancer"
_DAYS_PER_YEAR = 365.25


def risk_assessment(
    result: Mapping[str, Any],
    sources: Sequence[DicomSource] = (),
    *,
    subject: str | None = None,
    identity: bool = False,
) -> dict[str, Any]:
    """Return a RiskAssessment with a prediction for each horizon. It is preliminary.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    sources : sequence of DicomSource
        The images, which name the study and the day from which the risk counts. Without them it
        counts from the day of the result.
    subject : str, optional
        Reference to the patient, such as ``"Patient/123"``.
    identity : bool
        Whether to name the patient by the PatientID of the images.

    Raises
    ------
    NoRisk
        The result has no risk.
    """
    risks = required_risks(result, "the FHIR RiskAssessment")
    start = _start(result, sources)
    interval = interval_words(result)
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": result["key"],
        "identifier": [{"system": f"{SYSTEM}:key", "value": result["key"]}],
        "status": "preliminary",
        "method": {
            "coding": [{"system": f"{SYSTEM}:model", "code": result["model"]}],
            "text": model_words(result),
        },
        "code": {"coding": [{"system": f"{SYSTEM}:concept", "code": "RISK", "display": _MEANING}]},
        "subject": _subject(subject, sources, identity),
        "occurrenceDateTime": result["created_utc"],
        "performer": {"display": result["provenance"]["software"]},
        "prediction": [_prediction(result, risk, start, interval) for risk in risks],
        "note": [{"text": text} for text in (*notes(result), NOTICE)],
    }
    if sources:
        study = {"system": "urn:dicom:uid", "value": f"urn:oid:{sources[0].study}"}
        resource["basis"] = [{"type": "ImagingStudy", "identifier": study}]
    return resource


def fhir_text(resource: Mapping[str, Any]) -> str:
    """Return a RiskAssessment as JSON, with two decimals in every probability."""
    text = json.dumps(resource, indent=2, allow_nan=False, ensure_ascii=False)
    return re.sub(
        r'("probabilityDecimal": )([0-9.eE+-]+)',
        lambda found: f"{found[1]}{float(found[2]):.2f}",
        text,
    )


def _prediction(
    result: Mapping[str, Any], risk: StatedRisk, start: date, interval: str
) -> dict[str, Any]:
    outcome: dict[str, Any] = {"text": outcome_words(result)}
    if outcome_kind(result) == "invasive breast cancer":
        meaning = "Malignant neoplasm of breast"
        outcome["coding"] = [{"system": _SNOMED, "code": "254837009", "display": meaning}]
    period = {"start": start.isoformat()}
    if not isinstance(risk.horizon, str):
        period["end"] = _after(start, risk.horizon).isoformat()
    rationale = f"{risk.period}: {risk.digits}%"
    if risk.lower is not None:
        rationale += f"; {interval} {risk.lower}% to {risk.upper}%"
    return {
        "outcome": outcome,
        # A percentage, as FHIR defines it.
        "probabilityDecimal": float(risk.digits),
        "whenPeriod": period,
        "rationale": rationale,
    }


def _subject(subject: str | None, sources: Sequence[DicomSource], identity: bool) -> dict[str, Any]:
    if subject is not None:
        return {"reference": subject}
    patient = sources[0].identity.get("PatientID") if identity and sources else None
    if patient is not None:
        return {"type": "Patient", "identifier": {"value": patient}}
    return {"type": "Patient", "display": "not stated"}


def _start(result: Mapping[str, Any], sources: Sequence[DicomSource]) -> date:
    days = [source.day for source in sources if source.day is not None]
    try:
        return date.fromisoformat(max(days, default=""))
    except ValueError:
        return date.fromisoformat(result["created_utc"][:10])


def _after(start: date, years: float) -> date:
    if not float(years).is_integer():
        return start + timedelta(days=round(years * _DAYS_PER_YEAR))
    year = start.year + int(years)
    last = calendar.monthrange(year, start.month)[1]
    return start.replace(year=year, day=min(start.day, last))
