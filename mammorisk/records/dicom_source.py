"""DicomSource: identifiers of a DICOM image, which a document about it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Attributes by which an archive files a document under a patient and a study.
IDENTITY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)


@dataclass(frozen=True, kw_only=True, repr=False)
class DicomSource:
    """Identifiers of one DICOM image. They are never part of a warning or message.

    Attributes
    ----------
    sop_class, sop_instance, series, study : str
        SOPClassUID (0008,0016), SOPInstanceUID (0008,0018), SeriesInstanceUID (0020,000E) and
        StudyInstanceUID (0020,000D).
    day : str or None
        Date of the exam as ``YYYYMMDD``: AcquisitionDate (0008,0022), else StudyDate (0008,0020).
    identity : dict of str to str
        Attributes of patient and study by keyword. They leave only on request.
    """

    sop_class: str
    sop_instance: str
    series: str
    study: str
    day: str | None = None
    identity: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "<DicomSource>"
