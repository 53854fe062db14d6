"""Fit of the hybrid: encoder and head together, then the head on the final features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.text import as_labels
from mammorisk.inputs.batches import fit_scalings, make_batch
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.risk_models.hybrid.model import HybridModel, encode, guard_features
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.recipe import Recipe
from mammorisk.runtime.torch_encoder import torch_encoder
from mammorisk.training.card import card_of
from mammorisk.training.module import FitModule
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.problem import Problem, Rows
from mammorisk.training.recalibrate import fit_all_horizons
from mammorisk.training.trainer import EpochSampler, run_stage

#: Epochs without improvement after which the training of a head stops.
_HEAD_PATIENCE = 5


def fit_hybrid(
    problem: Problem,
    recipe: Recipe,
    begin: HybridModel | None,
    work: Path,
    *,
    progress: bool,
    place: dict[str, Any],
    fresh_head: bool,
) -> HybridModel:
    """Fit encoder and head, the domain guard and the recalibration.

    Parameters
    ----------
    problem : Problem
    recipe : Recipe
    begin : HybridModel or None
        Initial weights.
    work : Path
        Folder of checkpoints, features and logs, from which an interrupted call continues.
    progress : bool
    place : dict
        Devices, strategy and accelerator for Lightning's Trainer.
    fresh_head : bool
        Use only the encoder of ``begin``.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    options, inputs, train = recipe.training, problem.inputs, problem.train
    keep_head = begin is not None and not fresh_head
    scalings = begin.scalings if begin is not None and keep_head else fit_scalings(inputs, train)
    encoder = None
    if "image" in recipe.modalities:
        size = (recipe.image.rows, recipe.image.columns)
        encoder = make_encoder(
            recipe.encoder.name, pretrained=recipe.encoder.pretrained and begin is None, size=size
        )
        if begin is not None and begin.encoder is not None:
            encoder.load_state_dict(begin.encoder.state_dict())
    batch = make_batch(inputs, None, scalings, modalities=tuple(recipe.modalities))
    head = HybridHead(_head_settings(recipe, encoder, batch))
    if begin is not None and keep_head:
        head.load_state_dict(begin.head.state_dict())
    cancer_weight = censoring_weights(problem.outcomes)
    probability, sampling = _sampling(problem, recipe)
    common = {
        "outcomes": problem.outcomes,
        "censoring_weight": cancer_weight,
        "sampling": sampling,
        "options": options,
        "seed": recipe.seed,
    }
    losses: dict[str, float] = {}
    if encoder is not None and not recipe.encoder.frozen:
        assert inputs.exams is not None
        sampler = EpochSampler(train, options.batch_size, recipe.seed, probability)
        module = FitModule(
            head,
            encoder,
            batch=batch,
            pixels=inputs.exams.pixels,
            percent_density=inputs.exams.percent_density,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            total_steps=_steps(len(sampler), options.accumulate_batches, options.epochs),
            **common,  # type: ignore[arg-type]
        )
        run_stage(
            module,
            sampler,
            problem.validation,
            epochs=options.epochs,
            options=options,
            folder=work / "encoder",
            progress=progress,
            **place,
        )
    features = None
    if encoder is not None:
        assert inputs.exams is not None
        encoder.eval()
        features = _kept_features(
            work / "features.safetensors",
            partial(encode, torch_encoder(encoder), inputs.exams, head.settings.n_features),
        )
        batch = replace(batch, features=features)
    if options.head_epochs and (encoder is None or options.head_epochs > 0):
        losses = _fit_head(head, batch, problem, recipe, probability, common, work, progress)
    head.eval()
    model = HybridModel(
        recipe=recipe,
        card=card_of(recipe, _ages(problem, begin if keep_head else None)),
        encoder=encoder,
        head=head,
        scalings=scalings,
        guard=_guard(problem, features),
        origin=_origin(problem, features),
        training=_record(problem, recipe, losses, begin)
        | {"ages": list(_ages(problem, begin if keep_head else None))},
    )
    risk = _raw_risk(model, batch, problem)
    maps = fit_all_horizons(risk, problem.outcomes.as_record(), problem.validation)
    model.recalibration = {
        int(year): found for year, found in maps.items() if found.method != "none"
    }
    return model


def _head_settings(recipe: Recipe, encoder: Any, batch: Batch) -> HeadSettings:
    used = recipe.modalities
    return HeadSettings(
        n_features=int(encoder.num_features) if encoder is not None else 0,
        n_acquisition=batch.acquisition.shape[-1] if "acquisition" in used else 0,
        n_questionnaire=batch.questionnaire.shape[-1] if "questionnaire" in used else 0,
        width=recipe.head.width,
        dropout=recipe.head.dropout,
        interactions=recipe.head.interactions,
        published_baseline=recipe.baseline is not None,
        competing_death=recipe.head.competing_death,
    )


