"""What a fit needs before it is begun: disk, memory and time."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from mammorisk._utils.parallel import usable_cores
from mammorisk.errors import MammoriskError, TrainingError
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM
from mammorisk.inputs.standard_exam import standard_exam
from mammorisk.networks.encoders import make_encoder
from mammorisk.risk_models.recipe import SURVIVAL_KINDS, Recipe
from mammorisk.training.memory_estimate import autocast, step_bytes, weight_bytes
from mammorisk.training.module import checkpoint_gradients, freeze_layers
from mammorisk.training.outcomes import read_outcomes
from mammorisk.training.problem import check_outcomes
from mammorisk.training.read_exams import IN_MEMORY_BYTES, cache_bytes, held_batch_size
from mammorisk.training.splits import split_rows

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Memory of the process itself with its libraries, about.
_PROCESS_BYTES = 700_000_000
#: Batches that each worker has ready.
_READY = 2


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """What a fit needs. Times and memory are estimates.

    Attributes
    ----------
    recipe, device : str
    exams, train, validation, cancers : int
        Numbers of exams; cancers within five years in training.
    steps : int
        Steps of the optimizer on the images.
    cache_bytes, disk_free_bytes : int
        Size of the standardised images, and free space on the disk of the cache.
    memory_bytes : int
        Highest memory of the fit, on the device for a GPU.
    device_bytes : int or None
        Memory of the GPU.
    read_seconds, train_seconds, encode_seconds : float
        To read and standardise all exams, to train on the images, and to compute the features of
        all views. NaN for the reading if no exam can be read.
    """

    recipe: str
    device: str
    exams: int
    train: int
    validation: int
    cancers: int
    steps: int = 0
    cache_bytes: int = 0
    disk_free_bytes: int = 0
    memory_bytes: int = _PROCESS_BYTES
    device_bytes: int | None = None
    read_seconds: float = 0.0
    train_seconds: float = 0.0
    encode_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Time of the fit without the heads, which take seconds to minutes."""
        return float(np.nansum([self.read_seconds, self.train_seconds, self.encode_seconds]))

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        found = asdict(self) | {"seconds": self.seconds}
        return {name: None if value != value else value for name, value in found.items()}

    def _cache_words(self) -> str:
        if self.cache_bytes == 0:
            return "none: the recipe reads no images"
        return f"{_size(self.cache_bytes)}; {_size(self.disk_free_bytes)} are free"

    def __str__(self) -> str:
        memory = f"about {_size(self.memory_bytes)}"
        if self.device_bytes is not None:
            memory += f" of {_size(self.device_bytes)} on {self.device}"
        parts = [
            f"reading {_time(self.read_seconds)}",
            f"training {_time(self.train_seconds)} ({self.steps:,} steps)",
            f"features {_time(self.encode_seconds)}",
        ]
        lines = [
            f"recipe      {self.recipe}, on {self.device}",
            f"exams       {self.exams:,}: {self.train:,} in training with {self.cancers:,} "
            f"cancers, {self.validation:,} in validation",
            f"cache       {self._cache_words()}",
            f"memory      {memory}",
            f"time        about {_time(self.seconds)}: {', '.join(parts)}; then the heads",
        ]
        return "\n".join(lines)


