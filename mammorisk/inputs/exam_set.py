"""Exams as arrays, for training and scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.digests import array_digest, json_digest
from mammorisk._utils.parallel import usable_cores
from mammorisk.errors import ExamError, MammoriskError, OutputError
from mammorisk.inputs.acquisition_table import CATEGORIES, NUMBERS
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.inputs.map_in_workers import map_in_workers
from mammorisk.inputs.standard_exam import VIEWS, ImageSettings, StandardExam, standard_exam
from mammorisk.inputs.stored_pixels import Remake, StoredPixels
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Exam

#: Tokens are the views of the exam, followed by those of the prior exam.
TOKENS_PER_EXAM = len(VIEWS)


@dataclass(frozen=True, kw_only=True)
class ExamSet:
    """Standardised exams, one per row. A row without images has no view present.

    Attributes
    ----------
    pixels : ndarray of uint8, or StoredPixels, shape (n, tokens, rows, columns)
        Tokens are the four standard views, followed by those of the prior exam if priors are used.
        Stored pixels stay on disk until they are indexed.
    present : ndarray of bool, shape (n, tokens)
    years_before : ndarray of float, shape (n, tokens)
    percent_density : ndarray of float, shape (n, tokens)
    acquisition : DataFrame, n x tokens rows
        :func:`~mammorisk.inputs.acquisition_table.acquisition_table` in the order of rows, then
        tokens.
    age_years : ndarray of float, shape (n,)
        Age in the image header; NaN if it is not stated.
    errors : list of str
        Reason why the exam could not be read, by row; empty if it was read.
    prior_errors : list of str
        The same for the prior exam. A row without prior exam has only the views of the exam.
    acquisitions : list of Acquisition or None
        The records of ``acquisition``, in the same order. If the pixels are on disk, they have
        only the manufacturer.
    implant : ndarray of bool, shape (n,)
        Whether the header of a view states an implant.
    male : ndarray of bool, shape (n,)
        Whether the header states that the patient is male.
    density_probabilities : ndarray of float, shape (n, 4), or None
        Probabilities of categories a-d, measured in the images; NaN if not measured.
    """

    pixels: NDArray[np.uint8] | StoredPixels = field(repr=False)
    present: NDArray[np.bool_]
    years_before: NDArray[np.float64]
    percent_density: NDArray[np.float64]
    acquisition: pd.DataFrame
    age_years: NDArray[np.float64]
    errors: list[str]
    prior_errors: list[str] = field(default_factory=list)
    acquisitions: list[Acquisition | None] = field(default_factory=list, repr=False)
    implant: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool), repr=False)
    male: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool), repr=False)
    density_probabilities: NDArray[np.float64] | None = None

    #: Arrays with one row an exam, besides the pixels.
    _by_exam: ClassVar[tuple[str, ...]] = (
        "present",
        "years_before",
        "percent_density",
        "age_years",
        "implant",
        "male",
        "density_probabilities",
    )

    def __post_init__(self) -> None:
        for name in ("implant", "male"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(len(self), dtype=bool))

    def __len__(self) -> int:
        return len(self.present)

    @property
    def tokens(self) -> int:
        return int(self.present.shape[1])

    def digest(self) -> str:
        """Return the SHA-256 of the content in hexadecimal.

        Pixels on disk are not read: the names of their files are digests of what they show.
        """
        arrays = [getattr(self, name) for name in self._by_exam]
        known = [None if one is None else array_digest(one) for one in arrays]
        pixels = self.pixels
        seen = pixels.digest() if isinstance(pixels, StoredPixels) else array_digest(pixels)
        acquisition = pd.util.hash_pandas_object(self.acquisition.astype(str), index=False)
        return json_digest([seen, array_digest(acquisition.to_numpy()), *known])

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Select some exams. Pixels on disk stay there."""
        views = (rows[:, None] * self.tokens + np.arange(self.tokens)).ravel()
        arrays = {name: getattr(self, name) for name in self._by_exam}
        taken: dict[str, Any] = {
            name: None if one is None else one[rows] for name, one in arrays.items()
        }
        pixels = self.pixels
        return replace(
            self,
            **taken,
            pixels=pixels.take(rows) if isinstance(pixels, StoredPixels) else pixels[rows],
            acquisition=self.acquisition.iloc[views].reset_index(drop=True),
            errors=[self.errors[row] for row in rows],
            prior_errors=[self.prior_errors[row] for row in rows] if self.prior_errors else [],
            acquisitions=[self.acquisitions[i] for i in views] if self.acquisitions else [],
        )


