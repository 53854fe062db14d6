"""Scores of candidates, computed from what the networks show at their places in one view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mammorisk.findings.candidate import LESION_TYPES, Candidate

#: For each type: the factors of the features of a candidate, and the constant, of its logit.
ScoreWeights = Mapping[str, NDArray[np.float64]]

#: Largest absolute logit of a map, as a feature.
_MOST = 11.5
#: Largest absolute logit of a score.
_LIMIT = 30.0
#: Smallest half width of the neighbourhood of a candidate.
_NEAR_MM = 5.0


def start_weights() -> dict[str, NDArray[np.float64]]:
    """Weights before a fit. Masses, asymmetries and distortions have the score of the network."""
    own = np.array([1.0, *(0.0,) * (len(LESION_TYPES) + 2)])
    return {kind: own.copy() for kind in LESION_TYPES} | {
        "calcification": np.array([1.0, 0.25, 0.25, 0.25, 0.0])
    }


def lesion_features(
    logits: NDArray[np.float32], kind: int, place: tuple[int, int], size_mm: float, step_mm: float
) -> tuple[float, ...]:
    """Return what the score of a mass, an asymmetry or a distortion is computed from.

    A lesion often looks like two types, and the maps of both have a peak. What the other maps show
    at the place supports a candidate, or contradicts it.

    Parameters
    ----------
    logits : ndarray of float32, shape (types, rows, columns)
    kind : int
        Number of the type of the candidate.
    place : tuple of int
        Row and column of its peak.
    size_mm : float
    step_mm : float
        Step of the maps.

    Returns
    -------
    tuple of float
        Logit of its peak, the highest logit of each type within its radius, and the logarithm of
        its size.
    """
    row, column = place
    reach = max(1, round(max(_NEAR_MM, size_mm / 2) / step_mm))
    near = logits[
        :, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
    ].max(axis=(1, 2))
    own = float(logits[kind, row, column])
    limited = np.clip([own, *near.tolist()], -_MOST, _MOST)
    return (*limited.tolist(), float(np.log(max(size_mm, 1.0))))


def score_of(features: Sequence[float], weights: NDArray[np.float64]) -> float:
    """Return the score of a candidate, 0-1, from its features and the weights of its type."""
    logit = float(np.dot(weights[:-1], features) + weights[-1])
    return 1 / (1 + float(np.exp(-np.clip(logit, -_LIMIT, _LIMIT))))


def with_score(one: Candidate, weights: ScoreWeights) -> Candidate:
    """Return a candidate with the score by the given weights; without features it is unchanged."""
    if not one.features or one.type not in weights:
        return one
    return replace(one, score=score_of(one.features, weights[one.type]))
