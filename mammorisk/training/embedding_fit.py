"""Fit of the hybrid head on embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mammorisk.embeddings.embeddings import Embeddings
from mammorisk.errors import TrainingError
from mammorisk.networks.head_ensemble import ALL_VIEWS
from mammorisk.risk_models.hybrid.view_sets import ViewSets
from mammorisk.risk_models.on_embeddings.hybrid import EmbeddingModel
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.embedding_inputs import embedding_inputs
from mammorisk.training.hybrid_fit import fit_hybrid
from mammorisk.training.problem import pose
from mammorisk.training.trainer import StageOptions
from mammorisk.training.work_folder import WorkFolder, digest_of

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


def fit_embeddings(
    cohort: Cohort,
    recipe: Recipe,
    embeddings: Embeddings | str | Path,
    begin: EmbeddingModel | None,
    out: str | Path | None,
    *,
    stage: StageOptions,
) -> EmbeddingModel:
    """Fit the hybrid head on the features of a frozen encoder.

    Parameters
    ----------
    cohort : Cohort
    recipe : Recipe
        Of the kind ``"embeddings"``.
    embeddings : Embeddings or path
    begin : EmbeddingModel or None
        Initial head, on embeddings of the same encoder.
    out : path or None
        Folder of the model, for the place of the checkpoints.
    stage : StageOptions

    Raises
    ------
    TrainingError, EmbeddingError
        As :func:`~mammorisk.training.embedding_inputs.embedding_inputs` and
        :func:`~mammorisk.training.problem.pose`.
    """
    given = embedding_inputs(cohort, recipe, embeddings)
    if begin is not None and begin.embeddings is not None:
        begin.embeddings.check(given.exams, begin.name)
    if recipe.training.head_epochs == 0:
        raise TrainingError(
            "training.head_epochs is 0, and the head is all that is fitted on embeddings",
            where=recipe.name,
            remedy="Use at least one epoch.",
        )
    problem = pose(cohort, recipe, given.exams)
    inputs = f"{given.record.identity} {given.exams.digest()} {digest_of(begin)}"
    made = WorkFolder(out, recipe, cohort, inputs)
    stage = replace(stage, key=made.key)
    with made as work:
        fitted = fit_hybrid(
            problem,
            recipe,
            begin,
            work,
            stage=stage,
            fresh_head=False,
            pooling=given.record.pooling or "mean",
        )
    if recipe.embeddings is not None and recipe.embeddings.complete and given.record.pool is None:
        fitted.view_sets = ViewSets(usable=(ALL_VIEWS,), agreement={})
    fitted.card = replace(
        fitted.card,
        training_data=f"{fitted.card.training_data}; {given.record.in_words}",
    )
    fitted.training |= {
        "embeddings": given.record.to_dict(),
        "incomplete_exams_without_images": given.left_out,
    }
    return EmbeddingModel.of(fitted, given.record)
