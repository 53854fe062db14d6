"""Rendering the exams of a study into folders, on any number of workers, resumable.

An exam depends on the seed of the study and on its woman alone, so that any number of workers, in
any order, write the same files; a folder appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd

from mammorisk._utils.progress import OnProgress
from mammorisk.simulation.anatomy import draw_breasts
from mammorisk.simulation.exam_plan import ExamPlan, plan_exam
from mammorisk.simulation.mammogram_file import mammogram
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.rendering import render
from mammorisk.simulation.tables import exam_id

#: Exams handed to the workers ahead of time, per worker.
_AHEAD = 4


def write_exam_of(options: StudyOptions, woman: int, exams: Path, *, prior: bool = False) -> Path:
    """Write one exam of a woman of a study, alone.

    Parameters
    ----------
    options : StudyOptions
    woman : int
        Number in the population (column ``woman`` of the truth).
    exams : Path
        Folder that holds the exams' folders; the exam's own is named by its id.
    prior : bool
        Her exam of two years before.

    Returns
    -------
    Path
        Her exam's folder; one that is there already is left as it is.

    Raises
    ------
    OSError
        It cannot be written; nothing of it is left.
    """
    folder = exams / exam_id(woman, prior=prior)
    if folder.is_dir():
        return folder
    temporary = exams / f"{folder.name}.{os.getpid()}.new"
    try:
        temporary.mkdir(parents=True)
        _render(plan_exam(options, woman, prior=prior), options, temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _render(plan: ExamPlan, options: StudyOptions, folder: Path) -> None:
    breasts = draw_breasts(
        plan.anatomy_seed,
        area_percent=plan.area_percent,
        volumetric_percent=plan.volumetric_percent,
        exponent=options.exponent,
    )
    for number, one in enumerate(plan.views):
        picture = render(
            breasts[one.side],
            one.view,
            one.outline,
            one.exposure,
            plan.vendor,
            plan.texture,
            pixel_mm=plan.pixel_mm,
            rng=np.random.default_rng([*plan.noise_seed, number]),
            strength=plan.processing_strength,
            lesions=plan.lesions,
            raw=options.for_processing,
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
    on_progress: OnProgress | None = None,
) -> None:
    """Write the exams of many women; those already there are kept.

    Parameters
    ----------
    options : StudyOptions
    women : sequence of (int, bool)
        Number of the woman, and whether it is her prior exam.
    exams : Path
        Made if it does not exist.
    workers : int
        Processes; 1 renders in this one.
    on_progress : callable, optional
        Called with "exams", how many are done, and how many there are.

    Raises
    ------
    OSError, OutputError
        An exam cannot be written.
    """
    exams.mkdir(parents=True, exist_ok=True)
    # What a kill in the middle of an exam left behind.
    for stale in exams.glob("*.new"):
        shutil.rmtree(stale, ignore_errors=True)
    todo = [
        (woman, prior)
        for woman, prior in women
        if not (exams / exam_id(woman, prior=prior)).is_dir()
    ]
    done, total = len(women) - len(todo), len(women)

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if on_progress is not None:
            on_progress("exams", done, total)

    tell(0)
    if workers == 1:
        for woman, prior in todo:
            write_exam_of(options, woman, exams, prior=prior)
            tell(1)
        return
    queue = iter(todo)
    # Forked children would inherit the threads of a caller that has loaded torch.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        running: set[Future[Path]] = set()
        try:
            while True:
                for woman, prior in queue:
                    running.add(pool.submit(write_exam_of, options, woman, exams, prior=prior))
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


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever, or write on beside the next
    run.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def with_paths(women: pd.DataFrame, exams: Path) -> pd.DataFrame:
    """The rows with the folder of each exam and prior exam, relative to the study's."""
    out = women.copy()
    out.insert(2, "path", exams.name + "/" + women["exam_id"])
    out["prior_path"] = (exams.name + "/" + women["prior_exam_id"]).astype("string")
    return out
