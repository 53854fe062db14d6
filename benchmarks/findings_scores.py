"""Scores, fusion and operating points of the bundled detector, fitted on simulated exams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from findings_candidates import FoundExam, read_candidates

from mammorisk.findings.candidate import LESION_TYPES, TYPES, Candidate
from mammorisk.findings.candidate_scores import start_weights
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.fusion import Fusion
from mammorisk.findings.search import placed
from mammorisk.training.findings.scores import ViewCandidates, fit_scores, hits


def fit_detector_scores(detector: LesionDetector, files: Sequence[Path]) -> int:
    """Fit the scores of a detector to the candidates in files, and return the number of exams.

    The detector is changed. Types that were searched in no exam keep what they have.
    """
    exams = [
        {
            name: ViewCandidates(
                placed=[placed(one, exam.views[name].anatomy, exam.pixel_mm) for one in some],
                is_hit=which_hit(exam, name, some),
                features=[one.features for one in some],
                calcifications_searched=exam.views[name].calcifications_searched,
            )
            for name, some in exam.raw.items()
        }
        for file in files
        for exam in read_candidates(file)
    ]
    fitted = fit_scores(exams, detector.score_weights, detector.fusion)
    detector.score_weights = {k: np.round(v, 5) for k, v in fitted.score_weights.items()}
    detector.fusion = fitted.fusion
    points = {k: round(v, 4) for k, v in fitted.operating_points.items()}
    detector.operating_points = {**detector.operating_points, **points}
    return len(exams)


def which_hit(exam: FoundExam, name: str, found: list[Candidate]) -> np.ndarray:
    """Whether each candidate of a view hits a lesion of its type."""
    hit = np.zeros(len(found), dtype=bool)
    if not len(exam.lesions):
        return hit
    centres = np.array([one.centre_px for one in found]).reshape(-1, 2) * exam.pixel_mm
    for kind in TYPES:
        mine = np.array([one.type == kind for one in found], dtype=bool)
        table = exam.lesions[(exam.lesions["view_name"] == name) & (exam.lesions["type"] == kind)]
        hit[mine] = hits(
            centres[mine],
            table[["row_mm", "col_mm"]].to_numpy(float),
            table["radius_mm"].to_numpy(float),
        )
    return hit


def without_fusion(detector: LesionDetector) -> LesionDetector:
    """The same detector, of which each view has its own scores."""
    return replace(detector, fusion=Fusion())


def network_alone(detector: LesionDetector) -> LesionDetector:
    """The same detector with the scores of the network for masses, asymmetries and distortions."""
    own = {kind: start_weights()[kind] for kind in LESION_TYPES}
    return replace(detector, score_weights={**detector.score_weights, **own}, fusion=Fusion())
