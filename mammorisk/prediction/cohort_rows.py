"""Predicting the rows of a cohort: a bad exam marks its row and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mammorisk._utils.parallel import usable_cores
from mammorisk.base import Horizon, ImageModel, RiskModel, Scores, risk_table
from mammorisk.errors import ExamError, MammoriskError
from mammorisk.prediction.default_model import join_flags, score
from mammorisk.prediction.image_rows import EXAMS_TO_DOUBT_UNITS, predict_in_chunks
from mammorisk.prediction.measure import measure_exam
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import Cohort
from mammorisk.records.questionnaire_table import check_frame

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.imaging.density import DensityEstimate


@dataclass
class _Seen:
    """What one exam's images told."""

    age_years: float | None
    density: DensityEstimate | None
    flags: list[str]
    acquisitions: list[Acquisition]


def predict_rows(
    cohort: Cohort,
    rows: Iterable[int],
    model: RiskModel | None,
    horizons: tuple[Horizon, ...],
    *,
    progress: bool = False,
) -> pd.DataFrame:
    """Predict some rows of a cohort, in order; used whole by predict and in parts by batches.

    Parameters
    ----------
    cohort : Cohort
    rows : iterable of int
        Positions in ``cohort.exams``.
    model, horizons, progress
        As in :func:`predict`.

    Returns
    -------
    DataFrame
        As :func:`predict` returns for a cohort.
    """
    import pandas as pd

    rows = list(rows)
    frame = cohort.questionnaires.iloc[rows].copy()
    faults = cohort.errors.iloc[rows].astype(object).copy()
    notes = pd.Series("", index=frame.index, dtype=object)
    if "age" not in frame.columns:
        frame["age"] = float("nan")
    if isinstance(model, ImageModel) and model.uses_images and cohort.has_images:
        return _predict_with_network(cohort, rows, model, horizons, progress)
    wants_density = model is None or "breast_density" in model.card.inputs
    if cohort.has_images and (wants_density or frame["age"].isna().any()):
        _add_from_images(cohort, frame, faults, notes, wants_density, progress)
    sound = faults == ""
    scores, names = score(frame, model, horizons)
    risk = scores.risk.where(sound)
    flags = join_flags(scores.flags.where(sound, faults), notes)
    return risk_table(frame, Scores(risk=risk, flags=flags), names, horizons)


def _predict_with_network(
    cohort: Cohort,
    rows: list[int],
    model: ImageModel,
    horizons: tuple[Horizon, ...],
    progress: bool,
) -> pd.DataFrame:
    import pandas as pd

    step = model.exams_at_once
    chunks = [rows[first : first + step] for first in range(0, len(rows), step)]
    with _reading(len(rows), progress) as tell:
        found = pd.concat(list(predict_in_chunks(model, cohort, chunks, horizons, tell)))
    found.attrs["backend"] = model.backend_used
    return found


@contextmanager
def _reading(total: int, show: bool) -> Iterator[Callable[[int, int], None] | None]:
    if not show:
        yield None
        return
    from rich.progress import Progress

    with Progress() as bar:
        task = bar.add_task("exams", total=total)
        yield lambda done, _: bar.update(task, completed=done)


def _add_from_images(
    cohort: Cohort,
    frame: pd.DataFrame,
    faults: pd.Series,
    notes: pd.Series,
    wants_density: bool,
    progress: bool,
) -> None:
    """Fill unknown densities and ages from the images, row by row; a bad exam marks its row."""
    if "breast_density" not in frame.columns:
        frame["breast_density"] = None
    # As the models will read them: an answer may be "unknown" in words.
    clean, _ = check_frame(frame)
    unknown_age = clean["age"].isna()
    unknown_density = clean["breast_density"].isna() & wants_density
    density = frame["breast_density"].astype(object)
    wanted = (faults == "") & (unknown_density | unknown_age)
    positions = [row for row, want in zip(frame.index, wanted, strict=True) if want]

    def look(row: int) -> _Seen | MammoriskError:
        assert cohort.open_exam is not None
        try:
            exam = cohort.open_exam(row)
            estimate, findings = measure_exam(exam) if wants_density else (None, [])
        except MammoriskError as error:
            return error
        except MemoryError:
            return ExamError("not enough memory to read the exam")
        return _Seen(
            age_years=exam.age_years,
            density=estimate,
            flags=exam.all_flags() + findings,
            acquisitions=[view.acquisition for view in exam],
        )

    seen: dict[int, _Seen] = {}
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        found = pool.map(look, positions)
        shown = _with_progress(found, len(positions), progress)
        for row, result in zip(positions, shown, strict=True):
            if isinstance(result, MammoriskError):
                faults[row] = str(result)
            else:
                seen[row] = result
    for row, result in seen.items():
        told = result.flags
        if unknown_age[row] and result.age_years is not None:
            frame.loc[row, "age"] = result.age_years
            told.append("age from the image header")
        if result.density is not None:
            told.extend(result.density.flags)
            category = result.density.category
            if unknown_density[row] and category is not None:
                density[row] = category
                told.append(f"breast density {category} estimated from the image, not calibrated")
    _flag_units(seen)
    for row, result in seen.items():
        notes[row] = "; ".join(result.flags)
    frame["breast_density"] = density


def _flag_units(seen: dict[int, _Seen]) -> None:
    """Units can be doubted only where several exams of a device are looked at together."""
    if len(seen) < EXAMS_TO_DOUBT_UNITS:
        return
    from mammorisk.io.acquisition import flag_force_units

    images = [(row, one) for row, result in seen.items() for one in result.acquisitions]
    doubts = flag_force_units(one for _, one in images)
    for (row, _), doubt in zip(images, doubts, strict=True):
        if doubt and doubt not in seen[row].flags:
            seen[row].flags.append(doubt)


def _with_progress(items: Iterable[Any], total: int, show: bool) -> Iterable[Any]:
    if not show:
        return items
    from rich.progress import track

    return track(items, total=total, description="exams")
