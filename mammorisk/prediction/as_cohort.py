"""Conversion of the input of predict() to a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk.errors import CohortError, QuestionnaireError
from mammorisk.io import read_exam
from mammorisk.records.cohort import Cohort
from mammorisk.records.column_names import match_columns
from mammorisk.records.exam import Exam
from mammorisk.records.frames import as_frame
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.records.read_answers import MissingCodes, read_answers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Request:
    """Input of a prediction.

    Attributes
    ----------
    cohort : Cohort
    index : Index
        Index of the resulting table.
    is_one : bool
        Whether the result is a Prediction instead of a table.
    """

    cohort: Cohort
    index: pd.Index
    is_one: bool = False


def as_request(
    data: object, woman: object, prior: object, missing: MissingCodes | None = None
) -> Request:
    """Create a cohort from an exam, path, questionnaire, questionnaires, table or cohort.

    Raises
    ------
    CohortError
        ``data`` has another type, or ``woman`` or ``prior`` is given with a table.
    QuestionnaireError
        ``woman`` is not a Questionnaire, or ``missing`` is given without a table.
    ExamError
        A path cannot be read.
    """
    import pandas as pd

    frame = as_frame(data)
    if missing is not None and frame is None:
        raise QuestionnaireError(
            "missing is only for a table",
            where="missing",
            remedy="Pass it to mr.read_cohort; of one woman, leave out unknown answers.",
        )
    if isinstance(data, (str, Path)):
        data = read_exam(data)
    if isinstance(data, Exam):
        return _one_exam(data, _as_questionnaire(woman), _as_exam(prior))
    if woman is not None or prior is not None:
        raise CohortError(
            "a second argument goes with one exam only",
            remedy="Join questionnaires to a cohort as columns; prior exams as prior_path.",
        )
    if isinstance(data, Cohort):
        return Request(cohort=data, index=data.exams.index)
    is_one = isinstance(data, Questionnaire)
    if isinstance(data, Questionnaire):
        frame = data.to_frame()
    elif frame is not None:
        pass
    elif isinstance(data, Sequence) and data and all(isinstance(w, Questionnaire) for w in data):
        frame = pd.concat([one.to_frame() for one in data], ignore_index=True)
    else:
        raise CohortError(
            f"{type(data).__name__} is not a valid input of predict",
            remedy="Pass an exam or its path, a Questionnaire or several, a table of "
            "questionnaires, or a cohort.",
        )
    cohort = _table_cohort(frame, missing)
    if "age" not in cohort.exams.columns:
        like = next(
            (n for n, f in match_columns(frame.columns).look_alikes.items() if f == "age"), ""
        )
        raise QuestionnaireError(
            "the table has no column age" + (f"; {like!r} looks like it" if like else ""),
            remedy="Name the columns after Questionnaire fields; only age is required.",
        )
    return Request(cohort=cohort, index=frame.index, is_one=is_one)


def _one_exam(exam: Exam, woman: Questionnaire | None, prior: Exam | None) -> Request:
    import pandas as pd

    frame = pd.DataFrame({"age": [float("nan")]}) if woman is None else woman.to_frame()
    cohort = Cohort(
        exams=frame,
        errors=pd.Series([""] * len(frame), dtype=object),
        table_warnings=read_answers(frame)[1],
        open_exam=lambda row: exam,
        open_prior=None if prior is None else lambda row: prior,
        has_prior=None if prior is None else lambda row: True,
    )
    return Request(cohort=cohort, index=frame.index, is_one=True)


def _table_cohort(frame: pd.DataFrame, missing: MissingCodes | None = None) -> Cohort:
    import pandas as pd

    exams, warnings = read_answers(frame.reset_index(drop=True), missing)
    errors = pd.Series([""] * len(exams), dtype=object)
    return Cohort(exams=exams, errors=errors, table_warnings=warnings)


def _as_questionnaire(woman: object) -> Questionnaire | None:
    if woman is None or isinstance(woman, Questionnaire):
        return woman
    raise QuestionnaireError(
        f"{type(woman).__name__} is not a questionnaire", remedy="Pass mr.Questionnaire(age=...)."
    )


def _as_exam(prior: object) -> Exam | None:
    if prior is None or isinstance(prior, Exam):
        return prior
    if isinstance(prior, (str, Path)):
        return read_exam(prior, allow_missing_views=True)
    raise CohortError(
        f"{type(prior).__name__} is not a prior exam", remedy="Pass an exam or its path."
    )
