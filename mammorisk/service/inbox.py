"""Inbox: the images in a folder, grouped to exams, and when an exam is complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mammorisk.errors import ExamError, ServiceError
from mammorisk.io.dicom import read_dicom
from mammorisk.io.limits import Limits
from mammorisk.service.arrived_exam import (
    ArrivedExam,
    arrived_exam,
    digest_of,
    is_complete,
    read_uids,
)


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

    See Also
    --------
    mammorisk.service.received.ReceivedImages : Images that came over the network.
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
        self._taken: set[str] = set()
        self.set_aside = 0

    def scan(self) -> list[ArrivedExam]:
        """Read new images. Return the exams that can be scored and were not taken yet.

        Raises
        ------
        ServiceError
            The folder is not there.
        """
        there = set()
        for file in self._images():
            name = str(file.relative_to(self.folder))
            there.add(name)
            if self._is_new(file, name):
                self._read(file, name)
        self._forget_all_but(there)
        now = self._clock()
        found = [
            arrived_exam(self.folder, digest_of(study), one.images)
            for study, one in self._studies.items()
            if is_complete(one.images) or now - one.last >= self.quiet_s
        ]
        self._taken &= {one.job for one in found}
        return [one for one in found if one.job not in self._taken]

    def _images(self) -> list[Path]:
        """Files in the folder and below. A subfolder that is moved away meanwhile has none."""
        if not self.folder.is_dir():
            raise ServiceError(
                "the folder of the images is not there",
                where="inbox",
                remedy="Make or mount it, then start again.",
            )
        found = []
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(place, name) for name in names if not name.startswith(".")]
        return sorted(found)

    def taken(self, one: ArrivedExam) -> None:
        """Return an exam no more until it changes."""
        self._taken.add(one.job)

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
        uids = read_uids(file)
        if uids is None:
            self.set_aside += 1
        else:
            self._add(*uids, (name, ""))

    def _add(self, study: str, instance: str, image: tuple[str, str]) -> None:
        growing = self._studies.setdefault(study, _Growing())
        if instance not in growing.images:
            growing.last = self._clock()
        growing.images[instance] = image