def plan_fit(
    cohort: Cohort, recipe: Recipe, cache: Path | None, out: Path | None, workers: int
) -> FitPlan:
    """Estimate what a fit needs, with a few steps on one exam.

    Parameters
    ----------
    cohort : Cohort
    recipe : Recipe
    cache, out : Path or None
        Folders of the fit.
    workers : int

    Raises
    ------
    TrainingError
        The fit would be refused, or the recipe is Mirai's or one of scikit-survival.
    """
    if recipe.kind == "mirai":
        raise TrainingError(
            "the recipe mirai has no plan", where="dry_run", remedy="Fit it on a few exams first."
        )
    if recipe.kind in SURVIVAL_KINDS:
        raise TrainingError(
            f"the recipe {recipe.name} has no plan: it reads no images, and scikit-survival does "
            "not tell its time",
            where="dry_run",
            remedy="Fit it with few trees and folds first.",
        )
    check_outcomes(cohort, recipe)
    outcomes = read_outcomes(cohort.exams)
    options = recipe.training
    train, validation = split_rows(
        cohort.exams, by=options.split_by, share=options.validation_share, seed=recipe.seed
    )
    event = ((outcomes.event == 1) & (outcomes.time <= 5)).numpy()
    gpu = torch.cuda.is_available()
    device = "cuda" if gpu else "cpu"
    counts: dict[str, Any] = {
        "recipe": recipe.name,
        "device": torch.cuda.get_device_name() if gpu else "the processor",
        "exams": len(cohort),
        "train": len(train),
        "validation": len(validation),
        "cancers": int(event[train].sum()),
    }
    if not recipe.reads_images:
        return FitPlan(**counts)
    if not cohort.has_images:
        raise TrainingError(
            f"the recipe {recipe.name} needs images, and the cohort has none",
            where="cohort",
            remedy="Add a column path to the manifest, or use a recipe without images.",
        )
    disk = cache_bytes(cohort, recipe)
    place = (cache or out or Path.cwd()).absolute()
    image = recipe.image
    encoder = make_encoder(
        recipe.encoder.name,
        pretrained=False,
        size=(image.rows, image.columns),
        pooling=recipe.encoder.pooling,
    )
    freeze_layers(encoder, recipe.encoder.frozen_layers)
    if options.gradient_checkpointing:
        checkpoint_gradients(encoder)
    views = TOKENS_PER_EXAM * (2 if recipe.priors else 1)
    trains = not recipe.encoder.frozen
    epochs = options.epochs if trains else 0
    step, evaluated = _seconds_an_exam(encoder, recipe, views, device, train=trains)
    batches = -(-len(train) // options.batch_size)
    memory = 0 if gpu else _process_bytes(recipe, views, workers)
    if cache is None and disk <= IN_MEMORY_BYTES and not gpu:
        memory += disk
    shape = (1, image.rows, image.columns)
    sizes = [
        step_bytes(encoder, (views * options.batch_size, *shape), options.precision, train=trains)
    ]
    if trains:
        held = (views * held_batch_size(recipe), *shape)
        sizes.append(step_bytes(encoder, held, options.precision, train=False))
    memory += max(sizes) + weight_bytes(encoder, averaged=options.ema_decay > 0)
    return FitPlan(
        **counts,
        steps=epochs * -(-batches // options.accumulate_batches),
        cache_bytes=disk,
        disk_free_bytes=shutil.disk_usage(
            next(one for one in (place, *place.parents) if one.exists())
        ).free,
        memory_bytes=memory,
        device_bytes=torch.cuda.mem_get_info()[1] if gpu else None,
        read_seconds=_seconds_to_read(cohort, recipe) * len(cohort),
        train_seconds=epochs * (step * len(train) + evaluated * len(validation)),
        encode_seconds=evaluated * len(cohort),
    )


def _process_bytes(recipe: Recipe, views: int, workers: int) -> int:
    """Memory of the process and of the batches that workers have ready."""
    pixels = views * recipe.image.rows * recipe.image.columns
    # Augmented views have two bytes a pixel, others one.
    batch = pixels * max(2 * recipe.training.batch_size, held_batch_size(recipe))
    return _PROCESS_BYTES + workers * _READY * batch


def _seconds_an_exam(
    encoder: nn.Module, recipe: Recipe, views: int, device: str, *, train: bool
) -> tuple[float, float]:
    """Seconds of a training step, and of computing features, on one exam."""
    image, options = recipe.image, recipe.training
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    encoder = encoder.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    pixels = torch.rand(views, 1, image.rows, image.columns, device=device)
    pixels = pixels.contiguous(memory_format=layout)

    def once(learning: bool) -> float:
        encoder.train(learning)
        begin = time.perf_counter()
        with torch.set_grad_enabled(learning), autocast(options.precision, device):
            loss = encoder(pixels).float().square().mean()
        if learning:
            loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    # The first call of each kind is slower.
    step = [once(True) for _ in range(2)][-1] if train else 0.0
    evaluated = [once(False) for _ in range(2)][-1]
    encoder.zero_grad()
    encoder.to("cpu")
    return step, evaluated


def _seconds_to_read(cohort: Cohort, recipe: Recipe) -> float:
    """Seconds an exam to read and standardise on all usable cores; NaN if none can be read."""
    # The first exam starts the decoder, and is not counted.
    seconds = []
    for row in range(min(len(cohort), 3)):
        begin = time.perf_counter()
        try:
            standard_exam(cohort.open_row(row), recipe.image)
        except MammoriskError:
            continue
        seconds.append(time.perf_counter() - begin)
    times = 2 if recipe.priors else 1
    return times * min(seconds) / usable_cores() if seconds else float("nan")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def _time(seconds: float) -> str:
    if seconds != seconds:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
