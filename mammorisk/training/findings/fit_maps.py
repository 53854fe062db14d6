"""Fit of a detector of the kind "lesion-maps" on annotated exams."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mammorisk._utils.progress import OnStep, progress_bar
from mammorisk.errors import TrainingError
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.recipe import FindingsRecipe, LesionMapsOptions
from mammorisk.imaging.segmented_view import segment_exam
from mammorisk.networks.lesion_maps import LesionNet, SpeckNet
from mammorisk.records.exam import Exam
from mammorisk.training.findings.detector_fit import DetectorFit
from mammorisk.training.findings.detector_problem import DetectorProblem, lesions_of_view
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


def fit_maps(fit: DetectorFit) -> LesionDetector:
    """Fit the networks at 0.4 mm and at 0.1 mm, then the scores on the validation exams.

    Parameters
    ----------
    fit : DetectorFit

    Returns
    -------
    LesionDetector
        Without its card and record.

    Raises
    ------
    TrainingError
        The initial detector is of another kind, or no view can be used.
    OutputError
        The folder of the fit has an unfinished fit of other images.
    """
    recipe, begin, device = fit.recipe, fit.begin, fit.device
    if begin is not None and not isinstance(begin, LesionDetector):
        raise fit.refuse_start("Use a detector of the same kind, or leave out init.")
    options = recipe.maps or LesionMapsOptions()
    files = fit.keep_views(_writer(fit.problem, recipe))
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
        with progress_bar(f"steps: {part}", steps, show=fit.progress) as tell:

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
                net, draw, loss, told, checkpoint=fit.work / f"{part}.safetensors", on_step=on_step
            )
    cpu = {name: net.to("cpu").eval() for name, net in nets.items()}
    detector = LesionDetector(
        lesions=cpu["lesions"],
        specks=cpu["specks"],
        card=fit.draft_card,
        training={"losses": losses},
    )
    if begin is not None:
        detector.score_weights = begin.score_weights
        detector.fusion = begin.fusion
        detector.operating_points = begin.operating_points
    fit_on_validation(detector, fit.problem, progress=fit.progress)
    return detector


def _writer(problem: DetectorProblem, recipe: FindingsRecipe) -> Callable[[int, Exam, Path], None]:
    """Return the function that writes the samples of an exam."""

    def write(row: int, exam: Exam, file: Path) -> None:
        lesions = problem.lesions_of(row)
        lesions = lesions[lesions["type"].isin(recipe.types)]
        rng = np.random.default_rng([recipe.seed, row])
        samples = {}
        for name, seen in segment_exam(exam).items():
            made = make_sample(seen, lesions_of_view(lesions, name), rng)
            if made is not None:
                samples[name] = made[0]
        save_samples(samples, file)

    return write
