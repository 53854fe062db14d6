"""Embeddings as the input of a fit, checked against the recipe and the cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mammorisk.embeddings.embeddings import Embeddings
from mammorisk.embeddings.read import read_embeddings
from mammorisk.errors import TrainingError
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.risk_models.on_embeddings.encoder_record import EncoderRecord, name_of
from mammorisk.risk_models.recipe import Recipe

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Rows that are named in an error.
_ROWS_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class EmbeddingInputs:
    """Features of a cohort, and the encoder that made them.

    Attributes
    ----------
    exams : FeatureSet
        In the order of the cohort. Without views for an exam that has no (complete) embeddings.
    record : EncoderRecord
    left_out : int
        Exams of which some views have features that are not used, because the exam is incomplete.
    """

    exams: FeatureSet
    record: EncoderRecord
    left_out: int


def as_embeddings(embeddings: Embeddings | str | Path) -> Embeddings:
    """Return embeddings, read from a path if one is given."""
    return embeddings if isinstance(embeddings, Embeddings) else read_embeddings(embeddings)


def embedding_inputs(
    cohort: Cohort, recipe: Recipe, embeddings: Embeddings | str | Path
) -> EmbeddingInputs:
    """Read embeddings for a cohort, and check them.

    Parameters
    ----------
    cohort : Cohort
    recipe : Recipe
        With the part ``embeddings``.
    embeddings : Embeddings or path

    Returns
    -------
    EmbeddingInputs

    Raises
    ------
    EmbeddingError
        The table belongs to another cohort, or has features that are not finite.
    TrainingError
        The encoder is not the one of the recipe, or too many exams have no (complete) embeddings.
    """
    found = as_embeddings(embeddings)
    options = recipe.embeddings
    if options is None:
        raise TrainingError(
            f"the recipe {recipe.name} does not use embeddings",
            where="embeddings",
            remedy="Use hybrid-embeddings, hybrid-mirai, coxnet, survival-forest or "
            "gradient-boosting.",
        )
    if options.encoder not in (None, found.encoder, name_of(found.encoder)):
        raise TrainingError(
            f"the embeddings are of the encoder {found.encoder}, and the recipe {recipe.name} is "
            f"for those of {options.encoder}",
            where="embeddings",
            remedy=f'Embed with mr.embed(cohort, "{options.encoder}"), or use the recipe '
            "hybrid-embeddings.",
        )
    exams = found.feature_set(cohort)
    there = np.asarray(exams.present.any(axis=1))
    usable = exams.complete() if options.complete else there
    missing = np.flatnonzero(~usable)
    if len(missing) > options.missing_share * len(cohort):
        what = "embeddings of all four views" if options.complete else "embeddings"
        named = ", ".join(str(row) for row in missing[:_ROWS_NAMED])
        more = " ..." if len(missing) > _ROWS_NAMED else ""
        raise TrainingError(
            f"{len(missing)} of {len(cohort)} exams have no {what}: row {named}{more}",
            where="embeddings",
            remedy="Embed the whole cohort, leave these exams out with cohort.select, or raise "
            "embeddings.missing_share.",
        )
    return EmbeddingInputs(
        exams=exams.without(there & ~usable),
        record=EncoderRecord.of(found, exams.pool),
        left_out=int((there & ~usable).sum()),
    )
