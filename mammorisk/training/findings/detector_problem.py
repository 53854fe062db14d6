"""DetectorProblem: annotated exams with their split by woman."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.digests import json_digest
from mammorisk._utils.progress import progress_bar
from mammorisk.errors import MammoriskError, TrainingError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.inputs.exam_digest import exam_digest
from mammorisk.records.exam import Exam
from mammorisk.training.exclusions import MALE_IN_HEADER
from mammorisk.warnings import CODES

_Read = TypeVar("_Read")

#: Largest share of exams that may be unreadable.
_UNREADABLE = 0.05


@dataclass(frozen=True, kw_only=True)
class DetectorProblem:
    """Annotated exams with their split.

    Attributes
    ----------
    annotated : AnnotatedCohort
    train, validation : ndarray of int
        Positions of exams in the cohort.
    excluded : dict of str to int
        Number of excluded exams by reason. Exams that cannot be used are added when they are read.
    unused : set of int
        Positions of the exams of ``train`` and ``validation`` that were added to ``excluded``.
    """

    annotated: AnnotatedCohort
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    excluded: dict[str, int] = field(default_factory=dict)
    unused: set[int] = field(default_factory=set)

    def leave_out(self, row: int, reason: str) -> None:
        """Exclude an exam that cannot be used, and count it once."""
        if row not in self.unused:
            self.unused.add(row)
            self.excluded[reason] = self.excluded.get(reason, 0) + 1

    def used(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of some exams, without those that cannot be used."""
        return rows[~np.isin(rows, list(self.unused))]

    def lesions_of(self, row: int) -> pd.DataFrame:
        """Lesions of an exam."""
        exam = self.annotated.cohort.exams.iloc[row]
        table = self.annotated.lesions
        mine = table["exam_id"].astype(str) == str(exam["exam_id"])
        if "patient_id" in exam:
            mine &= table["patient_id"].astype(str) == str(exam["patient_id"])
        return table[mine]


def lesions_of_view(lesions: pd.DataFrame, name: str) -> pd.DataFrame:
    """Lesions of an exam in one of its views, such as ``"L-CC"``."""
    side, _, position = name.partition("-")
    return lesions[(lesions["laterality"] == side) & (lesions["view"] == position)]


def read_rows(
    problem: DetectorProblem,
    rows: NDArray[np.int64],
    read: Callable[[int, Exam], _Read],
    *,
    progress: bool,
) -> Iterator[tuple[int, _Read]]:
    """Read exams of women. Exams of men, and unreadable ones up to a share, are left out.

    Parameters
    ----------
    problem : DetectorProblem
        The number of exams that are left out is added to ``excluded``.
    rows : ndarray of int
    read : callable
        Called with the number of a row and its exam.
    progress : bool

    Yields
    ------
    int, object
        Number of a row, and what was read.

    Raises
    ------
    TrainingError
        Too many exams cannot be read.
    """
    lost = 0
    with progress_bar("exams", len(rows), show=progress) as tell:
        for done, row in enumerate(rows.tolist(), start=1):
            try:
                exam = problem.annotated.cohort.open_row(row)
                if exam.patient_sex == "M":
                    problem.leave_out(row, MALE_IN_HEADER)
                else:
                    yield row, read(row, exam)
            except MammoriskError as error:
                lost += 1
                if lost > max(1, _UNREADABLE * len(rows)):
                    raise TrainingError(
                        f"{lost} of {len(rows)} exams cannot be read; the last: {error.what}",
                        remedy="Check the files of the cohort.",
                    ) from None
                problem.leave_out(row, CODES["exam-unreadable"].meaning)
            if tell is not None:
                tell(done, len(rows))


def keep_views(
    problem: DetectorProblem,
    folder: Path,
    write: Callable[[int, Exam, Path], None],
    check_exams: Callable[[str], None],
    *,
    progress: bool,
) -> list[Path]:
    """Write the views of each training exam to a file, unless they are there.

    Parameters
    ----------
    problem : DetectorProblem
    folder : Path
    write : callable
        Called with the number of a row, its exam and the file. It writes no file if the exam has no
        view that can be used.
    check_exams : callable
        Called with a digest of the exams. It refuses other images than those with which an
        unfinished fit began.
    progress : bool

    Returns
    -------
    list of Path
        The files that were written, or were there.
    """
    folder.mkdir(exist_ok=True)

    def keep(row: int, exam: Exam) -> Path:
        # By row too, because the same images can have other lesions in another row.
        file = folder / f"{row}-{exam_digest(exam)}.npz"
        if not file.exists():
            write(row, exam, file)
        return file

    files = [file for _, file in read_rows(problem, problem.train, keep, progress=progress)]
    check_exams(json_digest([file.stem for file in files]))
    return [file for file in files if file.exists()]