#: Opens the exam of a row; returns None if there is none.
Opener = Callable[[int], Exam | None]


def load_exams(
    rows: Sequence[int],
    open_exam: Opener,
    cache: ImageCache,
    *,
    open_prior: Opener | None = None,
    prior_years: float = 2.0,
    on_exam: Callable[[int, int], None] | None = None,
    in_memory: bool = True,
    workers: int | None = None,
) -> ExamSet:
    """Read exams in several processes. An unreadable exam becomes a row without views.

    Parameters
    ----------
    rows : sequence of int
        Rows to pass to the openers.
    open_exam, open_prior : callable
    cache : ImageCache
    prior_years : float
        Years between an exam and its prior.
    on_exam : callable, optional
        Called with the number of finished exams and the total number.
    in_memory : bool
        Keep the pixels in memory. Otherwise they stay in the cache, which then needs a folder.
    workers : int, optional
        Number of processes, by default one a usable core. 0 reads in this process.

    Returns
    -------
    ExamSet

    Raises
    ------
    OutputError
        The cache cannot be written. What was written is kept.
    """
    openers = [open_exam] if open_prior is None else [open_exam, open_prior]

    def read(row: int) -> list[LoadedExam]:
        found = [_read_one(open_exam, row, cache, in_memory)]
        if open_prior is not None:
            # The prior of an exam that cannot be read is not used.
            failed = bool(found[0].error)
            found.append(LoadedExam() if failed else _read_one(open_prior, row, cache, in_memory))
        return found

    def remake(position: int, time: int) -> StandardExam | None:
        exam = openers[time](rows[position])
        return None if exam is None else standard_exam(exam, cache.settings)

    stack = _Stack(len(rows), len(openers), cache.settings, prior_years, in_memory, remake)
    found = map_in_workers(read, rows, usable_cores() if workers is None else workers)
    for i, exams in enumerate(found):
        for time, one in enumerate(exams):
            if one.stop is not None:
                raise one.stop
            stack.add(i, time, one)
        if on_exam is not None:
            on_exam(i + 1, len(rows))
    return stack.exam_set()


def stack_exams(
    exams: Sequence[Sequence[StandardExam | None]],
    settings: ImageSettings,
    *,
    prior_years: float = 2.0,
) -> ExamSet:
    """Combine exams that are already read into one set.

    Parameters
    ----------
    exams : sequence of sequence of StandardExam or None
        For each row the exam, and its prior exam if the model uses priors.
    settings : ImageSettings
    prior_years : float
        Years between an exam and its prior.
    """
    times = max((len(found) for found in exams), default=1)
    stack = _Stack(len(exams), times, settings, prior_years)
    for i, found in enumerate(exams):
        for time, made in enumerate(found):
            stack.add(i, time, LoadedExam(made=made))
    return stack.exam_set()


@dataclass(frozen=True, kw_only=True)
class LoadedExam:
    """One exam, age and sex in its header, and the reason if it cannot be read.

    ``file`` is its entry in the cache if the pixels stay there. ``stop`` is an error that must stop
    the reading of all exams.
    """

    made: StandardExam | None = None
    age_years: float = np.nan
    male: bool = False
    error: str = ""
    file: Path | None = None
    stop: MammoriskError | None = None


