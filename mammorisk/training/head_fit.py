"""Training of the heads of a model on the features of a finished encoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mammorisk._utils.typing import Rows
from mammorisk.networks.hybrid import HybridHead
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.exam_steps import EpochSampler, ExamSteps
from mammorisk.training.module import FitData, FitModule
from mammorisk.training.problem import Problem
from mammorisk.training.standardization import copy_standardization
from mammorisk.training.trainer import StageOptions, run_stage

#: Epochs without improvement after which the training of a head stops.
_HEAD_PATIENCE = 5


def fit_heads(
    starts: Sequence[nn.Module],
    data: FitData,
    problem: Problem,
    recipe: Recipe,
    work: Path,
    *,
    fresh: bool,
    stage: StageOptions,
) -> tuple[list[HybridHead], dict[str, float]]:
    """Train the heads of a model on computed features.

    Parameters
    ----------
    starts : sequence of HybridHead
        Initial heads, used in turn.
    data : FitData
        With the features of the views.
    problem : Problem
    recipe : Recipe
        ``head.members`` heads are trained.
    work : Path
        Folder of checkpoints.
    fresh : bool
        The first initial head has random weights. The others then get their own.
    stage : StageOptions

    Returns
    -------
    heads : list of HybridHead
    losses : dict of str to float
        Mean validation losses, before and after.
    """
    heads, losses = [], []
    for member in range(recipe.head.members):
        head = copy.deepcopy(starts[member % len(starts)])
        assert isinstance(head, HybridHead)
        if fresh and member:
            lightning.seed_everything(recipe.seed + member, verbose=False)
            head = HybridHead(head.settings)
            if head.settings.standardized:
                copy_standardization(starts[0], head)
        rows = _bootstrap(problem, recipe, member)
        folder = work / f"head-{member}"
        name = f"exams, head {member + 1} of {recipe.head.members}"
        losses.append(_fit_head(head, data, problem, rows, recipe, folder, stage, name))
        heads.append(head)
    return heads, {name: float(np.mean([one[name] for one in losses])) for name in losses[0]}


def _bootstrap(problem: Problem, recipe: Recipe, member: int) -> Rows:
    """Training rows of one head: all, or a bootstrap sample of the women if there are several."""
    if recipe.head.members == 1:
        return problem.train
    women = problem.cohort["patient_id"].iloc[problem.train].to_numpy()
    names, codes = np.unique(women.astype(str), return_inverse=True)
    rng = np.random.default_rng([recipe.seed, member])
    times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
    rows: Rows = np.repeat(problem.train, times[codes])
    return rows


def _fit_head(
    head: HybridHead,
    data: FitData,
    problem: Problem,
    rows: Rows,
    recipe: Recipe,
    work: Path,
    stage: StageOptions,
    name: str,
) -> dict[str, float]:
    """Train the head on computed features. This takes seconds and always runs on the CPU.

    The head has many weights for the few women of most cohorts. The epoch with the lowest
    validation loss is kept, or the initial head if no loss is lower.
    """
    options = recipe.training
    held = torch.from_numpy(problem.validation)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    size = max(options.batch_size, 256)
    sampler = EpochSampler(
        rows, size, recipe.seed + 1, drawing_probability(problem, recipe, rows), shared=False
    )
    module = FitModule(
        head,
        None,
        data=data,
        recipe=recipe,
        learning_rate=options.head_learning_rate,
        weight_decay=options.head_weight_decay,
        total_steps=optimizer_steps(len(sampler), 1, options.head_epochs),
    )
    steps = ExamSteps(recipe.seed)
    run_stage(
        module,
        sampler,
        EpochSampler(problem.validation, 4 * size, seed=0, shared=False),
        (steps, steps),
        epochs=options.head_epochs,
        options=options.model_copy(
            update={
                "accumulate_batches": 1,
                "precision": "32-true",
                "patience": options.patience or _HEAD_PATIENCE,
                "ema_decay": 0.0,
            }
        ),
        folder=work,
        stage=replace(stage, on_one_processor=True, workers=0, loggers=()),
        name=name,
    )
    after = module.loss_without_training(held)
    fitted = {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(before)
    start = module.loss_without_training(held)
    if after < start:
        head.load_state_dict(fitted)
    return {"validation_loss": min(after, start), "validation_loss_before_head": start}


def drawing_probability(problem: Problem, recipe: Recipe, rows: Rows) -> NDArray[np.float64] | None:
    """Probabilities of drawing training rows, so that half of the draws are women with cancer."""
    if not recipe.training.balanced:
        return None
    event = (problem.outcomes.event[rows] == 1).numpy()
    return np.asarray(np.where(event, 0.5 / event.sum(), 0.5 / (~event).sum()))


def optimizer_steps(batches: int, accumulate: int, epochs: int) -> int:
    return -(-batches // accumulate) * epochs
