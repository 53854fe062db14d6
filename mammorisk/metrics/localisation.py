"""Areas under curves of lesion detection: with localisation, and by breast without it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.detections import Detections, Per, below_all
from mammorisk.metrics.estimate import FEWEST_EVENTS, Estimate, few_events, unavailable
from mammorisk.metrics.froc import from_samples, lesion_scores, normal_exams, woman_weights
from mammorisk.metrics.ranking import placements


def localisation_auc(
    detections: Detections,
    *,
    per: Per = "view",
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> Estimate:
    """Probability that a lesion has a higher score than the highest false positive of a normal.

    It is the area under the alternative free-response curve with false positives of normal views
    or exams only (the figure of merit of JAFROC).

    Parameters
    ----------
    detections : Detections
    per : {"view", "lesion"}
        ``"view"`` compares lesions in views with views of exams without any lesion; ``"lesion"``
        compares lesions, with their highest score in any view, with exams without any lesion.
    resamples, seed : int
        Bootstrap samples of women, drawn separately among women with and without target lesions.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]. A lesion without a mark and a normal without a mark are tied. NaN with a reason
        without lesions or without normal exams.

    See Also
    --------
    breast_auc : Area under the ROC curve of the highest mark in a breast.
    froc_curve : Sensitivity for lesions over the number of false positives.

    References
    ----------
    Chakraborty and Berbaum 2004, doi 10.1118/1.1769352.

    Examples
    --------
    >>> from mammorisk.metrics import example_findings, localisation_auc, match_detections
    >>> print(localisation_auc(match_detections(*example_findings()), resamples=200))
    lesion localisation AUC: 0.7997 (0.7531 to 0.8472)
    """
    name = "lesion localisation AUC"
    score, at = lesion_scores(detections, per)
    exam, is_normal = normal_exams(detections)
    false = detections.false_positives
    highest = np.full(len(detections.views), -np.inf)
    np.maximum.at(highest, false["at"].to_numpy(), false["score"].to_numpy(dtype=np.float64))
    normal_at = np.flatnonzero(is_normal[exam])
    if per == "lesion":
        of_exam = np.full(len(is_normal), -np.inf)
        np.maximum.at(of_exam, exam, highest)
        # One view stands for the exam.
        normal_at = normal_at[np.unique(exam[normal_at], return_index=True)[1]]
        highest = of_exam[exam]
    return _area(
        name,
        detections,
        case=(score, at),
        control=(highest[normal_at], normal_at),
        resamples=resamples,
        seed=seed,
        level=level,
    )


def breast_auc(
    detections: Detections,
    *,
    controls: Literal["normal", "all"] = "normal",
    resamples: int = 500,
    seed: int = 1,
    level: float = 0.95,
) -> Estimate:
    """Area under the ROC curve of the highest mark in a breast, wherever it is.

    Parameters
    ----------
    detections : Detections
    controls : {"normal", "all"}
        Breasts without any lesion, or all breasts without a target lesion.
    resamples, seed : int
        Bootstrap samples of women, drawn separately among women with and without target lesions.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 1]; ``n`` counts breasts. NaN with a reason where there are no breasts of a kind.

    See Also
    --------
    localisation_auc
    delong_paired : Difference of the AUC of two scores of the same women.

    Notes
    -----
    For other metrics of reader studies (DeLong's test, McNemar's test, operating points, triage)
    use the scores of :meth:`Detections.breast_scores`.

    Examples
    --------
    >>> from mammorisk.metrics import breast_auc, example_findings, match_detections
    >>> print(breast_auc(match_detections(*example_findings()), resamples=200))
    breast AUC: 0.8924 (0.8539 to 0.9274)
    """
    table = detections.breast_scores()
    keys = ["patient_id", "exam_id", "breast"]
    # The first view of each breast stands for it.
    at = detections.views.groupby(keys, sort=False, as_index=False).head(1).index.to_numpy()
    case = table["has_target"].to_numpy(dtype=bool)
    control = ~(case if controls == "all" else table["has_lesion"].to_numpy(dtype=bool))
    score = table["score"].to_numpy(dtype=np.float64)
    return _area(
        "breast AUC",
        detections,
        case=(score[case], at[case]),
        control=(score[control], at[control]),
        resamples=resamples,
        seed=seed,
        level=level,
    )


def _area(
    name: str,
    detections: Detections,
    *,
    case: tuple[Floats, np.ndarray],
    control: tuple[Floats, np.ndarray],
    resamples: int,
    seed: int,
    level: float,
) -> Estimate:
    """Probability that a case scores higher; scores, and the views whose weights count."""
    events, n = len(case[0]), len(case[0]) + len(control[0])
    if not events or not len(control[0]):
        told = "there are no lesions" if not events else "there is nothing without a lesion"
        return unavailable(name, told, n=n, events=events)
    score = below_all(np.r_[case[0], control[0]])
    is_case = np.arange(n) < events
    at = np.r_[case[1], control[1]]

    def area(weight: Floats) -> float:
        drawn = weight[at]
        cases, controls = np.where(is_case, drawn, 0.0), np.where(is_case, 0.0, drawn)
        if not controls.sum() > 0:
            return math.nan
        below, _ = placements(score, cases, controls / controls.sum())
        return float(below @ cases / cases.sum())

    value = area(np.ones(len(detections.views)))
    if min(events, n - events) < FEWEST_EVENTS:
        kind = ("lesion", events) if events < FEWEST_EVENTS else ("control", n - events)
        return Estimate(
            name=name, value=value, n=n, events=events, reason=few_events(kind[1], kind[0])
        )
    samples = [area(weight) for weight in woman_weights(detections, resamples, seed)]
    return from_samples(name, value, samples, n=n, events=events, level=level)
