"""Woman, side and view from DICOM headers, for releases whose tables lack them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from mammorisk.io.views import VIEW_CODES

_TAGS = [
    "PatientID",
    "StudyInstanceUID",
    "StudyDate",
    "ImageLaterality",
    "Laterality",
    "ViewPosition",
    "ViewCodeSequence",
    "PresentationIntentType",
]


def read_headers(root: Path, paths: Sequence[str]) -> pd.DataFrame:
    """Read woman, side and view of images.

    Parameters
    ----------
    root : Path
    paths : sequence of str
        Below the root.

    Returns
    -------
    DataFrame
        One row per file: ``file_path``, ``patient_id``, ``study``, ``study_date``, ``laterality``,
        ``position``, ``intent``, and ``problem`` where the file cannot be read.
    """
    found = [_read(root, path) for path in paths]
    names = ["file_path", "patient_id", "study", "study_date", "laterality", "position", "intent"]
    return pd.DataFrame(found, columns=[*names, "problem"], dtype=object)


def _read(root: Path, path: str) -> tuple[Any, ...]:
    try:
        data = pydicom.dcmread(root / path, stop_before_pixels=True, specific_tags=list(_TAGS))
        return (
            path,
            _text(data, "PatientID"),
            _text(data, "StudyInstanceUID"),
            _text(data, "StudyDate"),
            _text(data, "ImageLaterality") or _text(data, "Laterality"),
            _position(data),
            _text(data, "PresentationIntentType"),
            None,
        )
    except (OSError, InvalidDicomError, ValueError, TypeError, AttributeError, EOFError) as error:
        reason = f"the header cannot be read ({type(error).__name__})"
        return (path, *[None] * 6, reason)


def _text(data: Dataset, name: str) -> str | None:
    value = data.get(name)
    return None if value is None else str(value).strip() or None


def _position(data: Dataset) -> str | None:
    for item in data.get("ViewCodeSequence") or []:
        found = VIEW_CODES.get(str(item.get("CodeValue", "")).strip())
        if found is not None:
            return found
    return _text(data, "ViewPosition")
