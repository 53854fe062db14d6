"""Scores of candidates and of pairs of views, fitted on exams that no network was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mammorisk.findings.candidate import TYPES
from mammorisk.findings.candidate_scores import ScoreWeights, score_of
from mammorisk.findings.fusion import Fusion, Placed, fusion_features, same_breast

#: Smallest number of hits, and of false positives, with which a fusion is fitted; for the scores of
#: single views, this number for each feature.
LEAST = 10
#: False positives of each type per view at the operating point: 1 in 8 views.
PER_VIEW = 0.125
#: Smallest radius within which the centre of a candidate hits a lesion, as in the evaluation.
RADIUS_MM = 5.0


def hits(
    centres_mm: NDArray[np.float64],
    lesions_mm: NDArray[np.float64],
    radii_mm: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Whether the centre of each candidate lies in a lesion, or within 5 mm of its centre.

    Parameters
    ----------
    centres_mm : ndarray of float, shape (n, 2)
    lesions_mm : ndarray of float, shape (m, 2)
    radii_mm : ndarray of float, shape (m,)

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if not len(centres_mm) or not len(lesions_mm):
        return np.zeros(len(centres_mm), dtype=bool)
    apart = np.linalg.norm(centres_mm[:, None] - lesions_mm[None], axis=2)
    near: NDArray[np.bool_] = (apart <= np.maximum(radii_mm, RADIUS_MM)).any(axis=1)
    return near


def fit_weights(
    features: NDArray[np.float64], is_hit: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Fit the logit of a candidate to its features.

    Parameters
    ----------
    features : ndarray of float, shape (n, k)
    is_hit : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of float, shape (k + 1,), or None
        Coefficients and constant; None with fewer than ten hits, or ten false positives, for each
        feature.
    """
    if min(is_hit.sum(), (~is_hit).sum()) < LEAST * features.shape[1]:
        return None
    fitted = LogisticRegression(C=1.0, max_iter=2000).fit(features, is_hit)
    return np.append(fitted.coef_[0], fitted.intercept_[0])


@dataclass(frozen=True, kw_only=True)
class ViewCandidates:
    """Candidates in one view, before fusion.

    Attributes
    ----------
    placed : list of Placed
    is_hit : ndarray of bool
        Whether each hits a lesion of its type.
    features : sequence of tuple of float
        Features of each candidate; none, or empty ones, if the network itself gives the scores.
    calcifications_searched : bool
    """

    placed: list[Placed]
    is_hit: NDArray[np.bool_]
    features: Sequence[tuple[float, ...]] = ()
    calcifications_searched: bool = True

    def scored(self, weights: ScoreWeights) -> ViewCandidates:
        """The same candidates with the scores by the given weights."""
        if not self.features:
            return self
        placed = [
            replace(one, score=score_of(some, weights[one.type]))
            if some and one.type in weights
            else one
            for one, some in zip(self.placed, self.features, strict=True)
        ]
        return replace(self, placed=placed)

    def was_searched(self, kind: str) -> bool:
        """Whether lesions of a type were searched in the view."""
        return kind != "calcification" or self.calcifications_searched


class ScoreFit(NamedTuple):
    """What is fitted to the candidates of exams."""

    score_weights: dict[str, NDArray[np.float64]]
    fusion: Fusion
    operating_points: dict[str, float]


