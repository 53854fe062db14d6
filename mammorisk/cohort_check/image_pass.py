"""One pass over the exams of a cohort: headers, and pixels where asked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mammorisk._utils.parallel import map_in_order
from mammorisk._utils.progress import OnStep
from mammorisk.cohort_check.image_index import FIELDS, ImageFacts, ImageIndex
from mammorisk.errors import ExamError, MammoriskError
from mammorisk.records.exam import Exam, View

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Images are stored in the index in groups of about this many exams.
_EXAMS_A_WRITE = 256
#: Difference of the age in header and table from which on it is counted, years.
_AGES_APART = 1.5


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An exam, or a view, that cannot be read.

    Attributes
    ----------
    row : int
    part : str
        ``"exam"`` or ``"prior exam"``, with the view if the header could be read.
    error : str
        Class of the error.
    reason : str
        Without the name of a file.
    """

    row: int
    part: str
    error: str
    reason: str


@dataclass(kw_only=True)
class PassResult:
    """What the pass found besides the index.

    Attributes
    ----------
    exams, priors, images : int
        Numbers that were read.
    failures : list of Failure
    warning_counts : Counter
        Number of exams by code of the warning.
    other_age : int
        Exams whose header states another age than the table.
    """

    exams: int = 0
    priors: int = 0
    images: int = 0
    failures: list[Failure] = field(default_factory=list)
    warning_counts: Counter[str] = field(default_factory=Counter)
    other_age: int = 0


@dataclass(frozen=True, kw_only=True)
class _Read:
    """Result of one row."""

    images: list[ImageFacts] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    codes: frozenset[str] = frozenset()
    exams: int = 0
    priors: int = 0
    age_years: float | None = None


def read_images(
    cohort: Cohort, index: ImageIndex, *, pixels: bool, on_exam: OnStep | None = None
) -> PassResult:
    """Read the headers of all exams and prior exams into an index.

    Parameters
    ----------
    cohort : Cohort
        With images. Rows in error are not opened.
    index : ImageIndex
    pixels : bool
        Also decode the pixels, for their digest.
    on_exam : callable, optional
        Called with the number of finished rows and the total number.
    """
    rows = np.flatnonzero((cohort.errors == "").to_numpy(dtype=bool)).tolist()
    ages = _ages(cohort)
    result = PassResult()
    waiting: list[ImageFacts] = []
    found: Iterable[_Read] = map_in_order(lambda row: _read_row(cohort, row, pixels), rows)
    for done, (row, one) in enumerate(zip(rows, found, strict=True), start=1):
        waiting += one.images
        result.failures += one.failures
        result.warning_counts.update(one.codes)
        result.exams += one.exams
        result.priors += one.priors
        result.images += len(one.images)
        if one.age_years is not None and abs(one.age_years - ages[row]) > _AGES_APART:
            result.other_age += 1
        if done % _EXAMS_A_WRITE == 0:
            index.add(waiting)
            waiting = []
        if on_exam is not None:
            on_exam(done, len(rows))
    index.add(waiting)
    return result


def _ages(cohort: Cohort) -> np.ndarray:
    import pandas as pd

    if "age" not in cohort.exams:
        return np.full(len(cohort), np.nan)
    return pd.to_numeric(cohort.exams["age"], errors="coerce").to_numpy(dtype=float)


def _read_row(cohort: Cohort, row: int, pixels: bool) -> _Read:
    images: list[ImageFacts] = []
    failures: list[Failure] = []
    codes: set[str] = set()
    read = [0, 0]
    age = None
    for is_prior, opener in enumerate((cohort.open_exam, cohort.open_prior)):
        if opener is None:
            continue
        part = "prior exam" if is_prior else "exam"
        try:
            exam: Exam | None = opener(row)
            if exam is None:
                continue
            codes.update(one.code for one in exam.all_warnings())
            if not is_prior:
                age = exam.age_years
            read[is_prior] = 1
            for view in exam:
                try:
                    images.append(_facts(view, row, bool(is_prior), pixels))
                except (MammoriskError, OSError, MemoryError) as error:
                    # The header was read and is of use without the pixels.
                    images.append(_facts(view, row, bool(is_prior), False))
                    failures.append(_failure(row, f"{part}, {view.name}", error))
        except (MammoriskError, OSError, MemoryError) as error:
            failures.append(_failure(row, part, error))
    return _Read(
        images=images,
        failures=failures,
        codes=frozenset(codes),
        exams=read[0],
        priors=read[1],
        age_years=age,
    )


def _failure(row: int, part: str, error: Exception) -> Failure:
    # The text of other errors may contain the name of a file.
    told = error if isinstance(error, MammoriskError) else ExamError(type(error).__name__)
    reason = told.what if told.where is None else f"{told.where}: {told.what}"
    return Failure(row=row, part=part, error=type(error).__name__, reason=reason)


def _facts(view: View, row: int, is_prior: bool, pixels: bool) -> ImageFacts:
    acquisition = view.acquisition
    digest, is_flat = None, False
    if pixels:
        stored = np.asarray(view.load().pixels)
        is_flat = bool(stored.min() == stored.max())
        key = hashlib.blake2b(str(stored.shape).encode(), digest_size=16)
        # The same values in another type or byte order are the same image.
        key.update(np.ascontiguousarray(stored, dtype="<i4").data)
        digest = key.digest()
    return ImageFacts(
        row=row,
        is_prior=is_prior,
        view=view.name,
        device=" ".join(part for part in (acquisition.manufacturer, acquisition.model) if part)
        or "not stated",
        numbers=tuple(
            view.pixel_mm if name == "pixel_mm" else getattr(acquisition, name) for name in FIELDS
        ),
        implausible=dict(acquisition.raw),
        digest=digest,
        is_flat=is_flat,
    )
