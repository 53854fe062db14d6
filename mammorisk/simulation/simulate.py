"""simulate(): simulation of a screening study in which the true risk of every woman is known."""

from __future__ import annotations

import errno
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import OnProgress
from mammorisk._version import __version__
from mammorisk.errors import OutputError, SimulationError
from mammorisk.simulation.exam_folders import read_lesions, with_paths, write_exams
from mammorisk.simulation.options import (
    StudyOptions,
    check_options,
)
from mammorisk.simulation.signals import DESCRIPTIONS, SIGNALS, signals_of
from mammorisk.simulation.study import LESIONS, MANIFEST, TRUTH, WOMEN, Study, study_in_memory
from mammorisk.simulation.tables import blocks, write_tables

_NOTE, _EXAMS = "study.json", "exams"
#: Rows of the lesions of each exam, until their table is written.
_ROWS = "lesion_rows"
_MADE_HERE = {MANIFEST, WOMEN, TRUTH, LESIONS, _NOTE, _EXAMS}


def simulate(
    n: int = 1000,
    *,
    seed: int = 1,
    out: str | Path | None = None,
    images: int | Literal["all"] = 0,
    workers: int = 1,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Study:
    """Simulate a screening study with known true risk. All files are marked as simulated.

    Parameters
    ----------
    n : int
        Number of women in the population.
    seed : int
        The same seed and options give the same women for any number of workers. Woman i is the
        same in a larger population.
    out : path, optional
        Folder for ``manifest.parquet`` (read by :func:`mammorisk.read_cohort`),
        ``truth.parquet``, ``study.json`` and the exams. It must be empty or contain the same study.
        The same call resumes an interrupted study and produces identical files. Without ``out``,
        the tables stay in memory and there are no images.
    images : int or "all"
        Number of women of the study whose exams, with prior exams, are rendered. They are a random
        sample, and their weights in the manifest are increased to represent all women. The table
        of all rows is then ``women.parquet``.
    workers : int
        Number of processes that render exams.
    on_progress : callable, optional
        Called with the name of the stage (``"women"``, ``"exams"``), the number of finished items
        and the total, for example the callback of
        :func:`~mammorisk._utils.progress.show_progress`.
    **options
        Fields of :class:`~mammorisk.simulation.options.StudyOptions`: ages, effects, follow-up,
        design, sites, vendors, pixel spacing, lesions.

    Returns
    -------
    Study
        With the tables ``cohort``, ``truth``, ``women`` and ``population``.

    Raises
    ------
    SimulationError
        Options are out of range.
    OutputError
        The folder contains other files or cannot be written, or the disk is full.

    See Also
    --------
    mammorisk.Study : The result.
    mammorisk.read_cohort : Reads the study from its folder.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(1000, seed=1)
    >>> study.cohort
    <Cohort: 1000 exams of 1000 women, 21 cancers, without images>
    >>> round(float(study.truth["risk_5y"].mean()), 4)
    0.0136

    With images, in a folder:

    >>> mr.simulate(1000, out="study", images="all", workers=8)  # doctest: +SKIP
    """
    study = check_options(n=n, seed=seed, **options)
    _check_images(images, out, workers)
    if out is None:
        return study_in_memory(study, on_progress)
    folder = Path(out)
    try:
        _write_study(study, images, folder, workers, on_progress)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise OutputError(
            "the disk is full" if full else f"the study cannot be written ({error.strerror})",
            where=folder.name,
            remedy="Check the folder, its permissions and the free space. The same call resumes.",
        ) from None
    return Study(options=study, folder=folder)


def _check_images(images: int | str, out: str | Path | None, workers: int) -> None:
    if not (images == "all" or (isinstance(images, int) and images >= 0)):
        raise SimulationError(
            "images is neither a number of women nor 'all'",
            where="images",
            remedy="Give a whole number from 0 on, or 'all'.",
        )
    if images and out is None:
        raise SimulationError("images need a folder", where="out", remedy="Pass out=.")
    if workers < 1:
        raise SimulationError(
            f"workers is {workers}", where="workers", remedy="Give at least 1 process."
        )


def _write_study(
    options: StudyOptions,
    images: int | Literal["all"],
    folder: Path,
    workers: int,
    on_progress: OnProgress | None,
) -> None:
    _claim(folder, _note(options, images))
    if (folder / MANIFEST).exists():
        return
    every = folder / (WOMEN if images else MANIFEST)
    if not every.exists():
        write_tables(blocks(options, on_progress), every, folder / TRUTH)
    if not images:
        return
    women = pd.read_parquet(every)
    truth = pd.read_parquet(folder / TRUTH, columns=["woman", "image_draw"])
    chosen = _choose_images(truth["image_draw"].to_numpy(), images)
    numbers = truth["woman"].to_numpy()[chosen].tolist()
    priors = women["prior_exam_id"].notna().to_numpy()[chosen]
    exams = [
        (woman, prior)
        for woman, has in zip(numbers, priors, strict=True)
        for prior in ((False, True) if has else (False,))
    ]
    rows = folder / _ROWS if options.lesions.detailed else None
    table = folder / LESIONS
    write_exams(
        *(options, exams, folder / _EXAMS),
        workers=workers,
        lesions=None if table.exists() else rows,
        on_progress=on_progress,
    )
    if rows is not None:
        if not table.exists():
            places = read_lesions(rows, exams)
            atomic_write(table, partial(places.to_parquet, index=False))
        shutil.rmtree(rows, ignore_errors=True)
    pictured = with_paths(women.iloc[chosen], folder / _EXAMS)
    pictured["weight"] *= len(women) / max(len(chosen), 1)
    atomic_write(folder / MANIFEST, partial(pictured.to_parquet, index=False))


def _choose_images(draw: NDArray[np.float64], images: int | Literal["all"]) -> NDArray[np.int64]:
    """Return the rows with the smallest draws, in the order of the table."""
    count = len(draw) if images == "all" else min(images, len(draw))
    return np.sort(np.argsort(draw, kind="stable")[:count])


def _note(options: StudyOptions, images: int | Literal["all"]) -> dict[str, Any]:
    signals = signals_of(options.effects)
    return {
        "note": "SIMULATED data: no woman, exam or outcome in this folder is real",
        "mammorisk": __version__,
        "options": _told(options),
        "images": images,
        **({"signals": {name: DESCRIPTIONS[name] for name in signals}} if signals else {}),
    }


def _told(options: StudyOptions) -> dict[str, Any]:
    """Options of a study; those that are off by default only if they are on."""
    told = options.model_dump(mode="json")
    for name in ("site_loss", "site_missing"):
        if not told[name]:
            del told[name]
    if not options.lesions.detailed:
        del told["lesions"]
    for name in SIGNALS:
        if name not in signals_of(options.effects):
            del told["effects"][f"{name}_hr"]
    return told


def _claim(folder: Path, note: dict[str, Any]) -> None:
    """Reserve the folder for this study, or check that it belongs to this study."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _NOTE
    if not file.exists():
        if any(folder.iterdir()):
            raise OutputError(
                "the folder is not empty", where=folder.name, remedy="Give a new or empty folder."
            )
        text = json.dumps(note, indent=2)
        atomic_write(file, lambda path: path.write_text(text, encoding="utf-8"))
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if found != note:
        raise OutputError(
            "the folder contains a study with other options or of another version",
            where=folder.name,
            remedy="Give the same options to resume it, or another folder.",
        )
    # Temporary files of a run that was killed while it was writing.
    for stale in folder.glob("*.new"):
        if stale.name.split(".parquet")[0] + ".parquet" in _MADE_HERE:
            stale.unlink()
