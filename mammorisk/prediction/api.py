"""predict(): from an exam, a questionnaire or a cohort to absolute risks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from mammorisk._utils.progress import progress_bar
from mammorisk.base import DEFAULT_HORIZONS, Horizon, RiskModel, check_horizons
from mammorisk.clinical.registry import CLINICAL_MODELS
from mammorisk.errors import CohortError, MammoriskError, ModelError, QuestionnaireError
from mammorisk.evaluation.model_tables import RECORD, card_record, record_of
from mammorisk.findings.api import DEFAULT as DEFAULT_DETECTOR
from mammorisk.findings.cohort_findings import CohortFindings
from mammorisk.findings.registry import open_detector
from mammorisk.prediction.as_cohort import Request, as_request
from mammorisk.prediction.audit import AuditLog
from mammorisk.prediction.default_model import choose_model
from mammorisk.prediction.from_embeddings import TableOfFeatures, from_embeddings
from mammorisk.prediction.one import as_prediction
from mammorisk.prediction.prediction import Prediction
from mammorisk.prediction.reading import ExamReading
from mammorisk.prediction.rows import ScoredRows, first_error, rows_at_once, score_in_chunks
from mammorisk.prediction.table import risk_table
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.records.read_answers import MissingCodes

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
        For one woman. Its attribute ``findings`` has the findings, if they were asked for; None if
        the exam is refused.
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
        ``data`` is one exam, and it cannot be read or, with ``findings``, not searched.
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
        if embeddings is not None:
            raise ModelError("embeddings go with one model", where="embeddings")
        return _several(list(model), request, data, horizons, missing, findings, progress, audit)
    chosen = choose_model(model, cohort, wanted)
    if embeddings is not None:
        cohort, chosen = from_embeddings(cohort, chosen, embeddings)
    detector = _detector(findings, cohort)
    step = rows_at_once(cohort, chosen)
    log = None if audit is None else AuditLog(audit, chosen, wanted)
    rows = range(len(cohort))
    chunks = [rows[first : first + step] for first in range(0, len(rows), step)] or [rows]
    gathered = CohortFindings(cohort)
    tables = []
    with progress_bar("exams", len(rows), show=progress and cohort.has_images) as tell:
        # For one exam the line is written below, because an error in the search leaves no result.
        of_rows = None if request.is_one else log
        scored = score_in_chunks(cohort, chunks, chosen, wanted, tell, of_rows, detector)
        if request.is_one:
            with closing(scored):
                found = next(scored)
            unsearched = _unsearched(found)
            if unsearched is not None:
                raise unsearched
            if log is not None:
                log.write(found)
            return _one(found, chosen, wanted)
        for chunk, found in zip(chunks, scored, strict=True):
            keys = cohort.exams.iloc[list(chunk)]
            tables.append(risk_table(keys, found.scores, chosen.name, wanted))
            _gather(gathered, chunk, found.readings, cohort)
    import pandas as pd

    made = pd.concat(tables).set_axis(request.index, axis=0)
    made.attrs[RECORD] = _records(made, chosen)
    return made if detector is None else (made, gathered.table())


def _one(found: ScoredRows, model: RiskModel, horizons: tuple[Horizon, ...]) -> Prediction:
    """The prediction of one woman; an error if her exam cannot be used."""
    error = first_error(found.readings)
    if error is not None:
        raise error
    if found.answers["age"].isna().all():
        raise QuestionnaireError(
            "the age of the woman is not known: no questionnaire was given and the images do not "
            "state it",
            remedy="Pass mr.Questionnaire(age=...).",
        )
    return as_prediction(found, model, horizons)


def _unsearched(found: ScoredRows) -> MammoriskError | None:
    """Why the exam of one woman was not searched, although it can be read and is not refused."""
    (reading,) = found.readings
    has_result = reading.error is None and not found.refused[0]
    error = reading.findings
    return error if has_result and isinstance(error, MammoriskError) else None


def _detector(findings: bool | str | Path | Detector, cohort: Cohort) -> Detector | None:
    """The detector that was asked for."""
    if findings is False:
        return None
    if not cohort.has_images:
        raise CohortError(
            "there are no images in which findings could be searched",
            where="findings",
            remedy="Pass an exam or a cohort with images, and no embeddings.",
        )
    return open_detector(DEFAULT_DETECTOR if findings is True else findings)


def _gather(
    gathered: CohortFindings, rows: range, readings: Sequence[ExamReading], cohort: Cohort
) -> None:
    """Gather the findings of the exams of a cohort, or the reasons why there are none."""
    for row, reading in zip(rows, readings, strict=True):
        fault = cohort.errors.iloc[row]
        if isinstance(reading.findings, MammoriskError):
            gathered.fail(row, reading.findings)
        elif reading.findings is not None:
            gathered.add(row, reading.findings)
        elif fault:
            gathered.fail(row, CohortError(fault))


def _several(
    models: list[str | Path | RiskModel],
    request: Request,
    data: object,
    horizons: Sequence[Horizon] | Horizon,
    missing: MissingCodes | None,
    findings: bool | str | Path | Detector,
    progress: bool,
    audit: str | Path | None,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """The risks of several models, one below the other. Lesions are searched once."""
    import pandas as pd

    if request.is_one or not models:
        raise ModelError(
            "several models need a cohort or a table" if models else "no model is named",
            where="model",
            remedy="Give one model, or predict a table with one row.",
        )
    tables, lesions = [], None
    # The overloads of predict do not have the union of all its inputs.
    call: Any = predict
    for number, one in enumerate(models):
        made = call(
            data,
            model=one,
            horizons=horizons,
            missing=missing,
            findings=findings if number == 0 else False,
            progress=progress,
            audit=audit,
        )
        if isinstance(made, tuple):
            made, lesions = made
        tables.append(made)
    records = {name: record for table in tables for name, record in table.attrs[RECORD].items()}
    risks: pd.DataFrame = pd.concat(tables)
    risks.attrs[RECORD] = records
    return risks if lesions is None else (risks, lesions)


def _records(table: pd.DataFrame, chosen: RiskModel) -> dict[str, Any]:
    """A record of every model that gave a risk."""
    names = {str(name) for name in table["model"].dropna().unique()}
    records = {name: card_record(name) for name in names if name in CLINICAL_MODELS}
    return records | ({chosen.name: record_of(chosen)} if chosen.name in names else {})
