"""Scoring of cohort rows: every row is read once and scored once, and gets its warnings."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mammorisk._utils.parallel import read_ahead
from mammorisk.base import Horizon, ImageModel, RiskModel, Scores
from mammorisk.errors import MammoriskError
from mammorisk.io.acquisition import doubt_force_units
from mammorisk.prediction.lesion_search import unsearched_warnings, with_findings
from mammorisk.prediction.network_threads import few_threads
from mammorisk.prediction.reading import ExamReading, read_row
from mammorisk.prediction.reading_processes import RowReader
from mammorisk.records.cohort import Cohort
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.sex import male_rows
from mammorisk.warnings import ResultWarning, Warnings, make_warning

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.findings.base import Detector

#: Minimum number of exams for a check of a device's units by their median.
EXAMS_TO_DOUBT_UNITS = 5
#: Largest difference in years between the ages in header and questionnaire without a warning.
AGE_TOLERANCE_YEARS = 1.0
#: Rows scored together if no images are read.
ROWS_WITHOUT_IMAGES = 100_000
#: Exams scored together by models that do not read pixels themselves.
EXAMS_AT_ONCE = 32

#: Refusals of an exam of a man, by the table and by the header.
MALE_IN_TABLE = make_warning(
    "male-patient", "the table says that the patient is male: the models are for women"
)
MALE_PATIENT = make_warning("male-patient", "PatientSex (0010,0040) is M: the models are for women")

#: Called with the number of exams that were read and the total.
OnExam = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ScoredRows:
    """Rows of a cohort with their risks.

    Attributes
    ----------
    answers : DataFrame
        Questionnaires. Unknown ages are filled in from image headers.
    with_density : DataFrame
        The same. Unknown breast densities are filled in with estimates from the images.
    scores : Scores
        Risks. The warnings include those of the readings.
    readings : list of ExamReading
    refused : list of bool
        Rows whose exam or answers are refused, whatever the model.
    """

    answers: pd.DataFrame
    with_density: pd.DataFrame
    scores: Scores
    readings: list[ExamReading]
    refused: list[bool]


class RowLog(Protocol):
    """Records scored rows, such as :class:`mammorisk.prediction.audit.AuditLog`."""

    def write(self, found: ScoredRows) -> None: ...


def rows_at_once(cohort: Cohort, model: RiskModel) -> int:
    """Return the number of rows that are read and scored together."""
    if not cohort.has_images:
        return ROWS_WITHOUT_IMAGES
    return model.exams_at_once if isinstance(model, ImageModel) else EXAMS_AT_ONCE


def score_in_chunks(
    cohort: Cohort,
    chunks: Sequence[Sequence[int]],
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    on_exam: OnExam | None = None,
    log: RowLog | None = None,
    detector: Detector | None = None,
) -> Generator[ScoredRows, None, None]:
    """Score chunks of rows. The next chunk is read while one is scored.

    Parameters
    ----------
    cohort : Cohort
    chunks : sequence of sequence of int
        Positions in ``cohort.exams``. At most two chunks are in memory.
    model : RiskModel
    horizons : tuple of float or "lifetime"
    on_exam : callable, optional
        Called with the number of exams that were read and the total.
    log : RowLog, optional
        Records every chunk before it is returned.
    detector : Detector, optional
        Searches lesions in the same views. Risks do not depend on it.

    Yields
    ------
    ScoredRows
        For each chunk, in order.
    """
    total = sum(len(chunk) for chunk in chunks)
    done = 0
    is_light = isinstance(model, ImageModel) and model.is_light
    with _reader(cohort, model, total, detector) as reader:
        threads = few_threads if reader.in_processes and is_light else nullcontext

        def read(chunk: Sequence[int]) -> list[ExamReading]:
            nonlocal done
            found = []
            for one in reader.rows(chunk):
                # At once: the input of the search is larger than its result.
                found.append(one if detector is None else with_findings(one, detector))
                done += 1
                if on_exam is not None:
                    on_exam(done, total)
            return found

        for chunk, readings in zip(chunks, read_ahead(read, chunks), strict=True):
            with threads():
                found = _score(cohort, list(chunk), readings, model, horizons)
            if log is not None:
                log.write(found)
            yield found


def _reader(cohort: Cohort, model: RiskModel, exams: int, detector: Detector | None) -> RowReader:
    """Return what reads rows. A row without images has an empty reading."""
    if not cohort.has_images:
        return RowReader(lambda row: ExamReading(), exams, pixels=False)
    network = model if isinstance(model, ImageModel) and model.uses_images else None
    pixels = network is not None or model.card.needs_pixels

    def read(row: int) -> ExamReading:
        return read_row(
            row,
            cohort.open_row,
            cohort.open_prior,
            network,
            pixels=pixels,
            parallel_views=exams == 1,
            detector=detector,
        )

    return RowReader(read, exams, pixels=pixels or detector is not None)


def _score(
    cohort: Cohort,
    rows: list[int],
    readings: list[ExamReading],
    model: RiskModel,
    horizons: tuple[Horizon, ...],
) -> ScoredRows:
    import numpy as np
    import pandas as pd

    answers = cohort.questionnaires.iloc[rows].copy()
    if "age" not in answers.columns:
        answers["age"] = np.nan
    told: list[list[ResultWarning]] = [[] for _ in rows]
    refused = _refuse(cohort, rows, readings, answers, model, told)
    _compare_ages(answers, readings, told)
    for own, reading in zip(told, readings, strict=True):
        own.extend(reading.warnings)
        own.extend(unsearched_warnings(reading))
    _tell_of_ignored_priors(cohort, rows, readings, model, told)
    _doubt_units(readings, told)
    # A network says itself what it makes of measured density.
    reads_pixels = isinstance(model, ImageModel) and model.uses_images
    told_of_density = model.card.needs_pixels and not reads_pixels
    with_density = _fill_density(answers, readings, told if told_of_density else None)
    if isinstance(model, ImageModel) and model.uses_images:
        scores = model.score_exams(answers, [one.prepared for one in readings], horizons)
    else:
        scores = model.score(with_density, horizons)
    sound = pd.Series([not why for why in refused], index=answers.index)
    warnings = _join_warnings(refused, scores.warnings, told, _of_table(cohort, rows))
    scores = scores.only(sound, pd.Series(warnings, index=answers.index, dtype=object))
    return ScoredRows(
        answers=answers,
        with_density=with_density,
        scores=scores,
        readings=readings,
        refused=[bool(why) for why in refused],
    )


def _refuse(
    cohort: Cohort,
    rows: list[int],
    readings: list[ExamReading],
    answers: pd.DataFrame,
    model: RiskModel,
    told: list[list[ResultWarning]],
) -> list[Warnings]:
    """Return for each row the reasons against any risk. Empty if there is none."""
    import pandas as pd

    found: list[Warnings] = []
    male = male_rows(cohort.exams.iloc[rows])
    needs_exam = pd.to_numeric(answers["age"], errors="coerce").isna() | model.card.needs_pixels
    for i, (row, reading) in enumerate(zip(rows, readings, strict=True)):
        fault = cohort.errors.iloc[row]
        if fault:
            found.append((make_warning("row-invalid", fault),))
        elif male[i]:
            found.append((MALE_IN_TABLE,))
        elif reading.error is not None and needs_exam.iloc[i]:
            found.append((make_warning("exam-unreadable", str(reading.error)),))
        elif reading.error is not None:
            found.append(())
            told[i].append(make_warning("exam-not-read", f"exam not read: {reading.error.what}"))
        elif reading.exam is not None and reading.exam.patient_sex == "M":
            found.append((MALE_PATIENT,))
        else:
            found.append(())
    return found


def _compare_ages(
    answers: pd.DataFrame, readings: list[ExamReading], told: list[list[ResultWarning]]
) -> None:
    """Fill in unknown ages from the header, and warn about contradictions."""
    import pandas as pd

    ages = pd.to_numeric(answers["age"], errors="coerce").to_numpy(dtype=float)
    others = [name for name in answers.columns if name in FIELDS and name != "age"]
    known = answers[others].notna().any(axis=1).to_numpy()
    filled = answers["age"].astype(object)
    for i, reading in enumerate(readings):
        if reading.exam is None:
            continue
        header = reading.exam.age_years
        if ages[i] != ages[i]:
            if header is not None:
                filled.iloc[i] = header
                told[i].append(make_warning("age-from-header"))
        elif header is not None and abs(header - ages[i]) > AGE_TOLERANCE_YEARS:
            text = f"age is {ages[i]:g} in the questionnaire and {header:g} in the image header"
            told[i].append(make_warning("age-contradiction", text))
        if not known[i]:
            told[i].append(make_warning("no-questionnaire"))
    answers["age"] = filled


def _fill_density(
    answers: pd.DataFrame,
    readings: list[ExamReading],
    told: list[list[ResultWarning]] | None,
) -> pd.DataFrame:
    """Return the questionnaires with unknown densities estimated from the images."""
    from mammorisk.records.questionnaire_table import check_frame

    if all(one.density is None or one.density.category is None for one in readings):
        return answers
    filled = answers.copy()
    if "breast_density" not in filled.columns:
        filled["breast_density"] = None
    # Read as the models read it, because an answer can be the word "unknown".
    unknown = check_frame(filled)[0]["breast_density"].isna().to_numpy()
    density = filled["breast_density"].astype(object)
    for i, reading in enumerate(readings):
        category = None if reading.density is None else reading.density.category
        if unknown[i] and category is not None:
            density.iloc[i] = category
            if told is not None:
                text = f"breast density {category} estimated from the image, not calibrated"
                told[i].append(make_warning("density-estimated", text))
    filled["breast_density"] = density
    return filled


def _tell_of_ignored_priors(
    cohort: Cohort,
    rows: list[int],
    readings: list[ExamReading],
    model: RiskModel,
    told: list[list[ResultWarning]],
) -> None:
    if isinstance(model, ImageModel) and model.uses_priors:
        return
    for own, row, reading in zip(told, rows, readings, strict=True):
        is_given = cohort.has_prior is not None and cohort.has_prior(row)
        is_found = reading.exam is not None and reading.exam.prior is not None
        if is_given or is_found:
            text = f"the prior exam was not used: {model.name} does not use prior exams"
            own.append(make_warning("prior-exam", text))


def _doubt_units(readings: list[ExamReading], told: list[list[ResultWarning]]) -> None:
    """Warn about doubtful force units, which show only in several exams of a device."""
    if sum(1 for one in readings if one.acquisitions) < EXAMS_TO_DOUBT_UNITS:
        return
    images = [(i, one) for i, reading in enumerate(readings) for one in reading.acquisitions]
    for (i, _), doubt in zip(images, doubt_force_units(one for _, one in images), strict=True):
        if doubt is not None and doubt not in told[i]:
            told[i].append(doubt)


def _of_table(cohort: Cohort, rows: list[int]) -> list[Warnings]:
    """The warnings of the table by row; rows of one pattern share a tuple."""
    import numpy as np

    concerned = [one for one in cohort.table_warnings if one.rows is not None]
    if not concerned:
        return [()] * len(rows)
    masks = np.column_stack([one.rows[rows] for one in concerned if one.rows is not None])
    patterns, code = np.unique(masks, axis=0, return_inverse=True)
    shared = [
        tuple(one.warning for one, there in zip(concerned, pattern, strict=True) if there)
        for pattern in patterns
    ]
    return [shared[i] for i in code.ravel()]


def _join_warnings(
    refused: list[Warnings],
    scored: pd.Series,
    told: list[list[ResultWarning]],
    of_table: list[Warnings],
) -> list[Warnings]:
    """All that is said of each row, each fact once."""
    # Rows share few tuples: what was joined once is joined.
    joined: dict[tuple[int, int], Warnings] = {}
    found = []
    for why, own, more, table in zip(refused, scored, told, of_table, strict=True):
        if why:
            found.append(why)
        elif more:
            found.append(_distinct([*own, *table, *more]))
        else:
            key = (id(own), id(table))
            if key not in joined:
                joined[key] = _distinct([*own, *table])
            found.append(joined[key])
    return found


def _distinct(warnings: list[ResultWarning]) -> Warnings:
    return tuple(dict.fromkeys(warnings))


def first_error(readings: Sequence[ExamReading]) -> MammoriskError | None:
    """Return the first error of the readings, or None."""
    return next((one.error for one in readings if one.error is not None), None)
