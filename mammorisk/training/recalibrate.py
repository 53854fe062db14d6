"""recalibrate(): recalibrate any model to a local cohort at each horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.base import RiskModel
from mammorisk.errors import EvaluationError, HorizonError, TrainingError
from mammorisk.evaluation.recalibration_tables import before_and_after
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.recalibration import (
    RULE,
    Recalibration,
    best_method,
    choose_method,
    fit_recalibration,
    method_losses,
    method_scores,
)
from mammorisk.prediction.api import predict
from mammorisk.records.alignment import risk_column
from mammorisk.records.frequency import COLUMN, read_counts
from mammorisk.records.outcome import Outcome
from mammorisk.risk_models.recalibrated import RecalibratedModel
from mammorisk.risk_models.registry import load_model

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.embeddings.embeddings import Embeddings
    from mammorisk.records.cohort import Cohort


def recalibrate(
    model: str | Path | RiskModel,
    cohort: Cohort,
    *,
    method: str = "auto",
    horizons: float | Sequence[float] = (1, 2, 3, 4, 5),
    seed: int = 0,
    embeddings: Embeddings | str | Path | None = None,
    progress: bool = False,
) -> RecalibratedModel:
    """Recalibrate a model, published or fitted, to a local cohort.

    Parameters
    ----------
    model : str, path or RiskModel
    cohort : Cohort
        Cohort with outcomes and the inputs of the model.
    method : str
        ``"intercept"``, ``"cloglog"``, ``"platt"``, ``"beta"`` or ``"isotonic"``. ``"auto"``
        chooses by cross-validated log score: the simplest method within one standard error of the
        best, with a slope only from 50 cancers on and isotonic steps from 200 on.
    horizons : float or sequence of float
        Years. A horizon that the model does not answer, or without cancers, is omitted.
    seed : int
        Of the division of women into ten parts for cross-validation.
    embeddings : Embeddings or path, optional
        For a model that was fitted on embeddings: features of the cohort, so that its images are
        not read.
    progress : bool
        Show progress while exams are read.

    Returns
    -------
    RecalibratedModel
        A model that can predict and be saved. Its ``calibration`` is a table of the performance
        before and after; its ``record`` contains the numbers of women and cancers, the method, the
        rule that chose it and the score of each method.

    Raises
    ------
    TrainingError
        The cohort has no outcomes, or no cancer at any horizon.

    See Also
    --------
    mammorisk.fit : Fits a new model, or fine-tunes one.

    Notes
    -----
    Women are weighted by their sampling weight and the inverse probability of censoring (Uno
    2007, doi:10.1198/016214507000000149). Women without a risk are excluded.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(n=4000, seed=1)
    >>> local = mr.recalibrate("bcrat", study.cohort, horizons=[5])
    >>> sorted(local.maps), local.record["method"]
    ([5.0], 'none')
    >>> table = local.calibration.query("measure == 'E/O'")
    >>> table[["stage", "value"]].round(2)
                        stage  value
    0                  before   0.97
    6  after, cross-validated   0.97
    """
    chosen = model if isinstance(model, RiskModel) else load_model(model)
    outcome = _read_outcome(cohort.exams)
    years = [float(h) for h in ([horizons] if isinstance(horizons, (int, float)) else horizons)]
    try:
        table = predict(
            cohort, model=chosen, horizons=years, embeddings=embeddings, progress=progress
        )
    except HorizonError as error:
        raise TrainingError(error.what, remedy=error.remedy) from None
    risk = table[[risk_column(h) for h in years]].to_numpy(dtype=float)
    counts = np.ones(len(risk), dtype=np.int64)
    if COLUMN in cohort.exams.columns:
        counts = read_counts(cohort.exams[COLUMN])
    # A row that stands for several women is written out as often.
    rows = np.repeat(np.arange(len(risk)), counts)
    risk, outcome = risk[rows], outcome.take(rows)
    parts = _parts(risk, outcome, np.arange(len(risk)), years)
    if not parts:
        raise TrainingError(
            "there are no women with and without cancer to recalibrate on",
            remedy="Use a cohort with more cancers, or longer follow-up.",
        )
    losses = method_losses(list(parts.values()), seed=seed) if method == "auto" else {}
    used: Any = best_method(losses) if losses else method
    maps = _fit(parts, used)
    scored = np.isfinite(risk).any(axis=1)
    cancers = int((outcome.is_case(np.inf) & scored).sum())
    record = {
        "exams": int(scored.sum()),
        "cancers": cancers,
        "exams_without_risk": int((~scored).sum()),
        "method": used,
        "rule": RULE if losses else "given by the user",
        "scores": dict(method_scores(losses)),
        "seed": seed,
        "calibration": _calibration(risk, outcome, years, used, seed),
    }
    card = replace(
        chosen.card,
        title=f"{chosen.card.title}, recalibrated",
        training_data=f"{chosen.card.training_data}; recalibrated on {record['exams']:,} exams "
        f"with {cancers:,} cancers",
    )
    return RecalibratedModel(
        model=chosen,
        maps={
            h: maps.get(h, Recalibration())
            for j, h in enumerate(years)
            if np.isfinite(risk[:, j]).any()
        },
        card=card,
        record=record,
    )


def _calibration(
    risk: Floats, outcome: Outcome, years: Sequence[float], method: str, seed: int
) -> list[dict[str, Any]]:
    """Performance before and after, the latter on women whom the maps were not fitted to."""
    rows: list[dict[str, Any]] = []
    for j, year in enumerate(years):
        there = np.flatnonzero(np.isfinite(risk[:, j]))
        if len(there) == 0:
            continue
        table = before_and_after(
            outcome.take(there), risk[there, j], year, method=method, seed=seed
        )
        for row in table.drop(columns="method").to_dict("records"):
            rows.append({str(name): _plain(value) for name, value in row.items()})
    return rows


def _plain(value: Any) -> Any:
    """A value of a table as a type of JSON; None where there is none."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _read_outcome(table: pd.DataFrame) -> Outcome:
    if not {"time", "event"} <= set(table.columns):
        raise TrainingError(
            "the cohort has no outcomes", remedy="Add the columns time (years) and event (0, 1, 2)."
        )
    try:
        return Outcome.from_table(table.drop(columns=COLUMN, errors="ignore"))
    except EvaluationError as error:
        raise TrainingError(error.what, where=error.where, remedy=error.remedy) from None


