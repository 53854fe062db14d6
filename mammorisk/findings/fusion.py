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
    table = np.zeros((len(own), 4))
    for i, one in enumerate(own):
        evidence = max((_evidence(one, two) for two in other if two.type == one.type), default=None)
        table[i] = (
            1.0,
            _logit(one.score),
            _NOTHING if evidence is None else max(evidence, _NOTHING),
            float(evidence is None or evidence <= _NOTHING),
        )
    return table


def _evidence(one: Placed, two: Placed) -> float:
    apart = (one.away_mm - two.away_mm) / _AWAY_SD_MM
    ratio = np.log(max(one.size_mm, 1e-3) / max(two.size_mm, 1e-3)) / _SIZE_SD
    # An unknown place or size neither supports nor contradicts a match.
    terms = [0.5 * value**2 for value in (apart, ratio) if np.isfinite(value)]
    return _logit(two.score) - float(sum(terms))


def _logit(score: float) -> float:
    safe = min(max(score, 1e-5), 1 - 1e-5)
    return float(np.log(safe / (1 - safe)))
