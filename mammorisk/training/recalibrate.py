"""Recalibrating a fitted model at each horizon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.errors import TrainingError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.metrics.recalibration import Recalibration, choose_method, fit_recalibration
from mammorisk.networks.hazards import YEARS
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import Outcomes, read_outcomes
from mammorisk.training.read_exams import read_exams

if TYPE_CHECKING:
    from mammorisk.models.hybrid.model import HybridModel
    from mammorisk.records.cohort import Cohort

Floats = NDArray[np.float64]


def fit_all_horizons(
    risk: Floats, outcomes: Outcomes, rows: NDArray[np.int64], method: Any = "auto"
) -> dict[int, Recalibration]:
    """A recalibration for each year in which there were cancers, shape of ``risk`` (n, years)."""
    parts: dict[int, tuple[Floats, Floats, Floats]] = {}
    time, event = outcomes.time.double().numpy(), outcomes.event.numpy()
    for year in range(1, YEARS + 1):
        case = ((event == 1) & (time <= year)).astype(float)
        weight = censoring_weights(outcomes, year).double().numpy()
        weight = weight * outcomes.weight.double().numpy()
        use = rows[np.isfinite(risk[rows, year - 1]) & (weight[rows] > 0)]
        if case[use].any() and not case[use].all():
            parts[year] = risk[use, year - 1], case[use], weight[use]
    if not parts:
        return {}
    chosen = choose_method(list(parts.values())) if method == "auto" else method
    if chosen == "none":
        return {}
    return {year: fit_recalibration(*part, method=chosen) for year, part in parts.items()}


def recalibrated(
    model: HybridModel, cohort: Cohort, *, method: str = "auto", exams: ExamSet | None = None
) -> HybridModel:
    """See :meth:`HybridModel.recalibrate`."""
    outcomes = read_outcomes(cohort.exams)
    if exams is None and model.uses_images and cohort.has_images:
        exams = read_exams(cohort, model.recipe)
    plain = replace(model, recalibration={})
    risk = plain.score_exams(cohort.questionnaires, exams).risk.to_numpy(dtype=float)
    found = fit_all_horizons(risk, outcomes, np.arange(len(risk)), method)
    if not found and method != "auto" and method != "none":
        raise TrainingError("there are no cancers to recalibrate on")
    record = {**model.training, "recalibrated_on": {"exams": len(risk)}}
    return replace(model, recalibration=found, recalibrates_baseline=True, training=record)
