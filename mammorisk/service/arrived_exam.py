"""ArrivedExam: an exam whose images are there, and what lies beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mammorisk._utils.digests import json_digest
from mammorisk.errors import ExamError
from mammorisk.io.dataset import quiet_pydicom, text
from mammorisk.io.limits import Limits
from mammorisk.io.parsing import read_dataset
from mammorisk.records.exam import STANDARD_VIEWS

#: Digits of the digests that name exams and jobs.
ID_DIGITS = 32

#: Answers of the woman, in the folder of her images.
QUESTIONNAIRE = "questionnaire.json"
#: Beside the images: the answers belong to an accession number of several patients.
AMBIGUOUS = "questionnaire.ambiguous"
#: Folder beside the images with files that have the UID of one of them and other contents.
CONFLICTS = "conflicts"


@dataclass(frozen=True, kw_only=True)
class ArrivedExam:
    """An exam that is complete, or that has not grown for some time.

    Attributes
    ----------
    exam, job : str
        Digests of its StudyInstanceUID, and of that, its images and what lies beside them.
    files : tuple of str
        Paths relative to the folder of all images.
    is_complete : bool
        Whether it has the four standard views.
    """

    exam: str
    job: str
    files: tuple[str, ...]
    is_complete: bool


class Arrivals(Protocol):
    """Where exams come from: a folder, or the network."""

    #: Folder to which the paths of the files are relative.
    folder: Path

    def scan(self) -> list[ArrivedExam]:
        """Return the exams that can be scored and were not taken yet."""
        ...

    def taken(self, one: ArrivedExam) -> None:
        """Return an exam no more until it changes. Called when its job is in the queue."""
        ...


def arrived_exam(folder: Path, exam: str, images: Mapping[str, tuple[str, str]]) -> ArrivedExam:
    """Build the record of an exam.

    Parameters
    ----------
    folder : Path
    exam : str
        Digest of its StudyInstanceUID.
    images : mapping of str to (str, str)
        Path relative to the folder, and view, by SOPInstanceUID or its digest. The view of a
        damaged image is empty.
    """
    files = tuple(sorted(name for name, _ in images.values()))
    beside = sorted({(folder / name).parent for name in files})
    return ArrivedExam(
        exam=exam,
        job=digest_of([exam, sorted(images), [part for one in beside for part in _beside(one)]]),
        files=files,
        is_complete=is_complete(images),
    )


def _beside(folder: Path) -> list[str]:
    """Digest of the answers in a folder, and names of what is there in conflict."""
    found = [one.name for one in conflicts(folder)]
    for name in (QUESTIONNAIRE, AMBIGUOUS):
        try:
            found.append(hashlib.sha256((folder / name).read_bytes()).hexdigest())
        except OSError:
            continue
    return found


def conflicts(folder: Path) -> list[Path]:
    """Return the files beside the images of a folder that are in conflict with one of them."""
    return sorted((folder / CONFLICTS).glob("*.dcm"))


def is_complete(images: Mapping[str, tuple[str, str]]) -> bool:
    """Whether the four standard views are there."""
    return set(STANDARD_VIEWS) <= {view for _, view in images.values()}


def digest_of(value: str | Iterable[object]) -> str:
    """Return the digest that names an exam, an image or a job."""
    return json_digest(value)[:ID_DIGITS]


def read_uids(file: Path) -> tuple[str, str] | None:
    """Read StudyInstanceUID and SOPInstanceUID of a damaged image; None if it has not both."""
    study, instance = _texts(file, "StudyInstanceUID", "SOPInstanceUID")
    return (study, instance) if study and instance else None


def read_study(file: Path) -> str | None:
    """Read the StudyInstanceUID of a file; None if there is none, or it is not DICOM."""
    (study,) = _texts(file, "StudyInstanceUID")
    return study


def _texts(file: Path, *keywords: str) -> list[str | None]:
    """Values of a header, read with limits."""
    try:
        with quiet_pydicom():
            header, _ = read_dataset(file, Limits())
            return [text(header, keyword) for keyword in keywords]
    except ExamError:
        return [None] * len(keywords)
