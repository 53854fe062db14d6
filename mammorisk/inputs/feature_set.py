"""Exams whose views are given as the features of a frozen encoder, without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.records.acquisition import Acquisition


@dataclass(frozen=True, kw_only=True)
class FeatureSet(ExamSet):
    """Exams as the features of their views. The pixels are empty.

    Attributes
    ----------
    features : ndarray of float32, shape (n, 4, n_features)
        0 where there is no view. Features of a whole exam stand at the first view.
    encoder : str
        Identity of the encoder.
    pool : str or None
        How the features of a whole exam were pooled; None for features of views.
    codes : ndarray of str, shape (n,)
        Codes of the warnings about the exam when it was embedded, separated by commas.
    """

    features: NDArray[np.float32] = field(repr=False)
    encoder: str
    pool: str | None = None
    codes: NDArray[np.str_]

    _by_exam: ClassVar[tuple[str, ...]] = ("features", "codes", *ExamSet._by_exam)

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        *,
        encoder: str,
        pool: str | None = None,
        acquisitions: Sequence[Acquisition | None] = (),
        implant: NDArray[np.bool_] | None = None,
        density_probabilities: NDArray[np.float64] | None = None,
        codes: Sequence[str] | None = None,
    ) -> FeatureSet:
        """Create a set from features.

        Parameters
        ----------
        features : ndarray of float32, shape (n, 4, n_features)
            NaN where there is no view.
        encoder, pool
            As the attributes.
        acquisitions : sequence of Acquisition or None, length 4 n
            By exam, then view. Empty if nothing is known of any acquisition.
        implant : ndarray of bool, shape (n,), optional
        density_probabilities : ndarray of float, shape (n, 4), optional
        codes : sequence of str, length n, optional
            As the attribute.
        """
        n = len(features)
        present: NDArray[np.bool_] = np.asarray(np.isfinite(features).all(axis=2))
        known = list(acquisitions)
        told = [one.split(",") for one in ([""] * n if codes is None else codes)]
        return cls(
            features=np.where(present[..., None], features, 0).astype(np.float32),
            encoder=encoder,
            pool=pool,
            pixels=np.zeros((n, TOKENS_PER_EXAM, 0, 0), dtype=np.uint8),
            present=present,
            years_before=np.zeros((n, TOKENS_PER_EXAM)),
            percent_density=np.full((n, TOKENS_PER_EXAM), np.nan),
            acquisition=acquisition_table(known or [None] * (n * TOKENS_PER_EXAM)),
            acquisitions=known,
            age_years=np.full(n, np.nan),
            errors=[""] * n,
            prior_errors=[""] * n,
            implant=np.zeros(n, dtype=bool) if implant is None else implant,
            male=np.array(["male-patient" in one for one in told], dtype=bool),
            density_probabilities=density_probabilities,
            codes=np.array([""] * n if codes is None else codes, dtype=str),
        )

    @property
    def n_features(self) -> int:
        """Number of features of a view."""
        return int(self.features.shape[2])

    def complete(self) -> NDArray[np.bool_]:
        """Exams with all four views, shape (n,). Features of a whole exam are complete."""
        if self.pool is not None:
            return np.asarray(self.present[:, 0])
        return np.asarray(self.present.all(axis=1))

    def without(self, rows: NDArray[np.bool_]) -> FeatureSet:
        """Remove the views of some exams."""
        present = self.present & ~rows[:, None]
        features = np.where(present[..., None], self.features, 0).astype(np.float32)
        return replace(self, present=present, features=features)

    def means(self) -> NDArray[np.float64]:
        """Mean features of each exam over its views, shape (n, n_features); NaN without views."""
        count = self.present.sum(axis=1, keepdims=True)
        total = self.features.sum(axis=1, dtype=np.float64)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
