"""Summations belong to one picture, and a strand or a retraction does not depend on the pixels."""

from __future__ import annotations

import cv2
import numpy as np

from mammorisk.simulation import StudyOptions
from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.exam_scene import scene_of, view_frame
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.scene_structures import draw_lesion
from mammorisk.simulation.summations import RATE, draw_summations

NONE = StudyOptions(n=50, seed=5, lesions={"distractors": True})
DISTORTION = Lesion(
    lesion_id="a",
    type="distortion",
    side="L",
    place=(0.5, 0.25, 0.2),
    size_mm=26.0,
    visibility=1.2,
    views=("CC", "MLO"),
    pathology="benign",
    seed=4,
)


def test_summations_are_of_one_picture_and_no_lesions() -> None:
    drawn = [draw_summations([1, number], "L", "CC") for number in range(2000)]
    assert abs(np.mean([len(some) for some in drawn]) - RATE) < 0.05
    assert {one.views for some in drawn for one in some} == {("CC",)}
    scenes = [scene_of(plan_exam(NONE, woman), 3.0) for woman in range(3)]
    views = [view for scene in scenes for view in scene.views if view is not None]
    shown = [{one.seed for one, _ in view.summations} for view in views]
    assert sum(map(len, shown)) == len(set().union(*shown)) > 1
    assert not any(scene.drawn for scene in scenes)
    assert not any(view.lesions for view in views)


def test_a_distortion_is_the_same_in_pixels_of_any_size() -> None:
    plan = plan_exam(NONE, 3)
    drawn = {}
    for pixel_mm in (0.1, 0.8):
        frame = view_frame(plan, plan.views[1], pixel_mm)
        drawn[pixel_mm] = np.zeros(frame.shape, dtype=np.float32)
        draw_lesion(DISTORTION, 0.2, frame, drawn[pixel_mm], 30.0)
    rows, columns = drawn[0.8].shape
    whole = np.zeros((8 * rows, 8 * columns), dtype=np.float32)
    kept = drawn[0.1][: 8 * rows, : 8 * columns]
    whole[: kept.shape[0], : kept.shape[1]] = kept
    mean = whole.reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    assert np.isclose(drawn[0.1].sum() * 0.1**2, drawn[0.8].sum() * 0.8**2, rtol=3e-3)
    assert np.abs(mean - drawn[0.8]).max() < 0.06 * mean.max()


def test_tissue_is_drawn_in_from_one_side() -> None:
    plan = plan_exam(NONE, 3)
    frame = view_frame(plan, plan.views[1], 0.4)
    row, column = (round(v) for v in frame.place((0.5, 0.0, 0.0)))
    dots = np.zeros(frame.shape, dtype=np.float32)
    for step in (-20, 20):
        cv2.circle(dots, (column + step, row), 2, 1.0, -1)
    moved = {}
    for name, direction in (("nipple", [0.9, 0, 0]), ("all", None)):
        image = dots.copy()
        given = None if direction is None else np.array(direction)
        frame.pull(image, (row, column), 20.0, 0.6, given)
        weight = image[row - 4 : row + 5].sum(axis=0)
        place = np.arange(len(weight)) - column
        near, far = weight * (place > 0), weight * (place < 0)
        moved[name] = (20 - near @ place / near.sum(), 20 + far @ place / far.sum())
    assert abs(moved["all"][0] - moved["all"][1]) < 0.2 < moved["all"][0]
    assert moved["nipple"][0] > moved["all"][0] > moved["nipple"][1] + 0.5


def test_a_prior_exam_has_other_summations() -> None:
    now, before = (scene_of(plan_exam(NONE, 3, prior=prior), 3.0).views for prior in (False, True))
    seeds = [
        {one.seed for view in views if view is not None for one, _ in view.summations}
        for views in (now, before)
    ]
    assert not seeds[0] & seeds[1]
