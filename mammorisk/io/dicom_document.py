"""What DICOM documents have in common: UIDs, patient and study, and their file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mammorisk._utils.output_file import write_output
from mammorisk.errors import OutputError
from mammorisk.io.dataset import quiet_pydicom
from mammorisk.records.dicom_source import IDENTITY, DicomSource

MANUFACTURER = "mammorisk"
#: Encoding of text in the documents: UTF-8.
CHARACTER_SET = "ISO_IR 192"
#: Attributes of patient and study that a document need not have.
_OPTIONAL = ("IssuerOfPatientID",)


def derived_uid(*parts: str) -> str:
    """Return the UID that belongs to texts, always the same (PS3.5 B.2: 2.25 and a UUID).

    Examples
    --------
    >>> from mammorisk.io.dicom_document import derived_uid
    >>> derived_uid("a") == derived_uid("a"), derived_uid("a") == derived_uid("b")
    (True, False)
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def check_sources(sources: Sequence[DicomSource]) -> None:
    """Check that there are images of one study to which a document can refer.

    Raises
    ------
    OutputError
    """
    if not sources:
        raise OutputError(
            "the exam has no DICOM images to which a DICOM document could refer",
            remedy="Write a PDF, HTML or JSON file, or predict from DICOM images.",
        )
    if len({source.study for source in sources}) > 1:
        raise OutputError(
            "the images have different StudyInstanceUIDs: a document belongs to one study",
            remedy="Write a PDF, HTML or JSON file.",
        )


def patient_and_study(sources: Sequence[DicomSource], identity: bool) -> Dataset:
    """Return the attributes of patient and study: empty, or copied from the images.

    Parameters
    ----------
    sources : sequence of DicomSource
    identity : bool
        Whether to copy them. StudyInstanceUID is always there.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = CHARACTER_SET
    for keyword in IDENTITY:
        if keyword not in _OPTIONAL:
            setattr(dataset, keyword, "")
    if identity:
        for keyword, value in sources[0].identity.items():
            _copy(dataset, keyword, value)
    dataset.StudyInstanceUID = sources[0].study
    return dataset


def _copy(dataset: Dataset, keyword: str, value: str) -> None:
    """Copy an attribute if its value is valid; headers of images are not always."""
    if keyword == "PatientSex" and value not in ("F", "M", "O"):
        return
    tag = tag_for_keyword(keyword) or 0
    try:
        with quiet_pydicom():
            element = DataElement(
                tag, dictionary_VR(tag), value, validation_mode=pydicom.config.RAISE
            )
    except (ValueError, TypeError, OverflowError):
        return
    dataset.add(element)


def image_reference(source: DicomSource) -> Dataset:
    """Return an item that refers to an image."""
    item = Dataset()
    item.ReferencedSOPClassUID = source.sop_class
    item.ReferencedSOPInstanceUID = source.sop_instance
    return item


def write_document(dataset: Dataset, path: Path) -> Path:
    """Write a DICOM document. A file that already holds this instance is left as it is.

    An instance must never have two contents, and a new document would have another date.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    if _holds(path, str(dataset.SOPInstanceUID)):
        return path
    return write_output(path, document_bytes(dataset), "the DICOM document")


def document_bytes(dataset: Dataset) -> bytes:
    """Return a DICOM document as the content of a file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", dataset, preamble=b"\0" * 128, file_meta=meta)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()


def _holds(path: Path, uid: str) -> bool:
    if not path.is_file():
        return False
    try:
        there = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
    except (pydicom.errors.InvalidDicomError, OSError, ValueError, EOFError):
        return False
    return str(there.get("SOPInstanceUID", "")) == uid
