"""DetectorProblem: annotated exams with their split by woman."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.progress import progress_bar
from mammorisk.errors import MammoriskError, TrainingError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.records.exam import Exam

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
    """

    annotated: AnnotatedCohort
    train: NDArray[np.int64]
    validation: NDArray[np.int64]

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


def open_rows(
    problem: DetectorProblem, rows: NDArray[np.int64], *, progress: bool
) -> Iterator[tuple[int, Exam]]:
    """Yield number and exam of rows; unreadable exams are left out, up to a share.

    Raises
    ------
    TrainingError
        Too many exams cannot be read.
    """
    lost = 0
    with progress_bar("exams", len(rows), show=progress) as tell:
        for done, row in enumerate(rows, start=1):
            try:
                yield int(row), problem.annotated.cohort.open_row(int(row))
            except MammoriskError as error:
                lost += 1
                if lost > max(1, _UNREADABLE * len(rows)):
                    raise TrainingError(
                        f"{lost} of {len(rows)} exams cannot be read; the last: {error.what}",
                        remedy="Check the files of the cohort.",
                    ) from None
            if tell is not None:
                tell(done, len(rows))
