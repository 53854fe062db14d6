"""Lesions are where the table says, the same in both views, in files and in arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import mammorisk as mr
from mammorisk.imaging.windowing import to_display
from mammorisk.simulation import StudyOptions, render_exam
from mammorisk.simulation.exam_folders import write_exam_of
from mammorisk.simulation.exam_images import lesion_table, picture_of
from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.exam_scene import scene_of

OPTIONS = StudyOptions(
    n=1000,
    seed=12,
    pixel_mm=0.5,
    vendors=("birch",),
    lesions={"mass": 0.8, "calcification": 0.8, "asymmetry": 0.8, "distortion": 0.8},
)


def test_the_change_of_the_pixels_is_in_the_boxes() -> None:
    seen = set()
    for woman in range(4):
        plan = plan_exam(OPTIONS, woman)
        scene = scene_of(plan, 3.0)
        table = lesion_table(OPTIONS, [(woman, False)])
        for number, one in enumerate(plan.views):
            with_lesions = picture_of(plan, scene, number, pixel_mm=0.5).pixels.astype(float)
            bare = replace(scene, views=tuple(replace(v, lesions=()) for v in scene.views if v))
            change = np.abs(with_lesions - picture_of(plan, bare, number, pixel_mm=0.5).pixels)
            if one.side == "R":
                change = change[:, ::-1]
            here = table[(table["laterality"] == one.side) & (table["view"] == one.view)]
            near = np.zeros(change.shape, dtype=bool)
            for row in here.itertuples():
                # Strands and retraction reach beyond a mass.
                more = round(0.6 * row.size_mm / 0.5) if row.type != "calcification" else 2
                near[
                    max(row.row_min_px - more, 0) : row.row_max_px + more,
                    max(row.col_min_px - more, 0) : row.col_max_px + more,
                ] = True
                box = change[row.row_min_px : row.row_max_px, row.col_min_px : row.col_max_px]
                assert box.max() > 0
                seen.add(row.type)
            assert change[near].sum() >= 0.95 * change.sum()
    assert seen == {"mass", "calcification", "asymmetry", "distortion"}


def test_files_show_what_the_arrays_show(tmp_path: Path) -> None:
    exam = render_exam(OPTIONS, 1)
    read = mr.read_exam(write_exam_of(OPTIONS, 1, tmp_path))
    for view in exam.views:
        grey = to_display(read[f"{view.laterality}-{view.view}"].load())
        shown = to_display(grey) if grey.dtype != np.float32 else grey
        assert shown.shape == view.pixels.shape
        assert np.corrcoef(shown.ravel(), view.pixels.ravel().astype(float))[0, 1] > 0.999


def test_a_study_without_lesions_has_no_table() -> None:
    plain = StudyOptions(n=10, seed=12)
    assert lesion_table(plain, [(0, False), (1, False)]).empty
