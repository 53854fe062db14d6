"""Data of a hybrid fit, checked before the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Rows
from mammorisk.clinical.baseline import PublishedBaseline
from mammorisk.errors import TrainingError
from mammorisk.inputs.batches import Inputs, gather_inputs
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.exclusions import Exclusions
from mammorisk.training.outcomes import Outcomes, read_outcomes
from mammorisk.training.splits import split_rows

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Smallest number of cancers in training for a fit.
FEWEST_CANCERS = 5


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Data of a fit, with the rows that can be used.

    Attributes
    ----------
    inputs : Inputs
    outcomes : Outcomes
    train, validation : ndarray of int
        Rows of the cohort.
    cohort : DataFrame
    excluded : dict of str to int
        Number of excluded rows by reason.
    lines : ndarray of int or None
        Line of each row in the manifest.
    """

    inputs: Inputs
    outcomes: Outcomes
    train: Rows
    validation: Rows
    cohort: pd.DataFrame
    excluded: dict[str, int]
    lines: Rows | None = None

    @property
    def ages(self) -> tuple[float, float]:
        """Youngest and oldest age of training and validation, years."""
        used = np.concatenate([self.train, self.validation])
        ages = self.inputs.frame["age"].to_numpy(dtype=float)[used]
        return float(ages.min()), float(ages.max())


def check_outcomes(cohort: Cohort, recipe: Recipe) -> None:
    """Check outcomes and split before images are read, which can take hours.

    Raises
    ------
    TrainingError
        There are no outcomes, or too few cancers in a part.
    """
    outcomes = read_outcomes(cohort.exams)
    event = ((outcomes.event == 1) & (outcomes.time <= 5)).numpy()
    train, validation = split_rows(
        cohort.exams,
        by=recipe.training.split_by,
        share=recipe.training.validation_share,
        seed=recipe.seed,
    )
    for name, rows in (("training", train), ("validation", validation)):
        check_cancers(name, int(event[rows].sum()), len(rows))


def pose(cohort: Cohort, recipe: Recipe, exams: ExamSet | None) -> Problem:
    """Prepare the data of a fit from a cohort and a recipe.

    Women whom the fitted model would refuse are excluded from the fit.

    Raises
    ------
    TrainingError
        There are no outcomes, or too few cancers in a part.
    """
    settings = recipe.baseline
    baseline = None if settings is None else PublishedBaseline(**settings.model_dump())
    inputs = gather_inputs(cohort.questionnaires, exams, baseline)
    left_out = Exclusions(len(inputs))
    left_out.add_rows_of(cohort)
    if exams is not None:
        left_out.add_men(exams.male)
    left_out.add_refusals(inputs.refusals)
    if inputs.baseline is not None:
        unknown = np.isnan(inputs.baseline.cumulative_hazard).any(axis=1)
        left_out.add(np.asarray(unknown), "published incidence does not reach all five years")
    if exams is not None and recipe.modalities == ("image",):
        left_out.add(np.asarray(~exams.present.any(axis=1)), "no images that can be used")
    outcomes = read_outcomes(cohort.exams, left_out.rows)
    left_out.add(outcomes.weight.numpy() <= 0, "weight 0")
    left_out.add((outcomes.time <= outcomes.entry).numpy(), "no follow-up after entry")
    train, validation = split_rows(
        cohort.exams,
        by=recipe.training.split_by,
        share=recipe.training.validation_share,
        seed=recipe.seed,
    )
    train, validation = train[~left_out.rows[train]], validation[~left_out.rows[validation]]
    event = ((outcomes.event == 1) & (outcomes.time <= 5)).numpy()
    for name, rows in (("training", train), ("validation", validation)):
        check_cancers(name, int(event[rows].sum()), len(rows))
    return Problem(
        inputs=inputs,
        outcomes=outcomes,
        train=train,
        validation=validation,
        cohort=cohort.exams,
        excluded=left_out.counts,
        lines=cohort.lines,
    )


def check_cancers(part: str, cancers: int, n: int) -> None:
    """Refuse a part, ``"training"`` or ``"validation"``, with too few or only cancers.

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
            remedy="Add women without cancer, with sampling weights.",
        )
