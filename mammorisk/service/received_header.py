"""What is read of an object that came over the network: digests, the view and its file meta."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
)

from mammorisk.errors import ExamError
from mammorisk.io.dataset import PARSE_ERRORS, quiet_pydicom, text
from mammorisk.io.dicom import ReadImage, read_dicom
from mammorisk.io.limits import Limits
from mammorisk.service.arrived_exam import digest_of, read_uids

#: Bytes of a file that are read at a time.
_BLOCK = 2**20
#: Largest file meta information in bytes. It has about 200.
_LONGEST_META = 2**16
_META = ("TransferSyntaxUID", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")
_MAMMOGRAPHY = frozenset(
    {
        DigitalMammographyXRayImageStorageForPresentation,
        DigitalMammographyXRayImageStorageForProcessing,
    }
)


class FileMeta(NamedTuple):
    """File meta information of a DICOM file.

    Attributes
    ----------
    start : int
        Offset of the data set.
    syntax, sop_class, sop_instance : str
        UIDs; the last two can be empty.
    """

    start: int
    syntax: str
    sop_class: str
    sop_instance: str


@dataclass(frozen=True, kw_only=True)
class ReceivedHeader:
    """What is kept of the header of a mammogram.

    Attributes
    ----------
    exam, instance : str
        Digests of StudyInstanceUID and SOPInstanceUID.
    view : str
        Empty for a damaged image.
    accession : str
        Digest of the accession number; empty if there is none.
    patient : str
        Digest of PatientID and IssuerOfPatientID; empty for a damaged image.
    """

    instance: str
    exam: str
    view: str
    accession: str = ""
    patient: str = ""


def read_header(file: Path, meta: FileMeta) -> ReceivedHeader | Literal["set aside", "unreadable"]:
    """Read the header of an object, with limits.

    Parameters
    ----------
    file : Path
    meta : FileMeta
        Its file meta information.

    Returns
    -------
    ReceivedHeader or {"set aside", "unreadable"}
        ``"set aside"``: no mammogram of a standard view. ``"unreadable"``: one that cannot be read
        at all.
    """
    is_mammogram = meta.sop_class in _MAMMOGRAPHY
    if meta.syntax == DeflatedExplicitVRLittleEndian:
        # A few deflated bytes can inflate to any size, in the process that receives.
        return "unreadable" if is_mammogram else "set aside"
    try:
        image = read_dicom(file, file.name, Limits())
    except ExamError:
        if not is_mammogram:
            return "set aside"
        # Kept with its study, so that the result says that it was not used.
        uids = read_uids(file)
        if uids is None:
            return "unreadable"
        return ReceivedHeader(exam=digest_of(uids[0]), instance=digest_of(uids[1]), view="")
    if not isinstance(image, ReadImage) or image.view.dicom is None:
        return "set aside"
    source = image.view.dicom
    told = source.identity
    return ReceivedHeader(
        instance=digest_of(source.sop_instance),
        exam=digest_of(source.study),
        view=image.view.name,
        accession=accession_digest(told.get("AccessionNumber", "")),
        patient=digest_of([told.get("PatientID", ""), told.get("IssuerOfPatientID", "")]),
    )


def accession_digest(accession: str) -> str:
    """Return the digest of an accession number; empty if there is none."""
    return digest_of(accession.strip()) if accession.strip() else ""


def read_meta(file: Path) -> FileMeta | None:
    """Read the file meta information; None if it is not there or not as DICOM asks for it."""
    with open(file, "rb") as handle:
        head = handle.read(144)
    # FileMetaInformationGroupLength (0002,0000) is the first element.
    is_dicom = head[128:132] == b"DICM" and head[132:138] == b"\x02\x00\x00\x00UL"
    if len(head) < 144 or not is_dicom:
        return None
    (length,) = struct.unpack("<L", head[140:144])
    if length > _LONGEST_META:
        return None
    try:
        with quiet_pydicom():
            meta = read_file_meta_info(file)
            syntax, sop_class, sop_instance = (text(meta, keyword) or "" for keyword in _META)
    except PARSE_ERRORS:
        return None
    return FileMeta(144 + length, syntax, sop_class, sop_instance) if syntax else None


def content_digest(file: Path, meta: FileMeta) -> str:
    """Return the SHA-256 of a data set and its transfer syntax, whoever wrote the file."""
    digest = hashlib.sha256(meta.syntax.encode())
    with open(file, "rb") as handle:
        handle.seek(meta.start)
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
