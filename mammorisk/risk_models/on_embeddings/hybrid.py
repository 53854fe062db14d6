"""EmbeddingModel: the hybrid network on the features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mammorisk._utils.model_folder import ModelState, damaged
from mammorisk.base import DEFAULT_HORIZONS, Horizon, PreparedExam, Scores
from mammorisk.errors import ModelError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.risk_models.encoders.encoder import Encoder
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.storage import read_network
from mammorisk.risk_models.on_embeddings.embeds_views import EmbedsViews
from mammorisk.risk_models.on_embeddings.encoder_record import EncoderRecord

KIND = "embedding-network"


@dataclass(repr=False, kw_only=True)
class EmbeddingModel(EmbedsViews, HybridModel):  # type: ignore[override]
    """The hybrid head on the features of an encoder that is not part of the model.

    An exam is embedded with the encoder of the fit, loaded by its name and checked by the hash of
    its weights and preprocessing. A cohort can also be predicted from a table of embeddings of the
    same encoder.

    Attributes
    ----------
    embeddings : EncoderRecord
    given_encoder : Encoder or None

    The other attributes are those of
    :class:`~mammorisk.risk_models.hybrid.model.HybridModel`, with ``encoder`` None.
    """

    embeddings: EncoderRecord | None
    given_encoder: Encoder | None = None

    @classmethod
    def of(cls, fitted: HybridModel, embeddings: EncoderRecord) -> EmbeddingModel:
        """Create the model from a fitted head."""
        parts = {one.name: getattr(fitted, one.name) for one in fields(HybridModel)}
        return cls(**parts, embeddings=embeddings)

    def with_options(self, **options: Any) -> EmbeddingModel:
        """Return the same model with other options.

        Parameters
        ----------
        rates : Rates or str
            As in :meth:`HybridModel.with_options`.
        encoder : path or Encoder
            As in :meth:`with_encoder`.
        """
        unknown = set(options) - {"rates", "encoder"}
        if unknown:
            raise TypeError(f"no options {unknown}")
        found: EmbeddingModel = self
        if "rates" in options:
            # replace() keeps the class.
            found = cast(EmbeddingModel, HybridModel.with_options(found, rates=options["rates"]))
        if "encoder" in options:
            found = found.with_encoder(options["encoder"])
        return found

    def explain_exam(self, frame: pd.DataFrame, exam: PreparedExam, method: str) -> Any:
        raise ModelError(
            f"{self.name} has no saliency maps: its encoder is frozen and not part of it",
            remedy="Predict an exam with model='hybrid'.",
        )

    def score_exam_set(
        self,
        frame: pd.DataFrame,
        exams: ExamSet | None,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
        *,
        modalities: tuple[str, ...] | None = None,
    ) -> Scores:
        """Score women with the features of their exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns are Questionnaire fields.
        exams : FeatureSet, n rows, or None
        horizons : sequence of float
            Whole years from 1 to 5. Other horizons get NaN.
        modalities : tuple of str, optional
            Modalities to use; default all.

        Returns
        -------
        Scores
            As :meth:`HybridModel.score_exam_set`.

        Raises
        ------
        EmbeddingError
            The features are of another encoder.
        """
        if isinstance(exams, FeatureSet) and self.embeddings is not None:
            self.embeddings.check(exams, self.name)
        return HybridModel.score_exam_set(self, frame, exams, horizons, modalities=modalities)

    def features(self, exams: ExamSet) -> Tensor:
        """Features of every view, shape (n, 4, n_features); 0 where there is none."""
        if not isinstance(exams, FeatureSet):
            raise ModelError(
                f"{self.name} was fitted on embeddings and needs them",
                where="exams",
                remedy="Pass a FeatureSet, such as embeddings.feature_set(cohort).",
            )
        return torch.from_numpy(np.ascontiguousarray(exams.features))

    def state(self) -> ModelState:
        state = super().state()
        record = None if self.embeddings is None else self.embeddings.to_dict()
        return replace(state, config={**state.config, "kind": KIND, "embeddings": record})


def load_embedding_network(folder: Path, config: Mapping[str, Any]) -> EmbeddingModel:
    """Load a saved model from its folder and its parsed configuration.

    Raises
    ------
    ModelError
        The folder is damaged.
    """
    try:
        record = EncoderRecord.from_dict(config["embeddings"])
    except (KeyError, TypeError) as error:
        raise damaged(folder, error) from None
    return EmbeddingModel.of(read_network(folder, dict(config), with_encoder=False), record)
