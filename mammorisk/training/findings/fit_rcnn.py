"""Fit of a detector of the kind "faster-rcnn" on annotated exams."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import progress_bar
from mammorisk.errors import TrainingError
from mammorisk.findings.rcnn import RcnnDetector, as_batch
from mammorisk.findings.rcnn_input import RcnnView, rcnn_view
from mammorisk.findings.recipe import FasterRcnnOptions, FindingsRecipe
from mammorisk.imaging.segmented_view import segment_exam
from mammorisk.networks.fused_rcnn import Links, RcnnSettings, make_rcnn
from mammorisk.records.exam import Exam
from mammorisk.training.findings.detector_fit import DetectorFit
from mammorisk.training.findings.detector_problem import DetectorProblem, lesions_of_view
from mammorisk.training.findings.sample import upright_boxes
from mammorisk.training.findings.validation import fit_on_validation

#: Steps between two checkpoints.
_SAVE_EVERY = 500

#: Views of an exam with their boxes (left, top, right, bottom) and the numbers of their classes.
ExamViews = dict[str, tuple[RcnnView, NDArray[np.float32], NDArray[np.int64]]]


def fit_rcnn(fit: DetectorFit) -> RcnnDetector:
    """Fit the network, then the fusion of scores on the validation exams.

    Parameters
    ----------
    fit : DetectorFit

    Returns
    -------
    RcnnDetector
        Without its card and record.

    Raises
    ------
    TrainingError
        The initial detector is of another kind or has other classes, or no view can be used.
    OutputError
        The folder of the fit has an unfinished fit of other images.
    """
    problem, recipe = fit.problem, fit.recipe
    options = recipe.rcnn or FasterRcnnOptions()
    lesions = problem.annotated.lesions
    classes = _classes(lesions[lesions["type"].isin(recipe.types)], recipe, options)
    settings = RcnnSettings(
        classes=len(classes),
        two_sides=options.two_sides,
        two_views=options.two_views,
        trainable_layers=options.trainable_layers,
        backbone=options.backbone,
        frozen_norm=options.pretrained,
    )
    if fit.begin is None:
        torch.manual_seed(recipe.seed)
        network: nn.Module = make_rcnn(settings, pretrained=options.pretrained)
    else:
        network = _network_of(fit, classes)
    device = fit.device
    files = fit.keep_views(_writer(problem, recipe, options, classes))
    if not files:
        raise TrainingError(
            "no view of the training exams can be used",
            remedy="Views need a breast and a known pixel spacing.",
        )
    losses = _train(network.to(device), files, options, recipe.seed, fit.work, fit.progress)
    detector = RcnnDetector(
        network=network.to("cpu").eval(),
        settings=settings,
        classes=classes,
        spacing_mm=options.spacing_mm,
        spread_mm=options.spread_mm,
        card=fit.draft_card,
        training={"losses": losses},
    )
    fit_on_validation(detector, problem, progress=fit.progress)
    return detector


def _classes(
    lesions: pd.DataFrame, recipe: FindingsRecipe, options: FasterRcnnOptions
) -> tuple[str, ...]:
    """Names of the classes: with pathology only if every lesion has one."""
    known = lesions["pathology"].isin(["benign", "malignant"]) if "pathology" in lesions else None
    if options.pathology and known is not None and known.all():
        return tuple(f"{kind} {one}" for kind in recipe.types for one in ("benign", "malignant"))
    return recipe.types


def _network_of(fit: DetectorFit, classes: Sequence[str]) -> nn.Module:
    begin = fit.begin
    if not isinstance(begin, RcnnDetector) or begin.classes != tuple(classes):
        raise fit.refuse_start(
            "Use a detector of the same kind with the same classes, or leave out init."
        )
    return begin.network


def _writer(
    problem: DetectorProblem,
    recipe: FindingsRecipe,
    options: FasterRcnnOptions,
    classes: Sequence[str],
) -> Callable[[int, Exam, Path], None]:
    """Return the function that writes the prepared views of an exam."""

    def write(row: int, exam: Exam, file: Path) -> None:
        lesions = problem.lesions_of(row)
        lesions = lesions[lesions["type"].isin(recipe.types)]
        arrays: dict[str, NDArray[Any]] = {}
        for name, seen in segment_exam(exam).items():
            view = rcnn_view(
                seen,
                spacing_mm=options.spacing_mm,
                spread_mm=options.spread_mm,
                calcifications="calcification" in recipe.types,
            )
            if view is None:
                continue
            mine = lesions_of_view(lesions, name)
            arrays[f"{name}/pixels"] = view.pixels
            arrays[f"{name}/nipple"] = np.array(view.nipple)
            arrays[f"{name}/boxes"] = _grid_boxes(upright_boxes(mine, seen), view)
            arrays[f"{name}/labels"] = _labels(mine, classes)
        if arrays:
            atomic_write(file, partial(_save_arrays, arrays))

    return write


def _save_arrays(arrays: Mapping[str, NDArray[Any]], place: Path) -> None:
    with open(place, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]


def _grid_boxes(boxes: Sequence[Sequence[float]], view: RcnnView) -> NDArray[np.float32]:
    """Boxes on the grid as left, top, right, bottom."""
    found = []
    for top, bottom, left, right in boxes:
        corners = view.frame.to_grid(
            np.array([[top - 0.5, left - 0.5], [bottom - 0.5, right - 0.5]])
        )
        low, high = corners.min(axis=0) + 0.5, corners.max(axis=0) + 0.5
        found.append((low[1], low[0], high[1], high[0]))
    return np.array(found, dtype=np.float32).reshape(-1, 4)


def _labels(lesions: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    names = lesions["type"].astype(str)
    if any(" " in one for one in classes):
        names = names + " " + lesions["pathology"].astype(str)
    return np.array([classes.index(one) + 1 for one in names], dtype=np.int64)


def _load(file: Path) -> tuple[list[str], list[RcnnLike], list[dict[str, NDArray[Any]]]]:
    with np.load(file) as stored:
        names = sorted({key.split("/")[0] for key in stored.files})
        views = [RcnnLike(stored[f"{n}/pixels"], tuple(stored[f"{n}/nipple"])) for n in names]
        targets = [{"boxes": stored[f"{n}/boxes"], "labels": stored[f"{n}/labels"]} for n in names]
    return names, views, targets


class RcnnLike:
    """Pixels and nipple of a stored view."""

    def __init__(self, pixels: NDArray[np.float16], nipple: tuple[float, ...]) -> None:
        self.pixels = pixels
        self.nipple = (float(nipple[0]), float(nipple[1]))


def _train(
    network: nn.Module,
    files: Sequence[Path],
    options: FasterRcnnOptions,
    seed: int,
    work: Path,
    progress: bool,
) -> list[float]:
    """Train by stochastic gradient descent, one exam a step; return the mean losses."""
    device = next(network.parameters()).device
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(
        trained,
        lr=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )
    checkpoint = work / "rcnn.safetensors"
    first, losses = _resume(checkpoint, network, optimizer)
    network.train()
    recent: list[float] = []
    with progress_bar("steps", options.steps, show=progress) as tell:
        for step in range(first, options.steps):
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * _rate(step, options)
            # The seed of a step does not depend on the steps before it.
            rng = np.random.default_rng([seed, step])
            torch.manual_seed(seed * 1_000_003 + step)
            names, views, targets = _load(files[int(rng.integers(len(files)))])
            images, links = as_batch(names, views)
            images, boxes, links = _varied(images, targets, links, options, rng)
            network.backbone.links = links  # type: ignore[union-attr]
            told = network([i.to(device) for i in images], [_on(t, device) for t in boxes])
            loss = sum(told.values())
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the loss is not a number at step {step}",
                    remedy="Lower rcnn__learning_rate or start from pretrained weights.",
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 10.0)
            optimizer.step()
            recent.append(float(loss.detach()))
            if (step + 1) % 50 == 0 or step + 1 == options.steps:
                losses.append(float(np.mean(recent)))
                recent.clear()
            if (step + 1) % _SAVE_EVERY == 0:
                _save(checkpoint, network, optimizer, step + 1, losses)
            if tell is not None:
                tell(step + 1, options.steps)
    return losses


def _on(target: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in target.items()}


def _rate(step: int, options: FasterRcnnOptions) -> float:
    """Share of the learning rate: a linear rise, then falls to a tenth."""
    if step < options.warm_up:
        return (step + 1) / (options.warm_up + 1)
    return float(0.1 ** sum(step >= drop * options.steps for drop in options.drops))


def _varied(
    images: Sequence[Tensor],
    targets: Sequence[Mapping[str, NDArray[Any]]],
    links: Links,
    options: FasterRcnnOptions,
    rng: np.random.Generator,
) -> tuple[list[Tensor], list[dict[str, Tensor]], Links]:
    """Scale and flip the views of an exam at random, all alike, so that they stay aligned."""
    scale = float(rng.uniform(*options.scales))
    flip = options.flip and rng.random() < 0.5
    made, boxes = [], []
    for image, target in zip(images, targets, strict=True):
        size = [max(32, round(n * scale)) for n in image.shape[-2:]]
        changed = functional.interpolate(
            image[None, :1], size, mode="bilinear", align_corners=False
        )[0].expand(3, -1, -1)
        place = torch.from_numpy(target["boxes"]) * scale
        if flip:
            changed = changed.flip(-2)
            place = torch.stack(
                [place[:, 0], size[0] - place[:, 3], place[:, 2], size[0] - place[:, 1]], 1
            )
        limits = torch.tensor([size[1], size[0], size[1], size[0]], dtype=place.dtype)
        place = torch.minimum(place.clamp(min=0), limits)
        # A box of less than a pixel has no area to learn from.
        valid = ((place[:, 2:] - place[:, :2]) >= 1).all(1)
        made.append(changed)
        boxes.append({"boxes": place[valid], "labels": torch.from_numpy(target["labels"])[valid]})
    nipples = [(1 - row if flip else row, column) for row, column in links.nipples]
    linked = Links(other_side=links.other_side, other_view=links.other_view, nipples=nipples)
    return made, boxes, linked


def _save(
    file: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    losses: Sequence[float],
) -> None:
    tensors = {f"net/{k}": v.contiguous().cpu() for k, v in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        momentum = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum.contiguous().cpu()
    told = {"training": json.dumps({"step": step, "losses": list(losses)})}
    atomic_write(file, lambda path: save_file(tensors, path, metadata=told))


def _resume(
    file: Path, network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, list[float]]:
    """Load the state of an interrupted training; the number of its steps and its losses."""
    if not file.exists():
        return 0, []
    device = next(network.parameters()).device
    with safe_open(file, "pt") as stored:
        names = set(stored.keys())
        network.load_state_dict(
            {n.removeprefix("net/"): stored.get_tensor(n) for n in names if n.startswith("net/")}
        )
        for name, parameter in network.named_parameters():
            if f"momentum/{name}" in names:
                buffer = stored.get_tensor(f"momentum/{name}").to(device)
                optimizer.state[parameter]["momentum_buffer"] = buffer
        told = json.loads(stored.metadata()["training"])
    return int(told["step"]), [float(one) for one in told["losses"]]
