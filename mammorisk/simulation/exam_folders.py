"""Rendering of the exams of a study into folders, by any number of workers; can be resumed.

An exam depends only on the seed of the study and on its woman. Any number of workers, in any order,
therefore write the same files. Folders are written atomically.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.parallel import end_with_parent
from mammorisk._utils.progress import OnProgress
from mammorisk.simulation.exam_images import picture_of
from mammorisk.simulation.exam_plan import ExamPlan, plan_exam
from mammorisk.simulation.exam_scene import ExamScene, scene_of
from mammorisk.simulation.lesion_table import lesion_records, lesion_table
from mammorisk.simulation.mammogram_file import mammogram
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.tables import exam_id

#: Number of queued exams per worker.
_AHEAD = 4


def write_exam_of(
    options: StudyOptions,
    woman: int,
    exams: Path,
    *,
    prior: bool = False,
    lesions: Path | None = None,
) -> Path:
    """Write one exam of a woman of a study.

    Parameters
    ----------
    options : StudyOptions
    woman : int
        Number in the population (column ``woman`` of the truth).
    exams : Path
        Folder of all exams. The subfolder of an exam is named by its id.
    prior : bool
        Whether to write her exam of two years before.
    lesions : Path, optional
        Folder for the rows of its lesions, of :func:`read_lesions`.

    Returns
    -------
    Path
        Folder of the exam. An existing one is not changed.

    Raises
    ------
    OSError
        The exam cannot be written. No part of it remains.
    """
    folder = exams / exam_id(woman, prior=prior)
    rows = None if lesions is None else _rows_file(lesions, folder.name)
    if folder.is_dir() and (rows is None or rows.exists()):
        return folder
    plan = plan_exam(options, woman, prior=prior)
    scene = scene_of(plan, options.exponent)
    if rows is not None:
        # Before the exam, so that an exam that is there has its rows.
        text = json.dumps(lesion_records(plan, scene, pixel_mm=plan.pixel_mm))
        atomic_write(rows, lambda path: path.write_text(text, encoding="utf-8"))
    if folder.is_dir():
        return folder
    temporary = exams / f"{folder.name}.{os.getpid()}.new"
    try:
        temporary.mkdir(parents=True)
        _render(plan, scene, options, temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def read_lesions(lesions: Path, exams: Sequence[tuple[int, bool]]) -> pd.DataFrame:
    """Return the lesions in the files of exams, as :attr:`mammorisk.Study.lesions`.

    Parameters
    ----------
    lesions : Path
        Folder that :func:`write_exams` filled.
    exams : sequence of (int, bool)
        Number of the woman, and whether it is her prior exam.
    """
    files = (_rows_file(lesions, exam_id(woman, prior=prior)) for woman, prior in exams)
    return lesion_table(json.loads(file.read_text(encoding="utf-8")) for file in files)


def _rows_file(lesions: Path, exam: str) -> Path:
    return lesions / f"{exam}.json"


def _render(plan: ExamPlan, scene: ExamScene, options: StudyOptions, folder: Path) -> None:
    for number, one in enumerate(plan.views):
        picture = picture_of(
            plan, scene, number, pixel_mm=plan.pixel_mm, raw=options.for_processing
        )
        for pixels, ending in ((picture.pixels, ""), (picture.raw, "-raw")):
            if pixels is None:
                continue
            image = mammogram(
                pixels,
                plan.header,
                one.exposure,
                plan.vendor,
                side=one.side,
                view=one.view,
                pixel_mm=plan.pixel_mm,
                processing=bool(ending),
                compression=options.compression,
            )
            image.save_as(folder / f"{one.side}-{one.view}{ending}.dcm", enforce_file_format=True)


def write_exams(
    options: StudyOptions,
    women: Sequence[tuple[int, bool]],
    exams: Path,
    *,
    workers: int = 1,
    lesions: Path | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Write the exams of many women. Existing exams are kept.

    Parameters
    ----------
    options : StudyOptions
    women : sequence of (int, bool)
        Number of the woman, and whether it is her prior exam.
    exams : Path
        Created if it does not exist.
    workers : int
        Number of processes. 1 renders in this process.
    lesions : Path, optional
        Folder for the rows of their lesions. Created if it does not exist.
    on_progress : callable, optional
        Called with ``"exams"``, the number of finished exams and the total.

    Raises
    ------
    OSError, OutputError
        An exam cannot be written.
    """
    exams.mkdir(parents=True, exist_ok=True)
    # Temporary folders of a run that was killed while it was writing.
    for stale in exams.glob("*.new"):
        shutil.rmtree(stale, ignore_errors=True)
    there = {folder.name for folder in exams.iterdir()}
    if lesions is not None:
        lesions.mkdir(exist_ok=True)
        there &= {file.stem for file in lesions.glob("*.json")}
    todo = [pair for pair in women if exam_id(pair[0], prior=pair[1]) not in there]
    done, total = len(women) - len(todo), len(women)

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if on_progress is not None:
            on_progress("exams", done, total)

    tell(0)
    if workers == 1:
        for woman, prior in todo:
            write_exam_of(options, woman, exams, prior=prior, lesions=lesions)
            tell(1)
        return
    queue = iter(todo)
    # Forked processes would inherit the threads of a caller that has loaded torch.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        running: set[Future[Path]] = set()
        try:
            while True:
                for woman, prior in queue:
                    running.add(
                        pool.submit(
                            write_exam_of, options, woman, exams, prior=prior, lesions=lesions
                        )
                    )
                    if len(running) >= _AHEAD * workers:
                        break
                if not running:
                    break
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    tell(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def with_paths(women: pd.DataFrame, exams: Path) -> pd.DataFrame:
    """Add the folders of exam and prior exam to the rows, relative to the folder of the study."""
    out = women.copy()
    out.insert(2, "path", exams.name + "/" + women["exam_id"])
    out["prior_path"] = (exams.name + "/" + women["prior_exam_id"]).astype("string")
    return out
