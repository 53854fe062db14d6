"""Scoring exams with a network, one or a cohort, memory bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mammorisk.acquisition import Acquisition
from mammorisk.cohort import Cohort
from mammorisk.errors import ExamError, ModelError
from mammorisk.exam import Exam
from mammorisk.hybrid_model import HybridModel
from mammorisk.inputs.exam_set import ExamSet, load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.predict_cohort import EXAMS_TO_DOUBT_UNITS
from mammorisk.risk_model import Horizon, Scores

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.mirai.mirai_model import MiraiModel

#: Exams read at a time; while they are scored the next are read.
CHUNK = 32


def score_exam(
    model: HybridModel, exam: Exam, frame: pd.DataFrame, horizons: tuple[Horizon, ...]
) -> tuple[Scores, ExamSet]:
    """Score one woman with her exam.

    Raises
    ------
    ExamError
        The pixels cannot be read.
    """
    cache = ImageCache(folder=None, settings=model.recipe.image)
    exams = load_exams([0], lambda _: exam, cache)
    if exams.errors[0]:
        # Read again to raise the error itself, with its class and place.
        cache.get(exam)
    return model.score_exams(frame, exams, horizons), exams


def score_rows(
    model: HybridModel,
    cohort: Cohort,
    rows: list[int],
    horizons: tuple[Horizon, ...],
    on_exam: Callable[[int, int], None] | None = None,
) -> tuple[Scores, list[str], list[str]]:
    """Score rows of a cohort, reading and standardising exams in chunks.

    Returns
    -------
    scores : Scores
        Index of the rows in ``cohort.exams``.
    errors, notes : list of str
        By row: why an exam cannot be read; what a reader of the row should know.
    """
    import pandas as pd

    assert cohort.open_exam is not None
    cache = ImageCache(folder=None, settings=model.recipe.image)
    prior = cohort.open_prior if model.recipe.priors else None
    parts: list[Scores] = []
    errors: list[str] = []
    notes: list[str] = []
    acquisitions: list[list[Acquisition]] = []
    open_exam = cohort.open_exam

    def read(first: int) -> ExamSet:
        def tell(done: int, _: int) -> None:
            if on_exam is not None:
                on_exam(first + done, len(rows))

        some = rows[first : first + CHUNK]
        return load_exams(some, open_exam, cache, open_prior=prior, on_exam=tell)

    for first, exams in _read_ahead(read, range(0, len(rows), CHUNK)):
        some = rows[first : first + CHUNK]
        frame = cohort.questionnaires.iloc[some].copy()
        told = list(exams.flags)
        if "age" not in frame.columns:
            frame["age"] = float("nan")
        unknown = pd.to_numeric(frame["age"], errors="coerce").isna().to_numpy()
        for i in range(len(some)):
            if unknown[i] and exams.age_years[i] == exams.age_years[i]:
                frame.loc[frame.index[i], "age"] = exams.age_years[i]
                told[i] = "; ".join(part for part in (told[i], "age from the image header") if part)
        parts.append(model.score_exams(frame, exams, horizons))
        tokens = exams.tokens
        for i in range(len(some)):
            views = exams.acquisitions[i * tokens : (i + 1) * tokens]
            acquisitions.append([one for one in views if one is not None])
        errors += exams.errors
        notes += told
    _doubt_units(acquisitions, notes)
    return _joined(parts), errors, notes


def _read_ahead(
    read: Callable[[int], ExamSet], starts: Sequence[int]
) -> Iterator[tuple[int, ExamSet]]:
    """Exams of each chunk, the next one being read while this one is worked on."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = [pool.submit(read, start) for start in starts[:1]]
        for i, start in enumerate(starts):
            exams = coming.pop().result()
            if i + 1 < len(starts):
                coming.append(pool.submit(read, starts[i + 1]))
            yield start, exams


def score_rows_one_by_one(
    model: MiraiModel,
    cohort: Cohort,
    rows: list[int],
    horizons: tuple[Horizon, ...],
    on_exam: Callable[[int, int], None] | None = None,
) -> tuple[Scores, list[str], list[str]]:
    """As :func:`score_rows`, one exam in memory at a time."""
    import pandas as pd

    assert cohort.open_exam is not None
    parts: list[Scores] = []
    errors: list[str] = []
    notes: list[str] = []
    for done, row in enumerate(rows, start=1):
        frame = cohort.questionnaires.iloc[[row]]
        error = note = ""
        try:
            exam = cohort.open_exam(row)
            note = "; ".join(exam.all_flags())
            scores = model.score_exam(exam, frame, horizons)
        except (ExamError, ModelError) as fault:
            error = str(fault)
            scores = Scores(
                risk=pd.DataFrame(float("nan"), index=frame.index, columns=list(horizons)),
                flags=pd.Series("", index=frame.index, dtype=object),
            )
        parts.append(scores)
        errors.append(error)
        notes.append(note)
        if on_exam is not None:
            on_exam(done, len(rows))
    return _joined(parts), errors, notes


def _doubt_units(acquisitions: list[list[Acquisition]], notes: list[str]) -> None:
    """Units can be doubted only where several exams of a device are looked at together."""
    if sum(1 for views in acquisitions if views) < EXAMS_TO_DOUBT_UNITS:
        return
    from mammorisk.io.acquisition import flag_force_units

    images = [(i, one) for i, views in enumerate(acquisitions) for one in views]
    for (i, _), doubt in zip(images, flag_force_units(one for _, one in images), strict=True):
        if doubt and doubt not in notes[i]:
            notes[i] = "; ".join(part for part in (notes[i], doubt) if part)


def _joined(parts: list[Scores]) -> Scores:
    import pandas as pd

    def together(tables: list[pd.DataFrame | None]) -> pd.DataFrame | None:
        found = [table for table in tables if table is not None]
        return pd.concat(found) if len(found) == len(parts) else None

    return Scores(
        risk=pd.concat([part.risk for part in parts]),
        flags=pd.concat([part.flags for part in parts]),
        contributions=together([part.contributions for part in parts]),
        lower=together([part.lower for part in parts]),
        upper=together([part.upper for part in parts]),
    )
