"""What a fit of the hybrid needs, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.clinical.baseline import PublishedBaseline
from mammorisk.errors import TrainingError
from mammorisk.inputs.batches import Inputs, gather_inputs
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.outcomes import Outcomes, read_outcomes
from mammorisk.training.splits import split_rows

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

Rows = NDArray[np.int64]

#: Cancers in training under which a fit is refused.
FEWEST_CANCERS = 5


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything a fit needs, in rows that can be used.

    Attributes
    ----------
    inputs : Inputs
    outcomes : Outcomes
    train, validation : ndarray of int
        Rows of the cohort.
    cohort : DataFrame
    """

    inputs: Inputs
    outcomes: Outcomes
    train: Rows
    validation: Rows
    cohort: pd.DataFrame


def pose(cohort: Cohort, recipe: Recipe, exams: ExamSet | None) -> Problem:
    """The problem that a cohort and a recipe pose.

    Raises
    ------
    TrainingError
        No outcomes, or too few cancers in a part.
    """
    outcomes = read_outcomes(cohort.exams)
    baseline = (
        None if recipe.baseline is None else PublishedBaseline(**recipe.baseline.model_dump())
    )
    inputs = gather_inputs(cohort.questionnaires, exams, baseline)
    train, validation = split_rows(
        cohort.exams,
        by=recipe.training.split_by,
        share=recipe.training.validation_share,
        seed=recipe.seed,
    )
    usable = np.isfinite(inputs.frame["age"].to_numpy()) & (outcomes.weight.numpy() > 0)
    usable &= outcomes.time.numpy() > outcomes.entry.numpy()
    if inputs.baseline is not None:
        usable &= np.isfinite(inputs.baseline.cumulative_hazard).all(axis=1)
    if exams is not None and recipe.modalities == ("image",):
        usable &= exams.present.any(axis=1)
    train, validation = train[usable[train]], validation[usable[validation]]
    event = ((outcomes.event == 1) & (outcomes.time <= 5)).numpy()
    for name, rows in (("training", train), ("validation", validation)):
        check_cancers(name, int(event[rows].sum()), len(rows))
    return Problem(
        inputs=inputs,
        outcomes=outcomes,
        train=train,
        validation=validation,
        cohort=cohort.exams,
    )


def check_cancers(part: str, cancers: int, n: int) -> None:
    """Refuse a part, ``"training"`` or ``"validation"``, that nothing can be learnt from.

    Raises
    ------
    TrainingError
    """
    if cancers < (FEWEST_CANCERS if part == "training" else 1):
        raise TrainingError(
            f"{cancers} cancers within five years in {part}: too few to fit a model",
            remedy="Use more data, another split, or model.recalibrate with an intercept.",
        )
    if cancers == n:
        raise TrainingError(
            f"every woman in {part} has cancer",
            remedy="Add women without, with weights for how they were sampled.",
        )
