"""Simulated exams with lesions, rendered in processes of their own, for train_findings.py."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from simulated_views import Rendered, render_views

from mammorisk.findings.anatomy import find_anatomy
from mammorisk.findings.detector_input import (
    SPECK_MM,
    DetectorView,
    detector_view,
    speck_bytes,
)
from mammorisk.findings.frame import ViewFrame
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.records.exam import View
from mammorisk.simulation import ExamRenderer, StudyOptions
from mammorisk.training.findings.sample import PATCH, LesionSample, make_sample, save_samples

#: Systems of the training, and others for the evaluation.
TRAIN_VENDORS = ("alder", "birch", "cedar", "dogwood")
OTHER_VENDORS = ("elm", "fir")
WOMEN = 1_000_000
#: Mean number of lesions of each type in an exam of the training: many, so that few exams suffice.
RATES = {"mass": 0.8, "calcification": 0.8, "asymmetry": 0.7, "distortion": 0.7}
#: In exams on which scores are fitted or evaluated: fewer, so that few lesions of one type are
#: false positives of another. Half of the asymmetries are in one view alone.
SOME = {"mass": 0.4, "calcification": 0.3, "asymmetry": 0.5, "distortion": 0.35}
SOME_FINE = {**SOME, "calcification": 0.7}
#: Spacing at which the breast is found, margin of a part in pixels, and share of views of which a
#: part without regard to lesions is taken too.
_SMALL_MM, _MARGIN, _ELSEWHERE = 1.6, 60, 0.6
#: Exams with what resembles lesions, and no lesions.
NONE: dict[str, float | bool] = {"distractors": True}


#: Pixels of exams without calcifications. The detector reads pixels of 0.4 mm, but an exam that is
#: rendered in such pixels is sharper than the mean of finer ones, which real exams have.
COARSE_MM = 0.2
#: Range of the exponent of the grey curve of exams of the training, relative to their system.
GAMMA = (0.75, 1.35)


@dataclass(frozen=True)
class ExamSet:
    """A set of exams: its seed, systems, spacing and lesions.

    :data:`COARSE_MM` renders for masses, asymmetries and distortions alone, and ``patches`` only
    parts of the views for calcifications. ``whole`` keeps complete views for the evaluation.
    """

    name: str
    seed: int
    pixel_mm: float
    vendors: tuple[str, ...] = TRAIN_VENDORS
    lesions: Mapping[str, float | bool] = field(default_factory=lambda: RATES)
    whole: bool = False
    patches: bool = False

    @property
    def options(self) -> StudyOptions:
        return StudyOptions(
            n=WOMEN,
            seed=self.seed,
            vendors=self.vendors,
            lesions=dict(self.lesions),
        )


SETS = {
    one.name: one
    for one in (
        ExamSet("coarse", seed=1501, pixel_mm=COARSE_MM),
        ExamSet("fine", seed=1502, pixel_mm=0.1),
        ExamSet("patches", seed=1506, pixel_mm=0.1, patches=True),
        ExamSet("calibration", seed=1503, pixel_mm=0.1, lesions=SOME_FINE, whole=True),
        # Without calcifications, which need finer pixels; exams take a third of the time.
        ExamSet("scores", seed=1507, pixel_mm=COARSE_MM, lesions=SOME, whole=True),
        ExamSet(
            "more", seed=1508, pixel_mm=COARSE_MM, vendors=OTHER_VENDORS, lesions=SOME, whole=True
        ),
        ExamSet(
            "plain",
            seed=1509,
            pixel_mm=COARSE_MM,
            vendors=OTHER_VENDORS,
            lesions=NONE,
            whole=True,
        ),
        ExamSet(
            "test", seed=1504, pixel_mm=0.1, vendors=OTHER_VENDORS, lesions=SOME_FINE, whole=True
        ),
        ExamSet(
            "normal",
            seed=1505,
            pixel_mm=0.1,
            vendors=OTHER_VENDORS,
            lesions=NONE,
            whole=True,
        ),
    )
}


def files_of(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).glob("*.npz"))


def write_exam(chosen: ExamSet, woman: int, folder: Path) -> None:
    """Render one exam and write what a detector is trained or evaluated on."""
    file = folder / chosen.name / f"{woman:06d}.npz"
    if file.exists():
        return
    rng = np.random.default_rng([chosen.seed, woman])
    if chosen.patches:
        save_samples(_patches(chosen, woman, rng), file)
        return
    samples, views, anatomies, rows = {}, {}, {}, []
    exponent = float(np.exp(rng.uniform(*np.log(GAMMA))))
    for one in render_views(chosen.options, woman, chosen.pixel_mm):
        seen = segment_view(one.view if chosen.whole else _shown(one.view, exponent))
        if chosen.whole:
            made = detector_view(seen)
            # The places of lesions are those of the stored image.
            if made is not None and seen.turn.is_none:
                views[one.view.name] = made
                anatomies[one.view.name] = asdict(find_anatomy(seen))
                rows.append(one)
            continue
        made_both = make_sample(seen, one.lesions, rng, specks=chosen.pixel_mm < COARSE_MM)
        if made_both is not None:
            samples[one.view.name] = made_both[0]
    if chosen.whole:
        _save_whole(file, views, anatomies, rows)
    else:
        save_samples(samples, file)


def _shown(view: View, exponent: float) -> View:
    """The view with another grey curve, so that a detector does not learn that of few systems."""
    image = view.load()
    most = 2**image.greyscale.bits_stored - 1
    curved = most * (image.pixels.astype(np.float32) / np.float32(most)) ** np.float32(exponent)
    changed = replace(image, pixels=np.round(curved).astype(image.pixels.dtype))
    return replace(view, load=lambda: changed)


def _patches(chosen: ExamSet, woman: int, rng: np.random.Generator) -> dict[str, LesionSample]:
    """Parts of the views around every cluster, and one elsewhere in each breast."""
    exam = ExamRenderer(chosen.options, woman)
    table = exam.lesions(pixel_mm=SPECK_MM)
    table = table[table["type"] == "calcification"]
    samples = {}
    for side in "LR":
        for position in ("CC", "MLO"):
            mine = table[(table["laterality"] == side) & (table["view"] == position)]
            small = _largest(exam.view(side, position, pixel_mm=_SMALL_MM).pixels > 0)
            inside = np.argwhere(small) * (_SMALL_MM / SPECK_MM)
            boxes = mine[["row_min_px", "row_max_px", "col_min_px", "col_max_px"]].to_numpy(float)
            groups = np.column_stack(
                [
                    (boxes[:, 0] + boxes[:, 1] - 1) / 2,
                    (boxes[:, 2] + boxes[:, 3] - 1) / 2,
                    boxes[:, 1] - boxes[:, 0],
                    boxes[:, 3] - boxes[:, 2],
                ]
            ).reshape(-1, 4)
            lists = mine[["speck_rows_px", "speck_cols_px"]].itertuples(index=False)
            specks = np.concatenate(
                [np.zeros((0, 2)), *(np.column_stack([rows, cols]) for rows, cols in lists)]
            )
            centres = [group[:2] + rng.uniform(-160, 160, 2) for group in groups]
            if rng.random() < _ELSEWHERE:
                centres.append(inside[int(rng.integers(len(inside)))])
            shape = tuple(int(n * _SMALL_MM / SPECK_MM) for n in small.shape)
            samples[f"{side}-{position}"] = _cut(
                exam, (side, position), shape, centres, specks, groups
            )
    return samples


def _cut(
    exam: ExamRenderer,
    view: tuple[str, str],
    shape: tuple[int, ...],
    centres: list[np.ndarray],
    specks: np.ndarray,
    groups: np.ndarray,
) -> LesionSample:
    patches, points, clusters = [], [np.zeros((0, 3))], [np.zeros((0, 5))]
    for number, centre in enumerate(centres):
        top, left = (int(v) - PATCH // 2 for v in centre)
        part = exam.view(
            *view,
            pixel_mm=SPECK_MM,
            part=(
                slice(top - _MARGIN, top + PATCH + _MARGIN),
                slice(left - _MARGIN, left + PATCH + _MARGIN),
            ),
        )
        grey = part.pixels.astype(np.float32) / np.float32(2**part.bits - 1)
        rows = np.arange(top - _MARGIN, top + PATCH + _MARGIN)[:, None]
        columns = np.arange(left - _MARGIN, left + PATCH + _MARGIN)[None, :]
        # Beyond the edges of the file there is no picture.
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        made = speck_bytes(grey, (part.pixels > 0) & inside)
        patches.append(made[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])
        for places, found in ((specks, points), (groups, clusters)):
            moved = places.copy()
            moved[:, :2] -= [top, left]
            here = ((moved[:, :2] >= 0) & (moved[:, :2] < PATCH)).all(axis=1)
            found.append(np.column_stack([np.full(here.sum(), number), moved[here]]))
    return LesionSample(
        lesion=np.zeros((2, 0, 0), dtype=np.uint8),
        nipple_row=0.0,
        boxes=np.zeros((0, 5), dtype=np.float32),
        patches=np.array(patches, dtype=np.uint8).reshape(-1, PATCH, PATCH),
        specks=np.concatenate(points).astype(np.float32),
        clusters=np.concatenate(clusters).astype(np.float32),
    )


def _largest(mask: np.ndarray) -> np.ndarray:
    """The breast without the label beside it."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _save_whole(
    file: Path,
    views: dict[str, DetectorView],
    anatomies: dict[str, dict[str, Any]],
    rendered: list[Rendered],
) -> None:
    arrays: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {"views": {}, "lesions": []}
    for name, view in views.items():
        arrays[f"{name}/lesion"] = view.lesion
        if view.specks is not None:
            arrays[f"{name}/specks"] = view.specks
        told["views"][name] = {
            "nipple_row": view.nipple_row,
            "anatomy": anatomies[name],
            "lesion_frame": asdict(view.lesion_frame),
            "speck_frame": None if view.speck_frame is None else asdict(view.speck_frame),
        }
    tables = [one.lesions for one in rendered if len(one.lesions)]
    if tables:
        table = pd.concat(tables).drop(columns=["speck_rows_px", "speck_cols_px"], errors="ignore")
        told["lesions"] = json.loads(table.to_json(orient="records"))
    told["pixel_mm"] = rendered[0].view.pixel_mm
    told["vendor"] = rendered[0].vendor
    temporary = file.with_suffix(f".{os.getpid()}.new")
    with open(temporary, "wb") as handle:
        np.savez(handle, about=np.array(json.dumps(told)), **arrays)
    os.replace(temporary, file)


