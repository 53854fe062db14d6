"""Fusion of the two views of a breast: what the other view shows changes the score of a candidate.

The change is added to the logit of the detector. Without the other view it is zero, so a single
view has the score that the detector gave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.findings.candidate import TYPES

#: Logit of evidence in the other view if it shows nothing.
_NOTHING = -6.0
#: Standard deviations, between two views of one lesion, of the distance from the nipple along the
#: rows and of the logarithm of the size (assumed).
_AWAY_SD_MM, _SIZE_SD = 7.0, 0.5
#: Largest absolute logit.
_MOST = 12.0


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What the fusion reads of a candidate.

    Attributes
    ----------
    type : str
    score : float
    away_mm : float
        Distance from the nipple along the rows, which have the same direction in the breast in CC
        and MLO views. NaN if not known.
    size_mm : float
        NaN if not known.
    """

    type: str
    score: float
    away_mm: float
    size_mm: float


@dataclass(frozen=True)
class Fusion:
    """Coefficients of the change of a logit, for each type.

    Attributes
    ----------
    weights : mapping of str to tuple of float
        For each type: constant, and factors of the own logit, of the evidence in the other view
        and of its absence. A type without weights is not changed.
    """

    weights: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)

    def fuse(self, own: Sequence[Placed], other: Sequence[Placed] | None) -> NDArray[np.float64]:
        """Return the scores of candidates in one view, given those in the other view.

        Parameters
        ----------
        own : sequence of Placed, length n
        other : sequence of Placed or None
            None if there is no other view.

        Returns
        -------
        ndarray of float, shape (n,)
        """
        scores = np.array([one.score for one in own], dtype=float)
        if other is None or not own:
            return scores
        features = fusion_features(own, other)
        change = np.array(
            [
                np.dot(self.weights[one.type], row) if one.type in self.weights else 0.0
                for one, row in zip(own, features, strict=True)
            ]
        )
        return np.asarray(1 / (1 + np.exp(-np.clip(features[:, 1] + change, -_MOST, _MOST))))

    def to_dict(self) -> dict[str, Any]:
        """Return the coefficients as JSON types."""
        return {name: list(values) for name, values in self.weights.items()}

    @classmethod
    def from_dict(cls, told: Mapping[str, Sequence[float]]) -> Fusion:
        """Read the coefficients from JSON types."""
        return cls({name: tuple(map(float, told[name])) for name in TYPES if name in told})  # type: ignore[misc]


def same_breast(name: str) -> str:
    """Name of the other view of the same breast: ``"L-MLO"`` for ``"L-CC"``."""
    side, _, position = name.partition("-")
    return f"{side}-{'MLO' if position == 'CC' else 'CC'}"


def fusion_features(own: Sequence[Placed], other: Sequence[Placed]) -> NDArray[np.float64]:
    """Return what the change of each logit is computed from, shape (n, 4).

    The columns are 1, the own logit, the evidence in the other view and 1 if there is none. The
    evidence is the largest logit of a candidate of the same type, less what the differences of
    place and size make improbable.
    """
    logits, away, size, kinds = _facts(own)
    other_logits, other_away, other_size, other_kinds = _facts(other)
    apart = (away[:, None] - other_away) / _AWAY_SD_MM
    ratio = (size[:, None] - other_size) / _SIZE_SD
    # An unknown place or size neither supports nor contradicts a match.
    against = 0.5 * (np.nan_to_num(apart) ** 2 + np.nan_to_num(ratio) ** 2)
    is_same_type = kinds[:, None] == other_kinds
    evidence = np.where(is_same_type, other_logits - against, _NOTHING)
    best = evidence.max(axis=1, initial=_NOTHING)
    return np.column_stack([np.ones(len(own)), logits, best, best <= _NOTHING])


def _facts(some: Sequence[Placed]) -> tuple[NDArray[Any], ...]:
    """Logits, distances from the nipple, logarithms of sizes, and types."""
    scores = np.clip([one.score for one in some], 1e-5, 1 - 1e-5)
    return (
        np.log(scores / (1 - scores)),
        np.array([one.away_mm for one in some]),
        np.log(np.maximum([one.size_mm for one in some], 1e-3)),
        np.array([one.type for one in some], dtype=str),
    )
