"""Resources of FHIR as rows: kind, woman, date, and whether they count."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk.errors import DatasetError

#: Status of resources that are errors or were never done.
_VOID = frozenset({"entered-in-error", "cancelled", "refuted", "not-done", "stopped", "unknown"})
#: Dates of a resource; the first one that exists is used.
_DATES = (
    *("effectiveDateTime", "performedDateTime", "onsetDateTime", "started", "authored", "issued"),
    *("recordedDate", "date"),
)


def all_resources(bundle: Any) -> Iterator[dict[str, Any]]:
    """Every resource of a bundle, a list, a file or a folder."""
    if isinstance(bundle, (str, Path)):
        path = Path(bundle)
        paths = [path]
        if path.is_dir():
            paths = sorted([*path.glob("*.json"), *path.glob("*.ndjson")])
        if not paths or not all(one.is_file() for one in paths):
            raise DatasetError("there is no FHIR file", where="bundle")
        for one in paths:
            yield from _of_file(one)
    elif isinstance(bundle, Mapping):
        if bundle.get("resourceType") == "Bundle":
            for entry in bundle.get("entry") or []:
                if isinstance(entry, Mapping) and isinstance(entry.get("resource"), Mapping):
                    yield from all_resources(entry["resource"])
        elif "resourceType" in bundle:
            yield dict(bundle)
        else:
            raise DatasetError(
                "an object without resourceType is not a FHIR resource", where="bundle"
            )
    elif isinstance(bundle, Sequence):
        for one in bundle:
            yield from all_resources(one)
    else:
        raise DatasetError(f"a {type(bundle).__name__} is not FHIR", where="bundle")


def _of_file(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".ndjson":
            content: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"the file cannot be read ({type(error).__name__})", where=path.name
        ) from None
    yield from all_resources(content)


def resource_rows(resources: Iterator[dict[str, Any]]) -> pd.DataFrame:
    found = []
    for resource in resources:
        kind = str(resource["resourceType"])
        states = [resource.get("status"), _code_of(resource.get("verificationStatus"))]
        date = next((str(resource[name]) for name in _DATES if resource.get(name)), None)
        if date is None and isinstance(resource.get("performedPeriod"), Mapping):
            date = resource["performedPeriod"].get("start")
        found.append(
            {
                "kind": kind,
                "patient_id": _patient(resource, kind),
                "date": date,
                "is_void": any(state in _VOID for state in states),
                "resource": resource,
            }
        )
    if not found:
        raise DatasetError("there are no resources", where="bundle")
    rows = pd.DataFrame(found, index=pd.RangeIndex(1, len(found) + 1))
    return rows.assign(date=read_dates(rows["date"]))


def read_dates(column: pd.Series) -> pd.Series:
    """Dates of FHIR; a year or month alone is taken at its middle."""
    text = column.astype(object).where(column.notna(), "").astype(str).str.slice(0, 10)
    text = text.where(text.str.len() != 4, text + "-07-01").where(text.str.len() != 7, text + "-15")
    return pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")


def _patient(resource: Mapping[str, Any], kind: str) -> str | None:
    """Id of the patient: the end of "Patient/1", "urn:uuid:..." or an address."""
    if kind == "Patient":
        return str(resource["id"]) if resource.get("id") else None
    link = resource.get("subject") or resource.get("patient")
    text = link.get("reference") if isinstance(link, Mapping) else None
    if not isinstance(text, str):
        return None
    return text.removeprefix("urn:uuid:").rsplit("/", 1)[-1] or None


def codings(concept: Any) -> list[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return [
        (str(one.get("system", "")), str(one.get("code", "")))
        for one in codings or []
        if isinstance(one, Mapping)
    ]


def _code_of(concept: Any) -> str | None:
    return next((code for _, code in codings(concept)), None)


def has_code(concept: Any, codes: Sequence[str]) -> bool:
    """Whether a concept has one of the codes; C50 of the ICD includes C50.9."""
    wanted = [tuple(one.split("|", 1)) for one in codes]
    return any(
        system == other[0] and (code == other[1] or code.startswith(f"{other[1]}."))
        for system, code in codings(concept)
        for other in wanted
        if len(other) == 2
    )
