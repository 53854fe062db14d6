"""Inbox: the images in a folder, grouped to exams, and when an exam is complete."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from mammorisk._utils.digests import json_digest
from mammorisk.errors import ExamError
from mammorisk.io.dataset import PARSE_ERRORS
from mammorisk.io.dicom import read_dicom
from mammorisk.io.limits import Limits
from mammorisk.records.exam import STANDARD_VIEWS

#: Digits of the digests that name exams and jobs.
ID_DIGITS = 32

#: Answers of the woman, in the folder of her images.
QUESTIONNAIRE = "questionnaire.json"


@dataclass(frozen=True, kw_only=True)
class ArrivedExam:
    """An exam that is complete, or that has not grown for some time.

    Attributes
    ----------
    exam, job : str
        Digests of its StudyInstanceUID, and of that, its images and the answers beside them.
    files : tuple of str
        Paths relative to the inbox.
    is_complete : bool
        Whether it has the four standard views.
    """

    exam: str
    job: str
    files: tuple[str, ...]
    is_complete: bool


@dataclass
class _Growing:
    """Images of a study by SOPInstanceUID, with their views."""

    images: dict[str, tuple[str, str]] = field(default_factory=dict)
    last: float = 0.0


class Inbox:
    """A folder into which images are put. It is only read.

    Parameters
    ----------
    folder : Path
    quiet_s : float
        Seconds without a new image after which an exam with fewer than four views is taken.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    set_aside : int
        Files that belong to no exam: damaged, not DICOM, or of no standard view.
    """

    def __init__(
        self, folder: Path, *, quiet_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.quiet_s = quiet_s
        self._clock = clock
        self._limits = Limits()
        #: Size and time of change of each file at the last scan, and whether it was read.
        self._files: dict[str, tuple[int, int, bool]] = {}
        self._studies: dict[str, _Growing] = {}
        self.set_aside = 0

    def scan(self) -> list[ArrivedExam]:
        """Read new images. Return the exams that can be scored, also those returned before."""
        there = set()
        for file in sorted(self.folder.rglob("*")):
            name = str(file.relative_to(self.folder))
            there.add(name)
            if any(part.startswith(".") for part in file.relative_to(self.folder).parts):
                continue
            if self._is_new(file, name):
                self._read(file, name)
        self._forget_all_but(there)
        now = self._clock()
        return [
            self._arrived(study, one.images)
            for study, one in self._studies.items()
            if _complete(one.images) or now - one.last >= self.quiet_s
        ]

    def _forget_all_but(self, there: set[str]) -> None:
        """Forget files that are gone, and studies of which no image is left."""
        for name in set(self._files) - there:
            del self._files[name]
        for study, one in list(self._studies.items()):
            if not any(name in there for name, _ in one.images.values()):
                del self._studies[study]

    def _is_new(self, file: Path, name: str) -> bool:
        """Whether a file is new and no longer written to: it is the same as at the last scan."""
        try:
            if file.is_symlink() or not file.is_file():
                return False
            found = file.stat()
        except OSError:
            return False
        size, changed = found.st_size, found.st_mtime_ns
        before = self._files.get(name)
        is_same = before is not None and before[:2] == (size, changed)
        was_read = is_same and before is not None and before[2]
        # Without a quiet time the folder is complete already.
        settled = is_same or self.quiet_s == 0
        self._files[name] = (size, changed, was_read or settled)
        return settled and not was_read

    def _read(self, file: Path, name: str) -> None:
        if not file.resolve().is_relative_to(self.folder.resolve()):
            self.set_aside += 1
            return
        try:
            image = read_dicom(file, name, self._limits)
        except ExamError:
            self._keep_damaged(file, name)
            return
        if isinstance(image, str) or image.view.dicom is None:
            self.set_aside += 1
            return
        source = image.view.dicom
        self._add(source.study, source.sop_instance, (name, image.view.name))

    def _keep_damaged(self, file: Path, name: str) -> None:
        """Keep a damaged image with its study, so that the result says that it was not used."""
        try:
            header = pydicom.dcmread(
                file, specific_tags=["StudyInstanceUID", "SOPInstanceUID"], stop_before_pixels=True
            )
            study = str(header.get("StudyInstanceUID", ""))
            instance = str(header.get("SOPInstanceUID", ""))
        except PARSE_ERRORS:
            study = instance = ""
        if study and instance:
            self._add(study, instance, (name, ""))
        else:
            self.set_aside += 1

    def _add(self, study: str, instance: str, image: tuple[str, str]) -> None:
        growing = self._studies.setdefault(study, _Growing())
        if instance not in growing.images:
            growing.last = self._clock()
        growing.images[instance] = image

    def _arrived(self, study: str, images: dict[str, tuple[str, str]]) -> ArrivedExam:
        files = tuple(sorted(name for name, _ in images.values()))
        return ArrivedExam(
            exam=json_digest(study)[:ID_DIGITS],
            job=json_digest([study, sorted(images), self._answers(files)])[:ID_DIGITS],
            files=files,
            is_complete=_complete(images),
        )

    def _answers(self, files: tuple[str, ...]) -> list[str]:
        """Digests of the questionnaires beside the images."""
        found = []
        for folder in sorted({(self.folder / name).parent for name in files}):
            try:
                found.append(hashlib.sha256((folder / QUESTIONNAIRE).read_bytes()).hexdigest())
            except OSError:
                continue
        return found


def _complete(images: dict[str, tuple[str, str]]) -> bool:
    return set(STANDARD_VIEWS) <= {view for _, view in images.values()}
