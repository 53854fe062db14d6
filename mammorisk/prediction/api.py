"""predict(): from an exam, a questionnaire or a cohort to absolute risks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from mammorisk._utils.progress import progress_bar
from mammorisk.base import DEFAULT_HORIZONS, Horizon, RiskModel, check_horizons
from mammorisk.clinical.registry import CLINICAL_MODELS
from mammorisk.errors import MammoriskError, ModelError, QuestionnaireError
from mammorisk.evaluation.model_tables import RECORD, card_record, record_of
from mammorisk.findings.cohort_findings import CohortFindings
from mammorisk.prediction.as_cohort import Request, as_request
from mammorisk.prediction.audit import AuditLog
from mammorisk.prediction.default_model import choose_model
from mammorisk.prediction.from_embeddings import TableOfFeatures, from_embeddings
from mammorisk.prediction.lesion_search import (
    choose_detector,
    unsearched_warnings,
)
from mammorisk.prediction.one import as_prediction
from mammorisk.prediction.prediction import Prediction
from mammorisk.prediction.rows import ScoredRows, first_error, rows_at_once, score_in_chunks
from mammorisk.prediction.table import risk_table
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.records.read_answers import MissingCodes
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import ResultWarning

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.findings.base import Detector


@overload
def predict(
    data: Exam | Questionnaire | str | Path,
    woman: Questionnaire | None = None,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] | Horizon = DEFAULT_HORIZONS,
    prior: Exam | str | Path | None = None,
    missing: None = None,
    embeddings: None = None,
    findings: bool | str | Path | Detector = False,
    progress: bool = False,
    audit: str | Path | None = None,
) -> Prediction: ...
@overload
def predict(
    data: Cohort | pd.DataFrame | Sequence[Questionnaire],
    woman: None = None,
    *,
    model: str | Path | RiskModel | Sequence[str | Path | RiskModel] | None = None,
    horizons: Sequence[Horizon] | Horizon = DEFAULT_HORIZONS,
    prior: None = None,
    missing: MissingCodes | None = None,
    embeddings: TableOfFeatures | str | Path | None = None,
    findings: Literal[False] = False,
    progress: bool = False,
    audit: str | Path | None = None,
) -> pd.DataFrame: ...
@overload
def predict(
    data: Cohort,
    woman: None = None,
    *,
    model: str | Path | RiskModel | Sequence[str | Path | RiskModel] | None = None,
    horizons: Sequence[Horizon] | Horizon = DEFAULT_HORIZONS,
    prior: None = None,
    missing: None = None,
    embeddings: None = None,
    findings: Literal[True] | str | Path | Detector,
    progress: bool = False,
    audit: str | Path | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]: ...
def predict(
    data: Exam | Questionnaire | Cohort | pd.DataFrame | Sequence[Questionnaire] | str | Path,
    woman: Questionnaire | None = None,
    *,
    model: str | Path | RiskModel | Sequence[str | Path | RiskModel] | None = None,
    horizons: Sequence[Horizon] | Horizon = DEFAULT_HORIZONS,
    prior: Exam | str | Path | None = None,
    missing: MissingCodes | None = None,
    embeddings: TableOfFeatures | str | Path | None = None,
    findings: bool | str | Path | Detector = False,
    progress: bool = False,
    audit: str | Path | None = None,
) -> Prediction | pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Predict the absolute risk of breast cancer for one woman or a cohort.

    Each exam is read and scored once. A row of a cohort has the same risk, interval and warnings as
    the same woman predicted alone.

    Parameters
    ----------
    data : Exam, path, Questionnaire, Cohort, DataFrame or sequence of Questionnaire
        An exam (or the folder that holds it), with ``woman``; a questionnaire alone; a cohort; or
        a table of questionnaires (of pandas, polars, pyarrow or any library with Arrow's
        interface).
    woman : Questionnaire, optional
        With an exam: her answers. Without a questionnaire, her age is taken from the image header.
    model : str, path or RiskModel, or sequence of them, optional
        Name, folder or model. With several, for a cohort or table, the result has the rows of one
        after those of the other; :func:`mammorisk.evaluate` compares them.
        The default with images is ``hybrid``. The default without images, and for horizons that
        ``hybrid`` does not answer, is ``bcsc-2008`` where breast density is known, else
        ``icare-lit``. ``icare-lit`` is also used for women outside the ages of ``bcsc-2008`` and
        for horizons over five years. A woman whom ``bcsc-2008`` refuses for another reason, such
        as a BRCA1/2 mutation, has no risk. The result names the model that was used.
    horizons : float, "lifetime" or sequence of them
        Years from the exam. ``"lifetime"`` is up to age 90, or to the last age of the model.
    prior : Exam or path, optional
        With an exam: the previous one. A model that does not use prior exams ignores it, with a
        warning.
    missing : dict of str to list, optional
        With a table: values that mean "not known" by column, such as
        ``{"first_degree_relatives": [9]}``. For a cohort, pass them to
        :func:`mammorisk.read_cohort`.
    embeddings : Embeddings or path, optional
        With a cohort or table, and a model that was fitted on embeddings: features by the encoder
        of the model, matched by ``patient_id`` and ``exam_id``. Images are then not read.
    findings : bool, str, path or Detector
        Also search lesions for review in the same views, which are read once: by the default
        detector of :func:`mammorisk.find`, or by the named one. No risk depends on the findings.
    progress : bool
        Show the progress for a cohort with images, on standard error.
    audit : path, optional
        File to which a JSON line for each result is appended: its key, digests, versions, risks and
        warning codes. It has no identifier of a row.

    Returns
    -------
    Prediction
        For one woman. Its attribute ``findings`` has the findings, if they were asked for. It is
        None if the exam is refused, or cannot be searched: the risk then has the warning
        ``lesions-not-searched`` with the reason.
    DataFrame
        For a cohort or table: ``patient_id``, ``exam_id``, ``model``, ``risk_1y`` ...
        ``risk_5y`` (fractions in [0, 1]; with ``_lower`` and ``_upper`` where there is an
        interval), ``images_used``, ``warnings`` and ``warning_codes``. One row per exam, in input
        order. A row without a risk has NaN, and the reason in ``warnings``. ``attrs`` has a record
        of the models, with a hash of their weights, for the methods of a report.
    tuple of DataFrame
        For a cohort with ``findings``: the risks, and the table of findings as
        :func:`mammorisk.find` returns it, with the exams that cannot be searched in
        ``attrs["errors"]``.

    Raises
    ------
    QuestionnaireError
        The age of the woman is not known.
    HorizonError
        The model answers none of the horizons.
    ExamError
        ``data`` is one exam, and it cannot be read.
    CohortError
        ``data`` has another type, or ``findings`` are asked for and no images are read.
    ModelError
        Several models for one woman, or none; or ``embeddings`` with a model that was not fitted
        on embeddings.
    EmbeddingError
        ``embeddings`` are of another encoder or another cohort.

    See Also
    --------
    mammorisk.predict_to_file : Predicts an archive with bounded memory; can be resumed.
    mammorisk.Prediction : The result for one woman.
    mammorisk.load_model : Loads a model with options.
    mammorisk.evaluate : Compares risks with outcomes.

    Examples
    --------
    One woman, by the default model:

    >>> import mammorisk as mr
    >>> woman = mr.Questionnaire(age=54, race_ethnicity="white", breast_density="c")
    >>> prediction = mr.predict(woman)
    >>> prediction.model, round(prediction.five_year, 4)
    ('bcsc-2008', 0.0179)

    A table of women, by a named model:

    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [54, 61], "race_ethnicity": ["white", "black"]})
    >>> mr.predict(table, model="bcrat", horizons=5)["risk_5y"].round(4).tolist()
    [0.0075, 0.0114]

    An exam with its questionnaire (needs ``mammorisk[networks]``):

    >>> mr.predict("exam_folder", woman)  # doctest: +SKIP
    >>> prediction = mr.predict("exam_folder", woman, findings=True)  # doctest: +SKIP
    >>> prediction.findings.table  # doctest: +SKIP
    """
    wanted = check_horizons(horizons)
    request = as_request(data, woman, prior, missing)
    cohort = request.cohort
    if isinstance(model, Sequence) and not isinstance(model, str):
        models = _several(model, request, wanted, embeddings)
    else:
        models = [choose_model(model, cohort, wanted)]
        if embeddings is not None:
            cohort, models[0] = from_embeddings(cohort, models[0], embeddings)
    detector = choose_detector(findings, cohort)
    if request.is_one:
        (chosen,) = models
        log = None if audit is None else AuditLog(audit, chosen, wanted)
        scored = score_in_chunks(cohort, [range(1)], chosen, wanted, None, log, detector)
        with closing(scored):
            return _one(next(scored), chosen, wanted)
    import pandas as pd

    tables, lesions = [], None
    for chosen in models:
        log = None if audit is None else AuditLog(audit, chosen, wanted)
        found = _predict_rows(cohort, chosen, wanted, detector, log, progress)
        tables.append(found.risks.set_axis(request.index, axis=0))
        if detector is not None:
            # Lesions are searched once. The rows of the other models get its warnings.
            lesions, detector = found.lesions.table(), None
            told = (*cohort.table_warnings, *_of_rows(found.unsearched, len(cohort)))
            cohort = replace(cohort, table_warnings=told)
    made: pd.DataFrame = tables[0] if len(tables) == 1 else pd.concat(tables)
    made.attrs[RECORD] = {
        name: record
        for chosen, table in zip(models, tables, strict=True)
        for name, record in _records(table, chosen).items()
    }
    return made if lesions is None else (made, lesions)


