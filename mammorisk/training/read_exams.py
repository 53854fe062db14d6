"""Reading the exams of a cohort for a recipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mammorisk._utils.parallel import usable_cores
from mammorisk._utils.progress import progress_bar
from mammorisk.errors import MammoriskError, OutputError, TrainingError
from mammorisk.inputs.exam_set import ExamSet, load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.records.sex import male_rows
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.row_names import row_names

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


#: Up to this size pixels without a cache are kept in memory.
IN_MEMORY_BYTES = 256 << 20
#: Up to this size of a view a step takes less time than its way from a worker.
_SMALL_PIXELS = 256 * 192


def read_exams(
    cohort: Cohort,
    recipe: Recipe,
    cache: str | Path | None = None,
    progress: bool = False,
    *,
    scratch: Path | None = None,
    workers: int | None = None,
) -> ExamSet:
    """Read the exams of a cohort with the settings of a recipe.

    Parameters
    ----------
    cohort : Cohort
    recipe : Recipe
    cache : path, optional
        Folder of the cache of standardised images. The pixels stay there until they are used.
    progress : bool
    scratch : Path, optional
        Folder to use like a cache if there is none and the pixels are too many for the memory
        (:data:`IN_MEMORY_BYTES`).
    workers : int, optional
        Number of processes that read, by default one a usable core.

    Raises
    ------
    TrainingError
        The cohort has no images, or more than ``unreadable_share`` of the exams, or of the prior
        exams, cannot be read.
    OutputError
        The cache cannot be written, or the disk has too little space for it.
    """
    if not cohort.has_images:
        raise TrainingError(
            f"the recipe {recipe.name} needs images, and the cohort has none",
            remedy="Add the column path to the manifest, or choose clinical-only.",
        )
    folder = None if cache is None else Path(cache)
    if folder is None and scratch is not None and cache_bytes(cohort, recipe) > IN_MEMORY_BYTES:
        folder = scratch
    keep = ImageCache(folder=folder, settings=recipe.image)
    if folder is not None:
        check_space(cohort, recipe, keep)
        if progress:
            needed = cache_bytes(cohort, recipe)
            sys.stderr.write(f"cache: about {needed / 1e9:.2f} GB for {len(cohort):,} exams\n")
    prior = cohort.open_prior if recipe.priors else None
    with progress_bar("exams read", len(cohort), show=progress) as tell:
        exams = load_exams(
            range(len(cohort)),
            cohort.open_row,
            keep,
            open_prior=prior,
            on_exam=tell,
            in_memory=folder is None,
            workers=workers,
        )
    most = recipe.training.unreadable_share
    check_readable(cohort, exams.errors, most)
    check_readable(cohort, exams.prior_errors, most, what="prior exams")
    return exams


def default_workers(recipe: Recipe) -> int:
    """Number of processes that read and augment exams in training."""
    small = recipe.image.rows * recipe.image.columns <= _SMALL_PIXELS
    if small or "image" not in recipe.modalities:
        return 0
    return int(np.clip(usable_cores() // 2, 1, 8))


def held_batch_size(recipe: Recipe) -> int:
    """Number of exams of a batch in validation, which needs no gradients."""
    small = recipe.image.rows * recipe.image.columns <= _SMALL_PIXELS
    return recipe.training.batch_size * (4 if small else 1)


def cache_bytes(cohort: Cohort, recipe: Recipe) -> int:
    """Size of the standardised images of a cohort on disk, about."""
    exams = len(cohort)
    if recipe.priors and cohort.open_prior is not None:
        has_prior = cohort.has_prior
        exams += sum(has_prior(row) for row in range(exams)) if has_prior is not None else exams
    return exams * ImageCache(folder=None, settings=recipe.image).entry_bytes


def check_space(cohort: Cohort, recipe: Recipe, cache: ImageCache) -> None:
    """Refuse a cache that does not fit on its disk, before it is made.

    Entries of this cohort that the folder has need no space. They are looked for only if not all
    would fit, because this reads all files.

    Raises
    ------
    OutputError
    """
    if cache.folder is None:
        return
    folder = cache.folder.absolute()
    free = shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free
    needed = cache_bytes(cohort, recipe)
    if needed > free and folder.exists():
        needed = _absent(cohort, recipe, cache) * cache.entry_bytes
    if needed > free:
        raise OutputError(
            f"the cache of images needs about {needed / 1e9:.1f} GB more and {free / 1e9:.1f} GB "
            "are free",
            where="cache",
            remedy="Free space, choose another cache, or a recipe with smaller images.",
        )


def _absent(cohort: Cohort, recipe: Recipe, cache: ImageCache) -> int:
    """Number of exams, and prior exams, that the cache does not have and that can be read."""
    absent = 0
    for opener in (cohort.open_row, cohort.open_prior if recipe.priors else None):
        if opener is None:
            continue
        for row in range(len(cohort)):
            try:
                exam = opener(row)
                absent += exam is not None and not cache.has(exam)
            except MammoriskError:
                # An exam that cannot be read has no entry.
                continue
    return absent


def check_readable(
    cohort: Cohort, errors: Sequence[str], most: float, *, what: str = "exams"
) -> None:
    """Refuse a cohort if more than a share of its exams cannot be read.

    Rows in error and rows of men, which are excluded anyway, do not count.

    Raises
    ------
    TrainingError
    """
    sound = (cohort.errors == "").to_numpy(dtype=bool) & ~male_rows(cohort.exams)
    unread = [row for row, error in enumerate(errors) if error and sound[row]]
    if len(unread) > most * sound.sum():
        raise TrainingError(
            f"{len(unread)} of {sound.sum()} {what} cannot be read: "
            f"{row_names(unread, cohort.lines)}; the first because {errors[unread[0]]}",
            remedy="Repair or leave out these rows, or raise training.unreadable_share.",
        )
