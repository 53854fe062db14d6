"""Candidates of a detector in the validation exams of a fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mammorisk.findings.anatomy import find_anatomy
from mammorisk.findings.base import Detector
from mammorisk.findings.candidate import TYPES, Candidate
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.search import placed
from mammorisk.imaging.segmented_view import SegmentedView, segment_exam
from mammorisk.records.exam import Exam
from mammorisk.training.findings.detector_problem import (
    DetectorProblem,
    lesions_of_view,
    read_rows,
)
from mammorisk.training.findings.sample import upright_boxes
from mammorisk.training.findings.scores import ViewCandidates, fit_scores, hits


def fit_on_validation(
    detector: Detector, problem: DetectorProblem, *, progress: bool = False
) -> None:
    """Fit the scores of a detector to the validation exams. The detector is changed.

    Without lesions in them it stays as it is.
    """

    def candidates(row: int, exam: Exam) -> dict[str, ViewCandidates]:
        return _candidates(detector, segment_exam(exam), problem.lesions_of(row))

    exams = [
        found for _, found in read_rows(problem, problem.validation, candidates, progress=progress)
    ]
    some = [view for exam in exams for view in exam.values()]
    if not any(view.is_hit.any() for view in some):
        return
    weights = detector.score_weights if isinstance(detector, LesionDetector) else {}
    fitted = fit_scores(exams, weights, detector.fusion)
    detector.fusion = fitted.fusion
    detector.operating_points = {**detector.operating_points, **fitted.operating_points}
    if isinstance(detector, LesionDetector):
        detector.score_weights = fitted.score_weights


def _candidates(
    detector: Detector, views: Mapping[str, SegmentedView], lesions: pd.DataFrame
) -> dict[str, ViewCandidates]:
    inputs = {name: detector.prepare(seen) for name, seen in views.items()}
    usable = {name: one for name, one in inputs.items() if one is not None}
    found = detector.find(usable)
    made = {}
    for name, some in found.items():
        seen = views[name]
        anatomy = find_anatomy(seen)
        made[name] = ViewCandidates(
            placed=[placed(one, anatomy, seen.view.pixel_mm) for one in some],
            is_hit=which_hit(some, lesions_of_view(lesions, name), seen),
            features=[one.features for one in some],
            calcifications_searched=usable[name].calcifications_searched,
        )
    return made


def which_hit(found: list[Candidate], lesions: pd.DataFrame, seen: SegmentedView) -> np.ndarray:
    """Whether each candidate of a view hits a lesion of its type."""
    # Without a spacing, lengths are taken as if an image were 24 cm high.
    pixel_mm = seen.view.pixel_mm or 240.0 / max(seen.image.shape)
    boxes = np.array(upright_boxes(lesions, seen)).reshape(-1, 4)
    centres = (boxes[:, [0, 2]] + boxes[:, [1, 3]] - 1) / 2 * pixel_mm
    radii = np.maximum(boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]) / 2 * pixel_mm
    hit = np.zeros(len(found), dtype=bool)
    places = np.array([one.centre_px for one in found]).reshape(-1, 2) * pixel_mm
    for kind in TYPES:
        mine = np.array([one.type == kind for one in found], dtype=bool)
        of_kind = (lesions["type"] == kind).to_numpy()
        hit[mine] = hits(places[mine], centres[of_kind], radii[of_kind])
    return hit