def _steps(batches: int, accumulate: int, epochs: int) -> int:
    return -(-batches // accumulate) * epochs


def _sampling(problem: Problem, recipe: Recipe) -> tuple[NDArray[np.float64] | None, Tensor]:
    """Probabilities of drawing training rows, and the weights that correct for them in the loss."""
    n = len(problem.inputs)
    if not recipe.training.balanced:
        return None, torch.ones(n)
    event = (problem.outcomes.event[problem.train] == 1).numpy()
    probability = np.where(event, 0.5 / event.sum(), 0.5 / (~event).sum())
    sampling = torch.ones(n)
    sampling[problem.train] = torch.from_numpy(1 / (probability * len(probability))).float()
    return probability, sampling


def _fit_head(
    head: HybridHead,
    batch: Batch,
    problem: Problem,
    recipe: Recipe,
    probability: NDArray[np.float64] | None,
    common: dict[str, Any],
    work: Path,
    progress: bool,
) -> dict[str, float]:
    """Train the head on computed features. This takes seconds and always runs on the CPU.

    The head has many weights for the few women of most cohorts. The epoch with the lowest
    validation loss is kept, or the initial head if no loss is lower.
    """
    options = recipe.training
    held = torch.from_numpy(problem.validation)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    size = max(options.batch_size, 256)
    sampler = EpochSampler(problem.train, size, recipe.seed + 1, probability)
    module = FitModule(
        head,
        None,
        batch=batch,
        pixels=None,
        percent_density=None,
        learning_rate=options.head_learning_rate,
        weight_decay=options.head_weight_decay,
        total_steps=_steps(len(sampler), 1, options.head_epochs),
        **common,
    )
    run_stage(
        module,
        sampler,
        problem.validation,
        epochs=options.head_epochs,
        options=options.model_copy(
            update={
                "accumulate_batches": 1,
                "precision": "32-true",
                "patience": options.patience or _HEAD_PATIENCE,
            }
        ),
        folder=work / "head",
        progress=progress,
        devices=1,
        accelerator="cpu",
    )
    after = module.loss_without_training(held)
    fitted = {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(before)
    start = module.loss_without_training(held)
    if after < start:
        head.load_state_dict(fitted)
    return {"validation_loss": min(after, start), "validation_loss_before_head": start}


def _kept_features(file: Path, make: Callable[[], Tensor]) -> Tensor:
    """Features of the views, stored so that they are computed only once."""
    from safetensors.torch import load_file, save_file

    if file.exists():
        return load_file(file)["features"]
    features = make()
    atomic_write(file, lambda path: save_file({"features": features.contiguous()}, path))
    return features


def _guard(problem: Problem, features: Tensor | None) -> Any:
    from mammorisk.risk_models.hybrid.domain_guard import DomainGuard

    exams = problem.inputs.exams
    if features is None or exams is None:
        return None
    seen = guard_features(exams, features)
    there = np.asarray(exams.present.any(axis=1))
    parts = [seen[rows[there[rows]]] for rows in (problem.train, problem.validation)]
    if min(len(part) for part in parts) < 20:
        # Too few exams to estimate a domain.
        return None
    return DomainGuard.fit(*parts)


def _origin(problem: Problem, features: Tensor | None) -> TrainingOrigin | None:
    exams = problem.inputs.exams
    # Exams from other sources may have no acquisition records, so no headers to compare with.
    if features is None or exams is None or not exams.acquisitions:
        return None
    return TrainingOrigin.of(exams, problem.train.tolist())


def _raw_risk(model: HybridModel, batch: Batch, problem: Problem) -> NDArray[np.float64]:
    from mammorisk.networks.hazards import cumulative_risk

    with torch.no_grad():
        death = model.head.log_death_hazard(batch)
        risk = cumulative_risk(
            model.head(batch).double(), None if death is None else death.double()
        )
    return risk.numpy()


def _ages(problem: Problem, begin: HybridModel | None) -> tuple[float, float]:
    """Range of ages in years, of this cohort and of the model whose head was kept."""
    low, high = problem.ages
    if begin is None or begin.ages_seen is None:
        return low, high
    return min(low, begin.ages_seen[0]), max(high, begin.ages_seen[1])


def _record(
    problem: Problem, recipe: Recipe, losses: dict[str, float], begin: HybridModel | None
) -> dict[str, Any]:
    table, event = problem.cohort, problem.outcomes.event.numpy()

    def told(rows: Rows) -> dict[str, Any]:
        out: dict[str, Any] = {
            "exams": len(rows),
            "women": int(table["patient_id"].iloc[rows].nunique()),
            "cancers": int((event[rows] == 1).sum()),
            "weighted_women": float(problem.outcomes.weight[rows].sum()),
        }
        for name in ("site", "vendor"):
            if name in table.columns:
                counts = as_labels(table[name].iloc[rows], "unknown").value_counts()
                out[name] = {str(k): int(v) for k, v in counts.items()}
        return out

    return {
        "train": told(problem.train),
        "validation": told(problem.validation),
        "excluded": problem.excluded,
        "seed": recipe.seed,
        "begun_from": None if begin is None else begin.card.name,
        **losses,
    }
