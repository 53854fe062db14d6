"""Reading of the identifiers to which a document about an image refers."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from mammorisk.io.dataset import text
from mammorisk.records.dicom_source import IDENTITY, DicomSource

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_LONGEST_UID = 64


def read_source(dataset: Dataset, day: str | None) -> DicomSource | None:
    """Read the identifiers of an image; None if one is missing or is not a UID.

    Call inside ``quiet_pydicom``.

    Parameters
    ----------
    dataset : Dataset
    day : str or None
        Date of the exam, ``YYYYMMDD``.
    """
    keywords = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    uids = [text(dataset, keyword) or "" for keyword in keywords]
    if any(len(uid) > _LONGEST_UID or not _UID.fullmatch(uid) for uid in uids):
        return None
    told = {keyword: text(dataset, keyword) for keyword in IDENTITY}
    return DicomSource(
        sop_class=uids[0],
        sop_instance=uids[1],
        series=uids[2],
        study=uids[3],
        day=day,
        identity={keyword: value for keyword, value in told.items() if value},
    )
