"""Reading the exams of a cohort for a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk._utils.progress import progress_bar
from mammorisk.errors import TrainingError
from mammorisk.inputs.exam_set import ExamSet, load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.risk_models.recipe import Recipe

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


def read_exams(
    cohort: Cohort,
    recipe: Recipe,
    cache: str | Path | None = None,
    progress: bool = False,
) -> ExamSet:
    """Read the exams of a cohort with the settings of a recipe.

    Raises
    ------
    TrainingError
        The cohort has no images, or more than ``unreadable_share`` of the exams, or of the prior
        exams, cannot be read.
    """
    if cohort.open_exam is None:
        raise TrainingError(
            f"the recipe {recipe.name} needs images, and the cohort has none",
            remedy="Add the column path to the manifest, or choose clinical-only.",
        )
    keep = ImageCache(folder=None if cache is None else Path(cache), settings=recipe.image)
    prior = cohort.open_prior if recipe.priors else None
    with progress_bar("exams read", len(cohort), show=progress) as tell:
        exams = load_exams(
            range(len(cohort)), cohort.open_exam, keep, open_prior=prior, on_exam=tell
        )
    most = recipe.training.unreadable_share
    check_readable(cohort, exams.errors, most)
    check_readable(cohort, exams.prior_errors, most, what="prior exams")
    return exams


def check_readable(
    cohort: Cohort, errors: Sequence[str], most: float, *, what: str = "exams"
) -> None:
    """Refuse a cohort if more than a share of its exams cannot be read.

    Raises
    ------
    TrainingError
    """
    unread = [row for row, error in enumerate(errors) if error]
    if len(unread) > most * len(errors):
        names = cohort.exams["exam_id"].astype(str).iloc[unread[:5]].tolist()
        raise TrainingError(
            f"{len(unread)} of {len(errors)} {what} cannot be read, among them rows {unread[:5]} "
            f"({errors[unread[0]]})",
            where=", ".join(names),
            remedy="Repair or leave out these rows, or raise training.unreadable_share.",
        )
