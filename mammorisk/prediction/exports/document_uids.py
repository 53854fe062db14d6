"""UIDs of DICOM documents about a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mammorisk.io.dicom_document import derived_uid
from mammorisk.records.dicom_source import DicomSource


def document_uid(
    kind: str, result: Mapping[str, Any], sources: Sequence[DicomSource], identity: bool
) -> str:
    """Return the SOPInstanceUID of a document, the same for the same exam and model.

    A report of the kind ``"sr"`` states no policy, so that none is part of its identity.
    """
    policy = "" if kind == "sr" else result["provenance"]["sha256"]["policy"] or ""
    images = sorted(source.sop_instance for source in sources)
    return derived_uid(kind, result["key"], policy, str(identity), *images)


def series_uid(kind: str, result: Mapping[str, Any], sources: Sequence[DicomSource]) -> str:
    """Return the UID of the series of documents of a kind about a study, by model."""
    return derived_uid(kind, "series", sources[0].study, result["model"])