@dataclass(frozen=True, kw_only=True)
class _PredictedRows:
    """What one model and a search for lesions give for the rows of a cohort."""

    risks: pd.DataFrame
    lesions: CohortFindings
    unsearched: dict[ResultWarning, list[int]]


def _predict_rows(
    cohort: Cohort,
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    detector: Detector | None,
    log: AuditLog | None,
    progress: bool,
) -> _PredictedRows:
    import pandas as pd

    step = rows_at_once(cohort, model)
    rows = range(len(cohort))
    chunks = [rows[first : first + step] for first in range(0, len(rows), step)] or [rows]
    gathered = CohortFindings(cohort)
    tables, unsearched = [], defaultdict[ResultWarning, list[int]](list)
    with progress_bar("exams", len(rows), show=progress and cohort.has_images) as tell:
        scored = score_in_chunks(cohort, chunks, model, horizons, tell, log, detector)
        for chunk, found in zip(chunks, scored, strict=True):
            keys = cohort.exams.iloc[list(chunk)]
            tables.append(risk_table(keys, found.scores, model.name, horizons))
            for row, reading in zip(chunk, found.readings, strict=True):
                if isinstance(reading.findings, MammoriskError):
                    gathered.fail(row, reading.findings)
                elif reading.findings is not None:
                    gathered.add(row, reading.findings)
                for told in unsearched_warnings(reading):
                    unsearched[told].append(row)
    return _PredictedRows(risks=pd.concat(tables), lesions=gathered, unsearched=unsearched)


