"""Scores, fusion and operating points of the bundled detector, fitted on simulated exams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from findings_candidates import FoundExam, read_candidates

from mammorisk.findings.candidate import TYPES, Candidate
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.fusion import Fusion
from mammorisk.findings.search import placed
from mammorisk.training.findings.scores import ViewCandidates, fit_scores, hits


def fit_detector_scores(detector: LesionDetector, file: Path) -> None:
    """Fit the scores of a detector to the candidates in a file. The detector is changed."""
    exams = [
        {
            name: ViewCandidates(
                placed=[placed(one, exam.views[name].anatomy, exam.pixel_mm) for one in some],
                is_hit=which_hit(exam, name, some),
                features=exam.features[name],
            )
            for name, some in exam.raw.items()
        }
        for exam in read_candidates(file)
    ]
    fitted = fit_scores(exams, detector.cluster_weights)
    detector.cluster_weights = fitted.cluster_weights
    detector.fusion = fitted.fusion
    detector.operating_points = {k: round(v, 4) for k, v in fitted.operating_points.items()}


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
    return LesionDetector(
        lesions=detector.lesions,
        specks=detector.specks,
        card=detector.card,
        cluster_weights=detector.cluster_weights,
        fusion=Fusion(),
        operating_points=detector.operating_points,
        training=detector.training,
    )
