"""Many exams as arrays: what a network is trained on and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.parallel import usable_cores
from mammorisk.errors import ExamError, MammoriskError
from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.inputs.standard_exam import VIEWS, StandardExam
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Exam

#: Views of the exam, then those of the prior exam.
TOKENS_PER_EXAM = len(VIEWS)


@dataclass(frozen=True, kw_only=True)
class ExamSet:
    """Standardised exams in order, one a row; a row without images has no view present.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, tokens, rows, columns)
        Tokens are the four standard views, then, where there are priors, those of the prior.
    present : ndarray of bool, shape (n, tokens)
    years_before : ndarray of float, shape (n, tokens)
    percent_density : ndarray of float, shape (n, tokens)
    acquisition : DataFrame, n x tokens rows
        :func:`~mammorisk.inputs.acquisition_table.acquisition_table` in the order of rows, then
        tokens.
    age_years : ndarray of float, shape (n,)
        From the image header; NaN where it does not say.
    errors, flags : list of str
        By row; an error where the exam could not be read.
    acquisitions : list of Acquisition or None
        The records behind ``acquisition``, in its order.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    present: NDArray[np.bool_]
    years_before: NDArray[np.float64]
    percent_density: NDArray[np.float64]
    acquisition: pd.DataFrame
    age_years: NDArray[np.float64]
    errors: list[str]
    flags: list[str]
    acquisitions: list[Acquisition | None] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.present)

    @property
    def tokens(self) -> int:
        return self.present.shape[1]


#: Opens the exam of a row, or tells that there is none (None).
Opener = Callable[[int], Exam | None]


def load_exams(
    rows: Sequence[int],
    open_exam: Opener,
    cache: ImageCache,
    *,
    open_prior: Opener | None = None,
    prior_years: float = 2.0,
    on_exam: Callable[[int, int], None] | None = None,
) -> ExamSet:
    """Read exams on all cores; one that cannot be read becomes a row without views.

    Parameters
    ----------
    rows : sequence of int
        Given to the openers.
    open_exam, open_prior : callable
    cache : ImageCache
    prior_years : float
        Between an exam and its prior.
    on_exam : callable, optional
        Called with the number of exams done and in all.

    Returns
    -------
    ExamSet
    """
    settings = cache.settings
    n, times = len(rows), 1 if open_prior is None else 2
    tokens = times * TOKENS_PER_EXAM
    pixels = np.zeros((n, tokens, settings.rows, settings.columns), dtype=np.uint8)
    present = np.zeros((n, tokens), dtype=bool)
    years_before = np.zeros((n, tokens))
    years_before[:, TOKENS_PER_EXAM:] = prior_years
    density = np.full((n, tokens), np.nan)
    acquisitions: list[Acquisition | None] = [None] * (n * tokens)
    ages = np.full(n, np.nan)
    errors, flags = [""] * n, [""] * n

    def read(row: int) -> list[tuple[StandardExam | None, float, str, str]]:
        openers = [open_exam] if open_prior is None else [open_exam, open_prior]
        return [_read_one(opener, row, cache) for opener in openers]

    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        for i, found in enumerate(_in_order(pool, read, rows)):
            for time, (made, age, error, flag) in enumerate(found):
                if time == 0:
                    ages[i], errors[i], flags[i] = age, error, flag
                elif error or flag:
                    flags[i] = "; ".join(
                        part for part in (flags[i], f"prior exam: {error or flag}") if part
                    )
                if made is None:
                    continue
                place = slice(time * TOKENS_PER_EXAM, (time + 1) * TOKENS_PER_EXAM)
                pixels[i, place], present[i, place] = made.pixels, made.present
                density[i, place] = made.percent_density
                start = i * tokens + place.start
                acquisitions[start : start + TOKENS_PER_EXAM] = made.acquisitions
            if on_exam is not None:
                on_exam(i + 1, n)
    return ExamSet(
        pixels=pixels,
        present=present,
        years_before=years_before,
        percent_density=density,
        acquisition=acquisition_table(acquisitions),
        acquisitions=acquisitions,
        age_years=ages,
        errors=errors,
        flags=flags,
    )


def _read_one(
    opener: Opener, row: int, cache: ImageCache
) -> tuple[StandardExam | None, float, str, str]:
    """The standardised exam, the header's age, an error, flags."""
    try:
        exam = opener(row)
        if exam is None:
            return None, np.nan, "", ""
        made = cache.get(exam)
    except MammoriskError as error:
        return None, np.nan, str(error), ""
    except MemoryError:
        return None, np.nan, str(ExamError("not enough memory to read the exam")), ""
    age = np.nan if exam.age_years is None else exam.age_years
    return made, age, "", "; ".join(dict.fromkeys([*exam.all_flags(), *made.flags]))


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[int], list[tuple[StandardExam | None, float, str, str]]],
    rows: Sequence[int],
) -> Iterator[list[tuple[StandardExam | None, float, str, str]]]:
    """Results in order, with few exams read ahead: finished ones must not pile up in memory."""
    queue = iter(rows)
    running = [pool.submit(work, row) for row in islice(queue, 8)]
    while running:
        done = running.pop(0)
        for row in islice(queue, 1):
            running.append(pool.submit(work, row))
        yield done.result()
