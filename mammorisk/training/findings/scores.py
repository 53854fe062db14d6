"""Scores of clusters and of pairs of views, fitted on exams that no network was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mammorisk.findings.candidate import TYPES
from mammorisk.findings.fusion import Fusion, Placed, fusion_features, same_breast

#: Smallest number of hits, and of false positives, with which scores are fitted.
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


def fit_cluster_weights(
    features: NDArray[np.float64], is_hit: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Fit the logit of a cluster to its features.

    Parameters
    ----------
    features : ndarray of float, shape (n, 4)
    is_hit : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of float, shape (5,), or None
        Coefficients and constant; None if there are too few hits or false positives.
    """
    if min(is_hit.sum(), (~is_hit).sum()) < LEAST:
        return None
    fitted = LogisticRegression(C=1.0, max_iter=1000).fit(features, is_hit)
    return np.append(fitted.coef_[0], fitted.intercept_[0])


@dataclass(frozen=True, kw_only=True)
class ViewCandidates:
    """Candidates in one view, before fusion.

    Attributes
    ----------
    placed : list of Placed
        Those that are clusters come last.
    is_hit : ndarray of bool
        Whether each hits a lesion of its type.
    features : ndarray of float, shape (clusters, 4), or None
        Features of the clusters. None if their scores are not computed from features.
    """

    placed: list[Placed]
    is_hit: NDArray[np.bool_]
    features: NDArray[np.float64] | None = None

    def scored(self, weights: NDArray[np.float64]) -> ViewCandidates:
        """The same candidates with the scores of clusters by the given weights."""
        if self.features is None or not len(self.features):
            return self
        first = len(self.placed) - len(self.features)
        scores = cluster_scores(self.features, weights)
        clusters = [
            replace(one, score=float(score))
            for one, score in zip(self.placed[first:], scores, strict=True)
        ]
        return replace(self, placed=self.placed[:first] + clusters)


def cluster_scores(
    features: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the scores of clusters, 0-1."""
    logits = features @ weights[:-1] + weights[-1]
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


class ScoreFit(NamedTuple):
    """What is fitted to the candidates of exams."""

    cluster_weights: NDArray[np.float64]
    fusion: Fusion
    operating_points: dict[str, float]


def fit_scores(
    exams: Sequence[Mapping[str, ViewCandidates]], cluster_weights: NDArray[np.float64]
) -> ScoreFit:
    """Fit the scores of clusters, the fusion of two views and the operating points.

    Parameters
    ----------
    exams : sequence of mapping of str to ViewCandidates
        By name of the view.
    cluster_weights : ndarray of float, shape (5,)
        Kept if there are too few hits or false positives.

    Returns
    -------
    ScoreFit
    """
    views = [view for exam in exams for view in exam.values()]
    with_features = [view for view in views if view.features is not None and len(view.features)]
    if with_features:
        features = np.concatenate([view.features for view in with_features])
        is_hit = np.concatenate([v.is_hit[-len(v.features) :] for v in with_features])  # type: ignore[arg-type]
        fitted = fit_cluster_weights(features, is_hit)
        cluster_weights = cluster_weights if fitted is None else fitted
    scored = [{n: view.scored(cluster_weights) for n, view in exam.items()} for exam in exams]
    fusion = _fit_fusion(scored)
    missed: dict[str, list[float]] = {}
    for exam in scored:
        for name, view in exam.items():
            other = exam.get(same_breast(name))
            fused = fusion.fuse(view.placed, None if other is None else other.placed)
            for one, score, is_one in zip(view.placed, fused, view.is_hit, strict=True):
                if not is_one:
                    missed.setdefault(one.type, []).append(float(score))
    return ScoreFit(cluster_weights, fusion, operating_points(missed, len(views)))


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
    weights = {}
    for kind in TYPES:
        mine = kinds == kind
        if min((is_hit & mine).sum(), (~is_hit & mine).sum()) < LEAST:
            continue
        fitted = LogisticRegression(C=1.0, max_iter=1000).fit(features[mine, 1:], is_hit[mine])
        own, evidence, absent = (float(value) for value in fitted.coef_[0])
        # The fusion adds to the own logit, whose factor is 1.
        weights[kind] = (float(fitted.intercept_[0]), own - 1, evidence, absent)
    return Fusion(weights)


def operating_points(
    false_positives: Mapping[str, Sequence[float]], n_views: int, *, per_view: float = PER_VIEW
) -> dict[str, float]:
    """Return the lowest score of each type with few false positives.

    Parameters
    ----------
    false_positives : mapping of str to sequence of float
        Scores of the false positives of each type.
    n_views : int
        Number of views in which they were found.
    per_view : float
        False positives of a type per view.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> from mammorisk.training.findings.scores import operating_points
    >>> operating_points({"mass": [0.9, 0.8, 0.4, 0.2]}, n_views=8, per_view=0.25)
    {'mass': 0.8}
    """
    allowed = max(1, int(per_view * n_views))
    points = {}
    for kind, scores in false_positives.items():
        ranked = sorted(scores, reverse=True)
        points[kind] = float(ranked[allowed - 1]) if allowed <= len(ranked) else 0.0
    return points
