"""Cohort: many exams as tables with one row per exam. Images are read when they are used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk.errors import CohortError
from mammorisk.records.exam import Exam
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.sex import male_rows
from mammorisk.records.table_warning import TableWarning, take_rows
from mammorisk.warnings import Warnings

if TYPE_CHECKING:
    import pandas as pd

_Opened = TypeVar("_Opened")

#: Columns that identify a row. They are copied to results if present.
KEYS = ("patient_id", "exam_id")
OUTCOME_COLUMNS = ("time", "event", "entry", "weight", "frequency_weight")
#: Kind of outcome of a cohort. ``"survival"``: dates of events and of the end of follow-up.
#: ``"interval-censored"``: classes of time. ``"cross-sectional"``: cancers found at the exam.
#: ``"none"``: no outcome.
OutcomeKind = Literal["survival", "interval-censored", "cross-sectional", "none"]
#: Number of warnings in the repr of a cohort.
WARNINGS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Tables of a cohort, read by :func:`mammorisk.read_cohort`.

    Attributes
    ----------
    exams : DataFrame
        One row per exam, index 0 ... n-1: ``patient_id``, ``exam_id``, the Questionnaire fields and
        outcome columns of the manifest, and its other columns unchanged.
    views : DataFrame or None
        One row an image (``exam_id``, ``patient_id``, ``laterality``, ``view``, ``file_path``)
        if the manifest lists images.
    errors : Series of str
        Fault of each row of ``exams``, or empty.
    open_exam : callable or None
        Function that reads the headers of the exam in row i. None if the cohort has no images.
        :meth:`open_row` calls it for rows that are not in error.
    open_prior : callable or None
        The same for the prior exam (column ``prior_path``). It returns None for a row without one.
    has_prior : callable or None
        Function that returns whether row i has a prior exam, without opening it.
    table_warnings : tuple of TableWarning
        Warnings about column names and improbable values, with the rows concerned. A prediction for
        such a row has the same warning.
    lines : ndarray of int, shape (n,), or None
        Line of each exam in the manifest, the header being line 1; of several lines the first. None
        if the cohort is not from a manifest.
    outcome_kind : {"survival", "interval-censored", "cross-sectional", "none"} or None
        Kind of outcome; None if not stated. :func:`mammorisk.evaluate` refuses a cross-sectional
        cohort: its cancers were found at the exam, so it tests detection and not risk.

    See Also
    --------
    mammorisk.read_cohort : Reads a cohort from its manifest.
    mammorisk.predict : Predicts the risks of a cohort.
    mammorisk.simulate : Simulates a cohort.

    Examples
    --------
    >>> import mammorisk as mr
    >>> cohort = mr.simulate(1000, seed=1).cohort
    >>> len(cohort), cohort.has_images
    (1000, False)
    >>> int((cohort.exams["event"] == 1).sum())
    21
    """

    exams: pd.DataFrame
    errors: pd.Series
    views: pd.DataFrame | None = None
    open_exam: Callable[[int], Exam] | None = field(default=None, repr=False, compare=False)
    open_prior: Callable[[int], Exam | None] | None = field(default=None, repr=False, compare=False)
    has_prior: Callable[[int], bool] | None = field(default=None, repr=False, compare=False)
    table_warnings: tuple[TableWarning, ...] = field(default=(), repr=False, compare=False)
    lines: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)
    outcome_kind: OutcomeKind | None = None

    @property
    def warnings(self) -> Warnings:
        """Warnings about the table as a whole."""
        return tuple(one.warning for one in self.table_warnings)

    def __len__(self) -> int:
        return len(self.exams)

    @property
    def has_images(self) -> bool:
        return self.open_exam is not None

    @property
    def questionnaires(self) -> pd.DataFrame:
        """Keys and Questionnaire fields, one row per exam."""
        columns = [c for c in self.exams.columns if c in KEYS or c in FIELDS]
        return self.exams[columns]

    @property
    def outcomes(self) -> pd.DataFrame:
        """Keys and outcome columns: ``time`` (years to the event or to the last follow-up),
        ``event`` (0 censored, 1 breast cancer, 2 competing death), ``entry`` (years), ``weight``.
        """
        return self.exams[[c for c in self.exams.columns if c in KEYS or c in OUTCOME_COLUMNS]]

    def open_row(self, row: int) -> Exam:
        """Read the headers of the exam in a row, unless the row is in error or of a man.

        Parameters
        ----------
        row : int
            Position in ``exams``.

        Returns
        -------
        Exam

        Raises
        ------
        CohortError
            The cohort has no images, the row is in error, with its fault as the message, or a
            column such as ``sex`` says that the patient is male.
        ExamError
            The exam cannot be read.

        See Also
        --------
        mammorisk.read_exam : Reads an exam from its files.

        Examples
        --------
        >>> import mammorisk as mr
        >>> cohort = mr.read_cohort("cohort.csv", errors="flag")  # doctest: +SKIP
        >>> cohort.open_row(0)  # doctest: +SKIP
        """
        if self.open_exam is None:
            raise CohortError(
                "the cohort has no images",
                remedy="Give its manifest a column path or file_path.",
            )
        fault = self.errors.iloc[row]
        if fault:
            raise CohortError(str(fault))
        if male_rows(self.exams.iloc[[row]])[0]:
            raise CohortError(
                "the table says that the patient is male: the models are for women",
                remedy="Correct the table if it is wrong.",
            )
        return self.open_exam(row)

    def select(self, rows: ArrayLike) -> Cohort:
        """Select some of the exams, with their images.

        Parameters
        ----------
        rows : array_like of bool, shape (n,), or of int
            Rows of ``exams``: a mask, or positions in the requested order.

        Returns
        -------
        Cohort

        Raises
        ------
        CohortError
            The mask has another length, or a position does not exist.
        """
        places = _positions(np.asarray(rows), len(self))
        exams = self.exams.iloc[places].reset_index(drop=True)
        views = self.views
        if views is not None:
            # Both keys identify an exam, because sites may number exams from 1 for each woman.
            keys = list(KEYS)
            kept = views.set_index(keys).index.isin(exams.set_index(keys).index)
            views = views[kept].reset_index(drop=True)
        return replace(
            self,
            exams=exams,
            errors=self.errors.iloc[places].reset_index(drop=True),
            views=views,
            open_exam=_selected(self.open_exam, places),
            open_prior=_selected(self.open_prior, places),
            has_prior=_selected(self.has_prior, places),
            table_warnings=take_rows(self.table_warnings, places),
            lines=None if self.lines is None else self.lines[places],
        )

    def __repr__(self) -> str:
        events = (self.exams["event"] == 1).sum() if "event" in self.exams else None
        parts = [
            f"{len(self)} exams of {self.exams['patient_id'].nunique()} women",
            None if events is None else f"{events} cancers",
            "with images" if self.has_images else "without images",
            f"{(self.errors != '').sum()} rows in error" if (self.errors != "").any() else None,
        ]
        lines = [f"<Cohort: {', '.join(part for part in parts if part)}>"]
        lines += [f"  {one.severity}: {one.text}" for one in self.warnings[:WARNINGS_SHOWN]]
        if (more := len(self.warnings) - WARNINGS_SHOWN) > 0:
            lines.append(f"  and {more} more warnings in .warnings")
        return "\n".join(lines)


def _positions(rows: NDArray[Any], n: int) -> NDArray[np.int64]:
    if rows.dtype == bool:
        if rows.shape != (n,):
            raise CohortError(
                f"a mask of shape {rows.shape} for {n} exams", remedy="Give one value an exam."
            )
        return np.flatnonzero(rows)
    if rows.size and (rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer)):
        raise CohortError(
            f"rows are given as {rows.dtype} of shape {rows.shape}",
            remedy="Give a mask, or a list of positions.",
        )
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        raise CohortError(f"positions outside 0 to {n - 1}", remedy="Count rows of `exams` from 0.")
    return rows.astype(np.int64)


def _selected(
    opener: Callable[[int], _Opened] | None, places: NDArray[np.int64]
) -> Callable[[int], _Opened] | None:
    return None if opener is None else lambda row: opener(int(places[row]))