def _of_rows(told: dict[ResultWarning, list[int]], n: int) -> Iterator[TableWarning]:
    """Warnings about some of n rows, as warnings of their table."""
    for warning, rows in told.items():
        yield TableWarning(warning=warning, rows=np.isin(np.arange(n), rows))


def _one(found: ScoredRows, model: RiskModel, horizons: tuple[Horizon, ...]) -> Prediction:
    """The prediction of one woman; an error if her exam cannot be used."""
    error = first_error(found.readings)
    if error is not None:
        raise error
    if found.answers["age"].isna().all():
        told = found.readings[0].warnings
        why = next((one.text for one in told if one.code == "age-unreadable"), None)
        raise QuestionnaireError(
            "the age of the woman is not known: no questionnaire was given and "
            + (why or "the images do not state it"),
            remedy="Pass mr.Questionnaire(age=...).",
        )
    return as_prediction(found, model, horizons)


def _several(
    models: Sequence[str | Path | RiskModel],
    request: Request,
    horizons: tuple[Horizon, ...],
    embeddings: TableOfFeatures | str | Path | None,
) -> list[RiskModel]:
    """The models of a table with the risks of several, one below the other."""
    if embeddings is not None:
        raise ModelError("embeddings go with one model", where="embeddings")
    if request.is_one or not models:
        raise ModelError(
            "several models need a cohort or a table" if models else "no model is named",
            where="model",
            remedy="Give one model, or predict a table with one row.",
        )
    return [choose_model(one, request.cohort, horizons) for one in models]


def _records(table: pd.DataFrame, chosen: RiskModel) -> dict[str, Any]:
    """A record of every model that gave a risk."""
    names = {str(name) for name in table["model"].dropna().unique()}
    records = {name: card_record(name) for name in names if name in CLINICAL_MODELS}
    return records | ({chosen.name: record_of(chosen)} if chosen.name in names else {})
