"""Prediction of a cohort from a table of embeddings, without reading its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

# A path is read by the public function.
import mammorisk
from mammorisk._utils.model_folder import ModelState
from mammorisk.base import DEFAULT_HORIZONS, Horizon, ModelCard, RiskModel, Scores
from mammorisk.errors import CohortError, ModelError
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.prediction.rows import MALE_PATIENT
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.risk_models.on_embeddings.embeds_views import EmbedsViews
from mammorisk.risk_models.recalibrated import RecalibratedModel
from mammorisk.warnings import CODES, Warnings, make_warning

if TYPE_CHECKING:
    import pandas as pd


class TableOfFeatures(Protocol):
    """What is used of :class:`mammorisk.Embeddings`."""

    def feature_set(self, cohort: Cohort) -> FeatureSet: ...


def from_embeddings(
    cohort: Cohort, model: RiskModel, embeddings: TableOfFeatures | str | Path
) -> tuple[Cohort, RiskModel]:
    """Return the cohort without images, and the model with the features of its rows.

    Raises
    ------
    CohortError
        The cohort has no ids.
    EmbeddingError
        The table belongs to another cohort, or its encoder is not the one of the model.
    ModelError
        The model was not fitted on embeddings.
    """
    missing = [key for key in KEYS if key not in cohort.exams.columns]
    if missing:
        raise CohortError(
            f"embeddings are matched by {' and '.join(KEYS)}; there is no {', '.join(missing)}",
            remedy="Pass a cohort or a table with both columns.",
        )
    table: TableOfFeatures = (
        mammorisk.read_embeddings(embeddings) if isinstance(embeddings, (str, Path)) else embeddings
    )
    record = _on_embeddings(model).embeddings
    found = table.feature_set(cohort)
    if record is not None:
        record.check(found, model.name)
    bare = replace(
        cohort,
        exams=cohort.exams.reset_index(drop=True),
        errors=cohort.errors.reset_index(drop=True),
        open_exam=None,
        open_prior=None,
        has_prior=None,
    )
    return bare, _with_features(model, found)


def _on_embeddings(model: RiskModel) -> EmbedsViews:
    if isinstance(model, RecalibratedModel):
        return _on_embeddings(model.model)
    if not isinstance(model, EmbedsViews) or model.embeddings is None:
        raise ModelError(
            f"{model.name} was not fitted on embeddings",
            where="embeddings",
            remedy="Leave out embeddings, or use a model fitted with them.",
        )
    return model


def _with_features(model: RiskModel, exams: FeatureSet) -> RiskModel:
    if isinstance(model, RecalibratedModel):
        return replace(model, model=_with_features(model.model, exams))
    return _WithFeatures(_on_embeddings(model), exams)


def _with_exam_warnings(scores: Scores, exams: FeatureSet) -> Scores:
    """Add the warnings about the exams when they were embedded. Men are refused."""
    import pandas as pd

    male = exams.male
    warnings: list[Warnings] = list(scores.warnings)
    for row in np.flatnonzero(exams.codes.astype(bool)):
        if male[row]:
            warnings[row] = (MALE_PATIENT,)
            continue
        known = {one.code for one in warnings[row]}
        # A table of another version may have other codes.
        more = [
            make_warning(code, f"{CODES[code].meaning} (as told when the exam was embedded)")
            for code in exams.codes[row].split(",")
            if code in CODES and code not in known
        ]
        warnings[row] = (*warnings[row], *more)
    index = scores.risk.index
    return scores.only(
        pd.Series(~male, index=index), pd.Series(warnings, index=index, dtype=object)
    )


class _WithFeatures(RiskModel):
    """A model with the features of the rows of one cohort, found by the index of the frame."""

    card: ModelCard  # type: ignore[misc]

    def __init__(self, model: EmbedsViews, exams: FeatureSet) -> None:
        self.model, self.exams = model, exams
        self.card = model.card

    @property
    def other_rates(self) -> Any:
        return self.model.other_rates

    @property
    def calibration_id(self) -> str:
        return self.model.calibration_id

    def score(self, frame: pd.DataFrame, horizons: Sequence[Horizon] = DEFAULT_HORIZONS) -> Scores:
        rows = frame.index.to_numpy(dtype=np.int64)
        exams = self.exams.take(rows)
        scores = self.model.score_exam_set(frame, exams, horizons)
        return _with_exam_warnings(scores, exams) if exams.codes.astype(bool).any() else scores

    def state(self) -> ModelState:
        return self.model.state()