def fit_all_horizons(
    risk: Floats,
    outcome: Outcome,
    rows: NDArray[np.int64],
    method: Any = "auto",
    horizons: Sequence[float] = (1, 2, 3, 4, 5),
) -> dict[float, Recalibration]:
    """Fit a recalibration for each horizon with cancers.

    Parameters
    ----------
    risk : ndarray, shape (n, n_horizons)
    outcome : Outcome
        Outcome of the n women.
    rows : ndarray of int
        Rows of the women to use.
    method : str
        Method for all horizons, so that curves keep their shape.
    horizons : sequence of float
        Years.
    """
    parts = _parts(risk, outcome, rows, horizons)
    if not parts:
        return {}
    return _fit(parts, choose_method(list(parts.values())) if method == "auto" else method)


#: Risks, cancers and weights of one horizon.
_Part = tuple[Floats, Floats, Floats]


def _parts(
    risk: Floats, outcome: Outcome, rows: NDArray[np.int64], horizons: Sequence[float]
) -> dict[float, _Part]:
    """What each horizon is fitted to, where there are women with and without cancer."""
    parts: dict[float, _Part] = {}
    censoring = fit_censoring(outcome)
    for j, year in enumerate(horizons):
        weight = censoring.weights(year)
        if weight is None:
            continue
        case = outcome.is_case(year).astype(float)
        use = rows[np.isfinite(risk[rows, j]) & (weight[rows] > 0)]
        if case[use].any() and not case[use].all():
            parts[year] = risk[use, j], case[use], weight[use]
    return parts


def _fit(parts: dict[float, _Part], method: Any) -> dict[float, Recalibration]:
    if method == "none":
        return {year: Recalibration() for year in parts}
    return {year: fit_recalibration(*part, method=method) for year, part in parts.items()}
