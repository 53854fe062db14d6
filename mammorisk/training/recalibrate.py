"""Recalibrating a fitted model at each horizon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.calibration import Recalibration, fit_recalibration
from mammorisk.errors import TrainingError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.networks.hazards import YEARS
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import Outcomes, read_outcomes

if TYPE_CHECKING:
    from mammorisk.cohort import Cohort
    from mammorisk.hybrid_model import HybridModel

Floats = NDArray[np.float64]


def fit_all_horizons(
    risk: Floats, outcomes: Outcomes, rows: NDArray[np.int64], method: Any = "auto"
) -> dict[int, Recalibration]:
    """A recalibration for each year in which there were cancers, shape of ``risk`` (n, years)."""
    fitted = {}
    time, event = outcomes.time.double().numpy(), outcomes.event.numpy()
    for year in range(1, YEARS + 1):
        case = ((event == 1) & (time <= year)).astype(float)
        weight = censoring_weights(outcomes, year).double().numpy()
        weight = weight * outcomes.weight.double().numpy()
        if not case[rows].any():
            continue
        one = fit_recalibration(risk[rows, year - 1], case[rows], weight[rows], method=method)
        if one.method != "none":
            fitted[year] = one
    return fitted


def recalibrated(
    model: HybridModel, cohort: Cohort, *, method: str = "auto", exams: ExamSet | None = None
) -> HybridModel:
    """See :meth:`HybridModel.recalibrate`."""
    from mammorisk.training.fit import read_exams

    outcomes = read_outcomes(cohort.exams)
    if exams is None and model.uses_images and cohort.has_images:
        exams = read_exams(cohort, model.recipe)
    plain = replace(model, recalibration={})
    risk = plain.score_exams(cohort.questionnaires, exams).risk.to_numpy(dtype=float)
    found = fit_all_horizons(risk, outcomes, np.arange(len(risk)), method)
    if not found and method != "auto" and method != "none":
        raise TrainingError("there are no cancers to recalibrate on")
    record = {**model.training, "recalibrated_on": {"exams": len(risk)}}
    return replace(model, recalibration=found, training=record)
