"""Rendering the exams of a study into folders, on any number of workers, resumable.

An exam depends on the seed of the study and on its woman alone, so that any number of workers, in
any order, write the same files; a folder appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from mammorisk.simulation.draws import uniforms
from mammorisk.simulation.example import write_example_exam
from mammorisk.simulation.options import StudyOptions
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.progress import OnProgress
from mammorisk.simulation.tables import exam_id

#: Exams handed to the workers ahead of time, per worker.
_AHEAD = 4
#: Shares of dense area that the pictures can show.
_SHARE_RANGE = (0.02, 0.9)


def write_exam_of(options: StudyOptions, woman: int, exams: Path) -> Path:
    """Write the exam of one woman of a study, alone.

    Parameters
    ----------
    options : StudyOptions
    woman : int
        Number in the population (column ``woman`` of the truth).
    exams : Path
        Folder that holds the exams' folders; the exam's own is named by its id.

    Returns
    -------
    Path
        Her exam's folder; one that is there already is left as it is.

    Raises
    ------
    OSError, OutputError
        It cannot be written; nothing of it is left.
    """
    folder = exams / exam_id(woman)
    if folder.is_dir():
        return folder
    temporary = exams / f"{folder.name}.{os.getpid()}.new"
    try:
        _render(options, woman, temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _render(options: StudyOptions, woman: int, folder: Path) -> None:
    traits = draw_population(options.seed, 1, first=woman, age_range=options.age_range).iloc[0]
    low, high = _SHARE_RANGE
    share = min(max(float(traits["percent_density"]) / 100, low), high)
    # DICOM identifiers are made from this number: it must differ between women and studies.
    seed = int(uniforms(options.seed, "exam", woman, 1, 4)[0, 0] * 2**53)
    write_example_exam(folder, density=share, seed=seed)


def write_exams(
    options: StudyOptions,
    women: Sequence[int],
    exams: Path,
    *,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> None:
    """Write the exams of many women; those already there are kept.

    Parameters
    ----------
    options : StudyOptions
    women : sequence of int
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
    todo = [woman for woman in women if not (exams / exam_id(woman)).is_dir()]
    done, total = len(women) - len(todo), len(women)

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if on_progress is not None:
            on_progress("exams", done, total)

    tell(0)
    if workers == 1:
        for woman in todo:
            write_exam_of(options, woman, exams)
            tell(1)
        return
    queue = iter(todo)
    # Forked children would inherit the threads of a caller that has loaded torch.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: set[Future[Path]] = set()
        try:
            while True:
                for woman in queue:
                    running.add(pool.submit(write_exam_of, options, woman, exams))
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
    """The rows with the folder of each exam, relative to the study's."""
    paths = [f"{exams.name}/{name}" for name in women["exam_id"]]
    out = women.copy()
    out.insert(2, "path", paths)
    return out
