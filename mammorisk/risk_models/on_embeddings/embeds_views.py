"""EmbedsViews: the part of a model that turns views into the features it was fitted on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.base import (
    DEFAULT_HORIZONS,
    Horizon,
    ImageModel,
    PreparedExam,
    PreparedView,
    Scores,
)
from mammorisk.errors import ModelError
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.inputs.pool_features import pool_features
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.risk_models.encoders.registry import load_encoder
from mammorisk.risk_models.on_embeddings.encoder_record import EncoderRecord

if TYPE_CHECKING:
    from mammorisk.imaging.segmented_view import SegmentedView
    from mammorisk.risk_models.encoders.encoder import Encoder

#: One encoder is loaded at a time, because exams are read by several threads.
_LOADING = Lock()


@dataclass(frozen=True, kw_only=True)
class PreparedInput:
    """One view for an encoder, with its header."""

    pixels: NDArray[Any]
    acquisition: Acquisition
    implant: bool


class EmbedsViews(ImageModel):
    """A model on the features of a frozen encoder, which is stored by name and hash.

    A subclass is a dataclass with the fields ``embeddings``, ``given_encoder`` and ``backend``, and
    scores features in :meth:`score_exam_set`.

    Attributes
    ----------
    embeddings : EncoderRecord or None
        None for a model that was fitted without embeddings.
    given_encoder : Encoder or None
        The encoder to use, instead of loading it by its name.
    """

    embeddings: EncoderRecord | None
    given_encoder: Encoder | None

    @abstractmethod
    def score_exam_set(
        self,
        frame: pd.DataFrame,
        exams: Any,
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        """Score women with the features of their exams."""

    @property
    def uses_images(self) -> bool:
        return self.embeddings is not None

    @property
    def exams_at_once(self) -> int:  # type: ignore[override]
        return self.view_encoder.exams_at_once if self.uses_images else 32

    @property
    def backend_used(self) -> str | None:
        """Backend that runs the encoder; None as long as the encoder is not loaded."""
        loaded: Encoder | None = self.__dict__.get("view_encoder")
        return None if loaded is None else loaded.backend_used

    def on_backend(self, backend: str) -> Self:
        found: Self = replace(self, backend=backend)  # type: ignore[type-var]
        if found.uses_images:
            # Loaded now, so that an unknown backend fails here and not at the first exam.
            _ = found.view_encoder
        return found

    @cached_property
    def view_encoder(self) -> Encoder:
        """The encoder, loaded by its name and checked.

        Raises
        ------
        ModelError
            The encoder has no name, or its weights or preprocessing are not those of the fit.
        """
        record = self.embeddings
        if record is None:
            raise ModelError(
                f"{self.name} does not use images", remedy="Predict from questionnaires."
            )
        with _LOADING:
            if "view_encoder" in self.__dict__:
                found: Encoder = self.__dict__["view_encoder"]
                return found
            encoder = self.given_encoder or _load(record, self.name)
            _check(encoder, record, self.name)
            return encoder.on_backend(self.backend)

    def with_encoder(self, encoder: str | Path | Encoder) -> Self:
        """Return the same model with an encoder that is not found by its name.

        Parameters
        ----------
        encoder : str, path or Encoder
            For :func:`mammorisk.embeddings.load_encoder`, or its result.

        Raises
        ------
        ModelError
            Weights or preprocessing are not those of the fit.
        """
        record = self.embeddings
        if record is None:
            raise ModelError(
                f"{self.name} was fitted without embeddings",
                where="encoder",
                remedy="Leave the encoder out.",
            )
        chosen = load_encoder(encoder) if isinstance(encoder, (str, Path)) else encoder
        _check(chosen, record, self.name)
        return replace(self, given_encoder=chosen)  # type: ignore[type-var]

    def prepare_view(self, seen: SegmentedView) -> PreparedView:
        made = self.view_encoder.preprocessing.prepare(seen)
        if made.content is None:
            return made
        content = PreparedInput(
            pixels=made.content,
            acquisition=seen.view.acquisition,
            implant=bool(seen.view.implant),
        )
        return PreparedView(content=content, warnings=made.warnings)

    def score_exams(
        self,
        frame: pd.DataFrame,
        exams: Sequence[PreparedExam | None],
        horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    ) -> Scores:
        return self.score_exam_set(frame, self._embedded(exams), horizons)

    def _embedded(self, exams: Sequence[PreparedExam | None]) -> FeatureSet:
        """Features of the prepared exams."""
        record = self.embeddings
        if record is None:
            raise ModelError(
                f"{self.name} does not use images", remedy="Predict from questionnaires."
            )
        n, width = len(exams), len(STANDARD_VIEWS)
        places: list[tuple[int, int]] = []
        contents: list[NDArray[Any]] = []
        acquisitions: list[Acquisition | None] = [None] * (n * width)
        implant = np.zeros(n, dtype=bool)
        density = np.full((n, width), np.nan)
        for row, exam in enumerate(exams):
            if exam is None:
                continue
            density[row] = [exam.density_probabilities.get(c, np.nan) for c in "abcd"]
            for column, name in enumerate(STANDARD_VIEWS):
                view: PreparedInput | None = exam.views.get(name)
                if view is None:
                    continue
                places.append((row, column))
                contents.append(view.pixels)
                acquisitions[row * width + column] = view.acquisition
                implant[row] |= view.implant
        features = np.full((n, width, record.n_features), np.nan, dtype=np.float32)
        if places:
            rows, columns = np.array(places).T
            encoded = self.view_encoder.encode(contents)
            if not np.isfinite(encoded).all():
                raise ModelError(
                    f"the encoder of {self.name} gives features that are not finite numbers",
                    where=record.identity,
                    remedy="Check the weights of the encoder with mr.embed on the same exams.",
                )
            features[rows, columns] = encoded
        if record.pool is not None:
            # The row of a whole exam stands at the first view.
            rows, columns = np.nonzero(np.isfinite(features).all(axis=2))
            pooled = pool_features(features[rows, columns], rows, n, record.pool)
            features = np.full_like(features, np.nan)
            features[:, 0] = pooled
        return FeatureSet.of(
            features,
            encoder=record.identity,
            pool=record.pool,
            acquisitions=acquisitions,
            implant=implant,
            density_probabilities=density,
        )


def _load(record: EncoderRecord, model: str) -> Encoder:
    if record.name is None:
        raise ModelError(
            f"{model} was fitted on a table of embeddings made elsewhere ({record.identity}), so "
            "it cannot embed exams",
            remedy="Predict a cohort with embeddings=, a table of the same encoder.",
        )
    made = record.preprocessing or {}
    try:
        if record.name == "compact":
            sizes = {name: made[name] for name in ("spacing_mm", "rows", "columns")}
            return load_encoder(record.name, **sizes, pooling=record.pooling or "mean")
        found = load_encoder(record.name)
        if record.pooling in (None, found.pooling):
            return found
        return load_encoder(record.name, pooling=record.pooling)
    except ModelError as error:
        raise ModelError(
            f"the encoder {record.identity} of {model} cannot be loaded by its name: {error.what}",
            remedy="Pass it: mr.load_model(folder of the model, encoder=folder or encoder).",
        ) from None


def _check(encoder: Encoder, record: EncoderRecord, model: str) -> None:
    if encoder.identity != record.identity:
        raise ModelError(
            f"the encoder {encoder.identity} is not the one of {model}, {record.identity}: its "
            "weights or preprocessing differ",
            remedy="Pass the encoder of the fit: mr.load_model(folder of the model, "
            "encoder=folder or encoder).",
        )