class _Stack:
    """Arrays of many exams, filled one by one."""

    def __init__(
        self,
        n: int,
        times: int,
        settings: ImageSettings,
        prior_years: float,
        in_memory: bool = True,
        remake: Remake | None = None,
    ) -> None:
        tokens = times * TOKENS_PER_EXAM
        self.tokens, self.settings, self.remake = tokens, settings, remake
        self.pixels: NDArray[np.uint8] | None = None
        if in_memory:
            self.pixels = np.zeros((n, tokens, settings.rows, settings.columns), dtype=np.uint8)
        self.files: list[list[Path | None]] = [[None] * times for _ in range(n)]
        self.present = np.zeros((n, tokens), dtype=bool)
        self.years_before = np.zeros((n, tokens))
        self.years_before[:, TOKENS_PER_EXAM:] = prior_years
        self.density = np.full((n, tokens), np.nan)
        self.acquisitions: list[Acquisition | None] = [None] * (n * tokens)
        self.ages = np.full(n, np.nan)
        self.errors = [""] * n
        self.implant = np.zeros(n, dtype=bool)
        self.male = np.zeros(n, dtype=bool)
        self.prior_errors = [""] * n
        self.numbers = np.full((n * tokens, len(NUMBERS)), np.nan)
        self.labels = np.full((n * tokens, len(CATEGORIES)), None, dtype=object)
        self._slim: dict[str | None, Acquisition] = {}

    def add(self, row: int, time: int, found: LoadedExam) -> None:
        if time == 0:
            self.ages[row], self.errors[row] = found.age_years, found.error
            self.male[row] = found.male
        else:
            self.prior_errors[row] = found.error
        if found.made is None:
            return
        place = slice(time * TOKENS_PER_EXAM, (time + 1) * TOKENS_PER_EXAM)
        if self.pixels is not None:
            self.pixels[row, place] = found.made.pixels
        self.files[row][time] = found.file
        self.present[row, place] = found.made.present
        self.density[row, place] = found.made.percent_density
        if time == 0:
            self.implant[row] = found.made.implant
        start = row * self.tokens + place.start
        for view, one in enumerate(found.made.acquisitions, start):
            if one is None:
                continue
            known = [getattr(one, name) for name in NUMBERS]
            self.numbers[view] = [np.nan if value is None else value for value in known]
            self.labels[view] = [getattr(one, name) for name in CATEGORIES]
            if self.pixels is None:
                # Whole records of very many views would fill the memory.
                slim = Acquisition(manufacturer=one.manufacturer)
                one = self._slim.setdefault(one.manufacturer, slim)
            self.acquisitions[view] = one

    def exam_set(self) -> ExamSet:
        pixels: NDArray[np.uint8] | StoredPixels
        if self.pixels is not None:
            pixels = self.pixels
        else:
            files = [tuple(one) for one in self.files]
            pixels = StoredPixels(files=files, settings=self.settings, remake=self.remake)
        return ExamSet(
            pixels=pixels,
            present=self.present,
            years_before=self.years_before,
            percent_density=self.density,
            acquisition=pd.DataFrame(self.numbers, columns=NUMBERS).join(
                pd.DataFrame(self.labels, columns=CATEGORIES)
            ),
            acquisitions=self.acquisitions,
            age_years=self.ages,
            errors=self.errors,
            implant=self.implant,
            male=self.male,
            prior_errors=self.prior_errors,
        )


def _read_one(opener: Opener, row: int, cache: ImageCache, in_memory: bool) -> LoadedExam:
    try:
        exam = opener(row)
        if exam is None:
            return LoadedExam()
        made, file = cache.keep(exam)
    except OutputError as error:
        return LoadedExam(stop=error)
    except MammoriskError as error:
        return LoadedExam(error=str(error))
    except MemoryError:
        return LoadedExam(error=str(ExamError("not enough memory to read the exam")))
    if not in_memory:
        made = replace(made, pixels=made.pixels[:, :0, :0])
    age = np.nan if exam.age_years is None else exam.age_years
    male = exam.patient_sex == "M"
    return LoadedExam(made=made, age_years=age, male=male, file=None if in_memory else file)
