"""Fit of a detector of the kind "lesion-maps" on annotated exams."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mammorisk._utils.progress import OnStep, progress_bar
from mammorisk.errors import TrainingError
from mammorisk.findings.base import Detector
from mammorisk.findings.card import DetectorCard
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.recipe import FindingsRecipe, LesionMapsOptions
from mammorisk.imaging.segmented_view import segment_exam
from mammorisk.networks.lesion_maps import LesionNet, SpeckNet
from mammorisk.training.findings.detector_problem import (
    DetectorProblem,
    lesions_of_view,
    open_rows,
)
from mammorisk.training.findings.loop import (
    Draw,
    LoopOptions,
    lesion_loss,
    speck_loss,
    train_maps,
)
from mammorisk.training.findings.sample import load_samples, make_sample, save_samples
from mammorisk.training.findings.validation import fit_on_validation
from mammorisk.training.findings.views import SampleViews


def fit_maps(
    problem: DetectorProblem,
    recipe: FindingsRecipe,
    begin: Detector | None,
    work: Path,
    *,
    progress: bool = False,
    accelerator: str = "auto",
) -> LesionDetector:
    """Fit the networks at 0.4 mm and at 0.1 mm, then the scores on the validation exams.

    Parameters
    ----------
    problem : DetectorProblem
    recipe : FindingsRecipe
    begin : Detector or None
    work : Path
        Folder of samples and checkpoints.
    progress : bool
    accelerator : {"auto", "cpu", "cuda"}

    Returns
    -------
    LesionDetector
        Without its card and record.

    Raises
    ------
    TrainingError
        ``begin`` is of another kind, or no view can be used.
    """
    if begin is not None and not isinstance(begin, LesionDetector):
        raise TrainingError(
            f"{begin.card.name} cannot be the start of a fit with the recipe {recipe.name}",
            where="init",
            remedy="Use a detector of the same kind, or leave out init.",
        )
    options = recipe.maps or LesionMapsOptions()
    device = choose_device(accelerator)
    files = _write_samples(problem, problem.train, work, recipe, progress)
    views = SampleViews(device)
    for file in files:
        views.add(load_samples(file), lesions=True, specks=True)
    if not views.lesions.pixels:
        raise TrainingError(
            "no view of the training exams shows a breast",
            where="cohort",
            remedy="Look at some with mr.plot_exam, and check the paths of the manifest.",
        )
    nets: dict[str, Any] = {
        "lesions": LesionNet() if begin is None else copy.deepcopy(begin.lesions).float(),
        "specks": SpeckNet() if begin is None else copy.deepcopy(begin.specks).float(),
    }
    can_learn = {
        "lesions": bool(views.lesions.with_lesion),
        "specks": bool(views.specks.with_cluster),
    }
    parts: dict[str, tuple[Draw, Callable[[nn.Module, Any], Tensor], int, int]] = {
        "lesions": (
            views.lesions.draw,
            lesion_loss,
            options.lesion_steps,
            options.lesion_batch,
        ),
        "specks": (views.specks.draw, speck_loss, options.speck_steps, options.speck_batch),
    }
    losses: dict[str, list[float]] = {}
    for part, (draw, loss, steps, batch) in parts.items():
        if not can_learn[part] or not steps:
            continue
        told = LoopOptions(
            steps=steps,
            batch_size=batch,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            seed=recipe.seed,
        )
        losses[part] = []
        with progress_bar(f"steps: {part}", steps, show=progress) as tell:

            def on_step(
                step: int,
                value: float,
                of_part: list[float] = losses[part],
                said: OnStep | None = tell,
                total: int = steps,
            ) -> None:
                of_part.append(value)
                if said is not None:
                    said(step, total)

            net = nets[part].to(device, memory_format=torch.channels_last)
            nets[part] = train_maps(
                net, draw, loss, told, checkpoint=work / f"{part}.safetensors", on_step=on_step
            )
    cpu = {name: net.to("cpu").eval() for name, net in nets.items()}
    detector = LesionDetector(
        lesions=cpu["lesions"],
        specks=cpu["specks"],
        card=_draft(recipe),
        training={"losses": losses},
    )
    if begin is not None:
        detector.score_weights = begin.score_weights
        detector.fusion = begin.fusion
        detector.operating_points = begin.operating_points
    fit_on_validation(detector, problem, progress=progress)
    return detector


def _draft(recipe: FindingsRecipe) -> DetectorCard:
    return DetectorCard(
        name=recipe.name,
        title=recipe.title,
        types=recipe.types,
        training_data="",
        source=recipe.source,
        licence="",
        intended_use="",
        limits="",
    )


def choose_device(accelerator: str) -> torch.device:
    """Return the device of a fit.

    Raises
    ------
    TrainingError
        The device is unknown or absent.
    """
    if accelerator not in ("auto", "cpu", "cuda", "gpu"):
        raise TrainingError(f"unknown accelerator {accelerator!r}", remedy="Use auto, cpu or cuda.")
    has_gpu = torch.cuda.is_available()
    if accelerator in ("cuda", "gpu") and not has_gpu:
        raise TrainingError("there is no GPU", where="accelerator", remedy='Use "cpu".')
    return torch.device("cuda" if has_gpu and accelerator != "cpu" else "cpu")


def _write_samples(
    problem: DetectorProblem,
    rows: NDArray[np.int64],
    work: Path,
    recipe: FindingsRecipe,
    progress: bool,
) -> list[Path]:
    """Write the samples of exams that are not there yet."""
    folder = work / "views"
    folder.mkdir(exist_ok=True)
    todo = np.array([r for r in rows if not (folder / f"{r}.npz").exists()], dtype=np.int64)
    for row, exam in open_rows(problem, todo, progress=progress):
        lesions = problem.lesions_of(row)
        lesions = lesions[lesions["type"].isin(recipe.types)]
        rng = np.random.default_rng([recipe.seed, row])
        samples = {}
        for name, seen in segment_exam(exam).items():
            made = make_sample(seen, lesions_of_view(lesions, name), rng)
            if made is not None:
                samples[name] = made[0]
        save_samples(samples, folder / f"{row}.npz")
    return [file for row in rows if (file := folder / f"{row}.npz").exists()]
