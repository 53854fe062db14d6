"""Scoring a cohort with a network: the next exams are read while these are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mammorisk.base import Horizon, ImageModel, ReadExams, Scores, risk_table
from mammorisk.prediction.default_model import join_flags
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import Cohort

if TYPE_CHECKING:
    import pandas as pd

#: A median of fewer exams says little of a device's units.
EXAMS_TO_DOUBT_UNITS = 5


def predict_in_chunks(
    model: ImageModel,
    cohort: Cohort,
    chunks: Sequence[Sequence[int]],
    horizons: tuple[Horizon, ...],
    on_exam: Callable[[int, int], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Risks of chunks of rows, one table each; no more than two chunks are in memory.

    Parameters
    ----------
    model : ImageModel
    cohort : Cohort
        With images.
    chunks : sequence of sequence of int
        Positions in ``cohort.exams``.
    horizons : tuple
    on_exam : callable, optional
        Called with the number of exams read and in all.

    Yields
    ------
    DataFrame
        As :func:`mammorisk.predict` returns for a cohort. A row whose exam cannot be read has no
        risk, and the error as its flag.
    """
    total = sum(len(chunk) for chunk in chunks)
    done_before = [0]
    for chunk in chunks:
        done_before.append(done_before[-1] + len(chunk))

    def read(i: int) -> tuple[list[int], ReadExams | None]:
        sound = [row for row in chunks[i] if cohort.errors.iloc[row] == ""]
        if not sound:
            return sound, None
        assert cohort.open_exam is not None

        def tell(done: int, _: int) -> None:
            if on_exam is not None:
                on_exam(done_before[i] + done, total)

        return sound, model.read_rows(
            sound, cohort.open_exam, open_prior=cohort.open_prior, on_exam=tell
        )

    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = [pool.submit(read, 0)] if chunks else []
        for i, chunk in enumerate(chunks):
            sound, found = coming.pop().result()
            if i + 1 < len(chunks):
                coming.append(pool.submit(read, i + 1))
            yield _table(model, cohort, list(chunk), sound, found, horizons)


def _table(
    model: ImageModel,
    cohort: Cohort,
    rows: list[int],
    sound: list[int],
    read: ReadExams | None,
    horizons: tuple[Horizon, ...],
) -> pd.DataFrame:
    """Risks of the rows that could be read; the errors of the others."""
    import pandas as pd

    frame = cohort.questionnaires.iloc[rows]
    faults = cohort.errors.iloc[rows].astype(object).copy()
    if read is None:
        empty = pd.DataFrame(index=frame.index, columns=list(horizons), dtype=float)
        return risk_table(frame, Scores(risk=empty, flags=faults), model.name, horizons)
    index = cohort.exams.index[sound]
    answers, notes = _with_header_ages(cohort.questionnaires.iloc[sound].copy(), read)
    _doubt_units(read.acquisitions, notes)
    scores = model.score_read(answers, read, horizons)
    faults.loc[index] = read.errors
    flags = join_flags(scores.flags, pd.Series(notes, index=index, dtype=object))
    is_sound = faults == ""

    def whole(table: pd.DataFrame | None) -> pd.DataFrame | None:
        return None if table is None else table.reindex(frame.index).where(is_sound)

    risk = whole(scores.risk)
    assert risk is not None
    kept = Scores(
        risk=risk,
        flags=flags.reindex(frame.index).where(is_sound, faults),
        lower=whole(scores.lower),
        upper=whole(scores.upper),
    )
    return risk_table(frame, kept, model.name, horizons)


def _with_header_ages(frame: pd.DataFrame, read: ReadExams) -> tuple[pd.DataFrame, list[str]]:
    """Unknown ages from the image headers, which is said."""
    import pandas as pd

    told = list(read.flags)
    if "age" not in frame.columns:
        frame["age"] = float("nan")
    unknown = pd.to_numeric(frame["age"], errors="coerce").isna().to_numpy()
    for i, age in enumerate(read.ages_years):
        if unknown[i] and age is not None:
            frame.loc[frame.index[i], "age"] = age
            told[i] = "; ".join(part for part in (told[i], "age from the image header") if part)
    return frame, told


def _doubt_units(acquisitions: list[list[Acquisition]], notes: list[str]) -> None:
    """Units can be doubted only where several exams of a device are looked at together."""
    if sum(1 for views in acquisitions if views) < EXAMS_TO_DOUBT_UNITS:
        return
    from mammorisk.io.acquisition import flag_force_units

    images = [(i, one) for i, views in enumerate(acquisitions) for one in views]
    for (i, _), doubt in zip(images, flag_force_units(one for _, one in images), strict=True):
        if doubt and doubt not in notes[i]:
            notes[i] = "; ".join(part for part in (notes[i], doubt) if part)