def fit_scores(
    exams: Sequence[Mapping[str, ViewCandidates]],
    score_weights: ScoreWeights,
    fusion: Fusion | None = None,
) -> ScoreFit:
    """Fit the scores of single views, the fusion of two views and the operating points.

    Parameters
    ----------
    exams : sequence of mapping of str to ViewCandidates
        By name of the view.
    score_weights : mapping of str to ndarray of float
    fusion : Fusion, optional
        Both are kept for types with too few hits or false positives.

    Returns
    -------
    ScoreFit
    """
    views = [view for exam in exams for view in exam.values()]
    weights = {**score_weights, **_fit_views(views)}
    scored = [{n: view.scored(weights) for n, view in exam.items()} for exam in exams]
    before = {} if fusion is None else fusion.weights
    fusion = Fusion({**before, **_fit_fusion(scored).weights})
    missed: dict[str, list[float]] = {}
    for exam in scored:
        for name, view in exam.items():
            other = exam.get(same_breast(name))
            fused = fusion.fuse(view.placed, None if other is None else other.placed)
            for one, score, is_one in zip(view.placed, fused, view.is_hit, strict=True):
                if not is_one:
                    # As in the search: what was not searched in the other view is not absent there.
                    kept = other is not None and not other.was_searched(one.type)
                    missed.setdefault(one.type, []).append(one.score if kept else float(score))
    searched = {kind: sum(view.was_searched(kind) for view in views) for kind in TYPES}
    return ScoreFit(weights, fusion, operating_points(missed, searched))


def _fit_views(views: Sequence[ViewCandidates]) -> dict[str, NDArray[np.float64]]:
    """Fit the weights of each type that has enough candidates with features."""
    weights = {}
    for kind in TYPES:
        some = [
            (features, is_one)
            for view in views
            if view.features
            for one, features, is_one in zip(view.placed, view.features, view.is_hit, strict=True)
            if one.type == kind and features
        ]
        if not some:
            continue
        fitted = fit_weights(np.array([f for f, _ in some]), np.array([h for _, h in some], bool))
        if fitted is not None:
            weights[kind] = fitted
    return weights


def _fit_fusion(exams: Sequence[Mapping[str, ViewCandidates]]) -> Fusion:
    """Fit the change of a logit by the other view. A type with few hits is not changed."""
    pairs = [
        (view, exam[same_breast(name)])
        for exam in exams
        for name, view in exam.items()
        if same_breast(name) in exam
    ]
    tables = [fusion_features(one.placed, two.placed) for one, two in pairs]
    features = np.concatenate([*tables, np.zeros((0, 4))])
    is_hit = np.concatenate([*(one.is_hit for one, _ in pairs), np.zeros(0, dtype=bool)])
    kinds = np.array([one.type for view, _ in pairs for one in view.placed])
    is_usable = np.array(
        [other.was_searched(one.type) for view, other in pairs for one in view.placed], dtype=bool
    )
    weights = {}
    for kind in TYPES:
        mine = (kinds == kind) & is_usable
        if min((is_hit & mine).sum(), (~is_hit & mine).sum()) < LEAST:
            continue
        fitted = LogisticRegression(C=1.0, max_iter=1000).fit(features[mine, 1:], is_hit[mine])
        own, evidence, absent = (float(value) for value in fitted.coef_[0])
        # The fusion adds to the own logit, whose factor is 1.
        weights[kind] = (float(fitted.intercept_[0]), own - 1, evidence, absent)
    return Fusion(weights)


def operating_points(
    false_positives: Mapping[str, Sequence[float]],
    n_views: Mapping[str, int],
    *,
    per_view: float = PER_VIEW,
) -> dict[str, float]:
    """Return the lowest score of each type with few false positives.

    Parameters
    ----------
    false_positives : mapping of str to sequence of float
        Scores of the false positives of each type.
    n_views : mapping of str to int
        Number of views in which each type was searched.
    per_view : float
        False positives of a type per view.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> from mammorisk.training.findings.scores import operating_points
    >>> operating_points({"mass": [0.9, 0.8, 0.4, 0.2]}, {"mass": 8}, per_view=0.25)
    {'mass': 0.8}
    """
    points = {}
    for kind, scores in false_positives.items():
        allowed = max(1, int(per_view * n_views[kind]))
        ranked = sorted(scores, reverse=True)
        points[kind] = float(ranked[allowed - 1]) if allowed <= len(ranked) else 0.0
    return points