def load_whole(file: Path) -> tuple[dict[str, DetectorView], dict[str, Any]]:
    """Read an exam that was kept whole."""
    with np.load(file) as stored:
        told = json.loads(str(stored["about"]))
        views = {}
        for name, one in told["views"].items():
            views[name] = DetectorView(
                lesion=stored[f"{name}/lesion"],
                lesion_frame=_frame(one["lesion_frame"]),
                nipple_row=one["nipple_row"],
                specks=stored[f"{name}/specks"] if f"{name}/specks" in stored.files else None,
                speck_frame=None if one["speck_frame"] is None else _frame(one["speck_frame"]),
            )
    return views, told


def _frame(told: dict[str, Any]) -> ViewFrame:
    return ViewFrame(**(told | {"box_px": tuple(told["box_px"])}))


@dataclass(frozen=True)
class Task:
    """Work of a process: exams of one set, from the first woman with a step, until a time."""

    name: str
    first: int
    step: int
    count: int
    until: float | None = None


def start_rendering(folder: Path, plans: list[list[Task]]) -> list[BaseProcess]:
    """Start a process for each list of tasks; each does its tasks in order."""
    for name in SETS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    context = get_context("spawn")
    made: list[BaseProcess] = []
    for tasks in plans:
        process = context.Process(target=_work, args=(folder, tasks), daemon=True)
        process.start()
        made.append(process)
    return made


def _work(folder: Path, tasks: list[Task]) -> None:
    cv2.setNumThreads(1)
    for task in tasks:
        for woman in range(task.first, task.first + task.step * task.count, task.step):
            if task.until is not None and time.time() > task.until:
                break
            write_exam(SETS[task.name], woman, folder)
