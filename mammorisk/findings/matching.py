"""Matching of lesions between the CC and the MLO view of a breast."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.findings.anatomy import ViewAnatomy
from mammorisk.findings.candidate import Candidate

#: Scores are limited to this range before their logit.
_SCORES = (0.01, 0.99)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two candidates that are the same lesion.

    Attributes
    ----------
    cc, mlo : int
        Positions among the candidates of each view.
    probability : float
        Probability that they are the same lesion.
    """

    cc: int
    mlo: int
    probability: float


@dataclass(frozen=True, kw_only=True)
class PairModel:
    """Logistic regression for the probability that two candidates are the same lesion.

    Attributes
    ----------
    intercept : float
    coefficients : mapping of str to float
        By name of :func:`pair_features`.
    typical : mapping of str to float
        Value of a feature that is not known: its mean over the pairs of the training.
    limit : float
        Pairs with a lower probability are not matched.
    source : str
        What it was fitted to.
    """

    intercept: float
    coefficients: Mapping[str, float]
    typical: Mapping[str, float]
    limit: float
    source: str

    def probability(self, features: Mapping[str, Floats]) -> Floats:
        """Probability that the two are the same lesion, of the shape of each feature."""
        total = np.asarray(self.intercept)
        for name, coefficient in self.coefficients.items():
            values = features[name]
            known = np.where(np.isnan(values), self.typical[name], values)
            total = total + coefficient * known
        return np.asarray(1 / (1 + np.exp(-total)))


@cache
def default_pair_model() -> PairModel:
    """Return the model fitted to simulated lesions by ``benchmarks/findings_matching.py``."""
    text = (files("mammorisk.findings") / "data" / "matching.json").read_text(encoding="utf-8")
    found = json.loads(text)
    return PairModel(**{name: found[name] for name in PairModel.__dataclass_fields__})


def match_views(
    cc: Sequence[Candidate],
    mlo: Sequence[Candidate],
    cc_anatomy: ViewAnatomy,
    mlo_anatomy: ViewAnatomy,
    cc_pixel_mm: float | None,
    mlo_pixel_mm: float | None,
    *,
    model: PairModel | None = None,
) -> tuple[Pair, ...]:
    """Match the candidates of the two views of a breast, one to one.

    Parameters
    ----------
    cc, mlo : sequence of Candidate
    cc_anatomy, mlo_anatomy : ViewAnatomy
    cc_pixel_mm, mlo_pixel_mm : float or None
        Pixel spacing; None if it is not known.
    model : PairModel, optional
        By default the one fitted to simulated lesions.

    Returns
    -------
    tuple of Pair
        In decreasing order of the probability. Candidates without a pair are left out.

    Notes
    -----
    The assignment is greedy: the most probable pair first, then the most probable one of the
    remaining candidates, until no pair reaches the limit.
    """
    if not cc or not mlo:
        return ()
    fitted = default_pair_model() if model is None else model
    probability = fitted.probability(
        pair_features(cc, mlo, cc_anatomy, mlo_anatomy, cc_pixel_mm, mlo_pixel_mm)
    )
    chosen = []
    left = probability.copy()
    while (best := float(left.max())) >= fitted.limit:
        i, j = (int(place) for place in np.unravel_index(left.argmax(), left.shape))
        chosen.append(Pair(cc=i, mlo=j, probability=best))
        left[i] = left[:, j] = -1.0
    return tuple(chosen)


def pair_features(
    cc: Sequence[Candidate],
    mlo: Sequence[Candidate],
    cc_anatomy: ViewAnatomy,
    mlo_anatomy: ViewAnatomy,
    cc_pixel_mm: float | None,
    mlo_pixel_mm: float | None,
) -> dict[str, Floats]:
    """Return what tells whether two candidates are the same lesion.

    Returns
    -------
    dict of str to ndarray, shape (n_cc, n_mlo)
        ``depth``: absolute difference of the depth; ``row``: that of the distance from the nipple
        along the rows; ``size``: absolute logarithm of the ratio of sizes; ``same_type``: 0 or 1;
        ``score``: sum of the logits of the scores. NaN where not known.
    """
    if cc_pixel_mm is None or mlo_pixel_mm is None:
        # Sizes relative to the breast, where a length in mm is not known.
        cc_pixel_mm, mlo_pixel_mm = _relative(cc_anatomy), _relative(mlo_anatomy)
    first, second = _facts(cc, cc_anatomy, cc_pixel_mm), _facts(mlo, mlo_anatomy, mlo_pixel_mm)
    types = np.array([one.type for one in cc])[:, None] == np.array([one.type for one in mlo])
    return {
        **{name: np.abs(first[name][:, None] - second[name]) for name in ("depth", "row", "size")},
        "same_type": types.astype(np.float64),
        "score": first["score"][:, None] + second["score"],
    }


def _relative(anatomy: ViewAnatomy) -> float:
    return 1 / anatomy.length_px if anatomy.length_px else math.nan


def _facts(some: Sequence[Candidate], anatomy: ViewAnatomy, unit: float) -> dict[str, Floats]:
    score = np.clip([one.score for one in some], *_SCORES)
    return {
        "depth": np.array([anatomy.depth(*one.centre_px) for one in some]),
        "row": np.array([anatomy.along_row(one.centre_px[1]) for one in some]),
        "size": np.log([one.size_px * unit for one in some]),
        "score": np.log(score / (1 - score)),
    }
