"""Input views of Mirai on disk, because a cohort at full size does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.digests import json_digest
from mammorisk._utils.parallel import usable_cores
from mammorisk._version import __version__
from mammorisk.errors import MammoriskError, TrainingError
from mammorisk.imaging.mirai_pixels import aligned_counts, mirai_counts, normalise
from mammorisk.inputs.exam_digest import exam_digest
from mammorisk.records.exam import STANDARD_VIEWS, Exam
from mammorisk.risk_models.mirai.model import check_views
from mammorisk.training.read_exams import check_readable

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


@dataclass(frozen=True, kw_only=True)
class MiraiViews:
    """The four standard views of n exams on disk.

    Attributes
    ----------
    files : list of Path or None
        None if an exam cannot be read.
    errors : list of str
    devices : list of str or None
        Manufacturer and model of each exam's first view.
    male : ndarray of bool
        Whether the header states that the patient is male. The exam has no file then.
    """

    files: list[Path | None]
    errors: list[str]
    devices: list[str | None]
    male: NDArray[np.bool_]

    def digest(self) -> str:
        """Return the SHA-256 of the names of the files, which name content and settings."""
        return json_digest([None if file is None else file.stem for file in self.files])

    @property
    def usable(self) -> NDArray[np.bool_]:
        return np.array([file is not None for file in self.files])

    def pixels(self, row: int, view: int) -> NDArray[np.float32]:
        """Read one normalised view, shape (rows, columns), in the order of the standard views."""
        from safetensors import safe_open

        file = self.files[row]
        assert file is not None
        with safe_open(file, framework="numpy") as kept:
            counts: NDArray[np.uint16] = kept.get_slice("counts")[view]
        return normalise(counts)


def read_mirai_views(
    cohort: Cohort,
    folder: Path,
    shape: tuple[int, int],
    *,
    unreadable_share: float,
    on_exam: Callable[[int, int], None] | None = None,
) -> MiraiViews:
    """Read the exams of a cohort on all cores. Views that are in the folder are not read again.

    Raises
    ------
    TrainingError
        The cohort has no images, or more than ``unreadable_share`` cannot be read.
    """
    if not cohort.has_images:
        raise TrainingError(
            "the recipe mirai needs images, and the cohort has none",
            remedy="Add the column path or file_path to the manifest.",
        )

    def keep(row: int) -> _KeptExam:
        try:
            exam = cohort.open_row(row)
            if exam.patient_sex == "M":
                return _KeptExam(male=True)
            check_views(exam)
            key = exam_digest(exam, STANDARD_VIEWS, __version__, shape)
            file = folder / f"{key}.safetensors"
            if not file.exists():
                _write(exam, file, shape)
        except MammoriskError as error:
            return _KeptExam(error=str(error))
        first = exam[STANDARD_VIEWS[0]].acquisition
        device = " ".join(part for part in (first.manufacturer, first.model) if part)
        return _KeptExam(file=file, device=device or None)

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        for done, one in enumerate(pool.map(keep, range(len(cohort))), start=1):
            found.append(one)
            if on_exam is not None:
                on_exam(done, len(cohort))
    errors = [one.error for one in found]
    check_readable(cohort, errors, unreadable_share)
    return MiraiViews(
        files=[one.file for one in found],
        errors=errors,
        devices=[one.device for one in found],
        male=np.array([one.male for one in found], dtype=bool),
    )


@dataclass(frozen=True, kw_only=True)
class _KeptExam:
    """The file of an exam and its device, or why there is none."""

    file: Path | None = None
    device: str | None = None
    error: str = ""
    male: bool = False


def _write(exam: Exam, file: Path, shape: tuple[int, int]) -> None:
    from safetensors.numpy import save_file

    views = [
        aligned_counts(mirai_counts(exam[name], exam[name].load()), shape)
        for name in STANDARD_VIEWS
    ]
    counts = np.stack(views)
    atomic_write(file, lambda path: save_file({"counts": counts}, path))
