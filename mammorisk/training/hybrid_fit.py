"""Fit of the hybrid: encoder and head together, then the heads on the final features."""

from __future__ import annotations

import copy
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
from mammorisk.inputs.batches import fit_scalings, lowest_weights, make_batch
from mammorisk.inputs.scaling import Scaling
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.hazards import cumulative_risk
from mammorisk.networks.head_ensemble import (
    ALL_VIEWS,
    VIEW_SETS,
    HeadEnsemble,
    view_set,
    with_views,
)
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.risk_models.hybrid.model import HybridModel, encode, guard_features
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.hybrid.view_sets import ViewSets
from mammorisk.risk_models.recipe import Recipe
from mammorisk.runtime.torch_encoder import torch_encoder
from mammorisk.training.card import card_of
from mammorisk.training.centring import centre
from mammorisk.training.module import FitModule
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.problem import Problem, Rows
from mammorisk.training.recalibrate import fit_all_horizons
from mammorisk.training.trainer import EpochSampler, run_stage

#: Epochs without improvement after which the training of a head stops.
_HEAD_PATIENCE = 5
#: Share of the training exams with a set of views, from which on the set is usable in any case.
_FREQUENT = 0.05
#: Number of validation women from which on the heads are centred on them alone.
_ENOUGH_TO_CENTRE = 1000
#: Fewest complete validation exams for comparing the risks from sets of views.
_FEWEST_COMPLETE = 50


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
    weight = problem.outcomes.weight.double().numpy()
    scalings = (
        begin.scalings if begin is not None and keep_head else fit_scalings(inputs, train, weight)
    )
    encoder = None
    if "image" in recipe.modalities:
        size = (recipe.image.rows, recipe.image.columns)
        encoder = make_encoder(
            recipe.encoder.name, pretrained=recipe.encoder.pretrained and begin is None, size=size
        )
        if begin is not None and begin.encoder is not None:
            encoder.load_state_dict(begin.encoder.state_dict())
    batch = make_batch(inputs, None, scalings, modalities=tuple(recipe.modalities))
    settings = _head_settings(recipe, encoder, batch, scalings)
    head = HybridHead(settings)
    if begin is not None and keep_head:
        head.load_state_dict(begin.head.members[0].state_dict())
    cancer_weight = censoring_weights(problem.outcomes)
    sampling = _sampling(problem, recipe)
    common = {
        "outcomes": problem.outcomes,
        "censoring_weight": cancer_weight,
        "sampling": sampling,
        "options": options,
        "seed": recipe.seed,
    }
    losses: list[dict[str, float]] = []
    if encoder is not None and not recipe.encoder.frozen:
        assert inputs.exams is not None
        sampler = EpochSampler(
            train, options.batch_size, recipe.seed, _probability(problem, recipe, train)
        )
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
    trained = (begin is not None and keep_head) or (
        encoder is not None and not recipe.encoder.frozen
    )
    heads = [head]
    if options.head_epochs:
        heads, losses = [], []
        for member in range(recipe.head.members):
            one = head
            if member and not trained:
                lightning.seed_everything(recipe.seed + member, verbose=False)
                one = HybridHead(settings)
            elif member or recipe.head.members > 1:
                one = copy.deepcopy(head)
                if begin is not None and keep_head:
                    kept = begin.head.members
                    one.load_state_dict(kept[member % len(kept)].state_dict())
            rows = _bootstrap(problem, recipe, member)
            losses.append(
                _fit_head(
                    one, batch, problem, rows, recipe, common, work / f"head-{member}", progress
                )
            )
            heads.append(one)
    ensemble = HeadEnsemble(heads).eval()
    with torch.no_grad():
        # On women who were not used for training, as far as there are enough.
        held = problem.validation
        rows = held if len(held) >= _ENOUGH_TO_CENTRE else np.concatenate([train, held])
        centre(ensemble, batch.take(torch.from_numpy(rows)), problem.outcomes.weight[rows])
    model = HybridModel(
        recipe=recipe,
        card=card_of(recipe, _ages(problem, begin if keep_head else None)),
        encoder=encoder,
        head=ensemble,
        scalings=scalings,
        guard=_guard(problem, features),
        origin=_origin(problem, features),
        view_sets=_view_sets(ensemble, batch, problem),
        training=_record(problem, recipe, _mean_losses(losses), begin)
        | {"ages": list(_ages(problem, begin if keep_head else None))},
    )
    risk = _raw_risk(model, batch, problem)
    outcome = problem.outcomes.as_record()
    maps = fit_all_horizons(risk, outcome, problem.validation)
    if all(found.method in ("none", "intercept") for found in maps.values()):
        # The validation part shows the shape. The level is known better from all women.
        every = np.concatenate([train, problem.validation])
        maps = fit_all_horizons(risk, outcome, every, "intercept")
    model.recalibration = {
        int(year): found for year, found in maps.items() if found.method != "none"
    }
    return model


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


def _mean_losses(losses: list[dict[str, float]]) -> dict[str, float]:
    if not losses:
        return {}
    return {name: float(np.mean([one[name] for one in losses])) for name in losses[0]}


def _view_sets(heads: HeadEnsemble, batch: Batch, problem: Problem) -> ViewSets | None:
    """Compare the risk from every set of views with that from all views, in validation."""
    if not heads.settings.n_features:
        return None
    there = view_set(batch.mask).numpy()
    own = there[problem.train][there[problem.train] > 0]
    frequent = np.bincount(own, minlength=VIEW_SETS) >= _FREQUENT * max(len(own), 1)
    common = tuple(int(views) for views in np.flatnonzero(frequent) if views)
    rows = problem.validation[there[problem.validation] == ALL_VIEWS]
    risks: dict[int, NDArray[np.float64]] = {}
    if len(rows) < _FEWEST_COMPLETE:
        return ViewSets(usable=common, agreement={})
    some = batch.take(torch.from_numpy(rows))
    with torch.no_grad():
        for views in range(1, VIEW_SETS):
            risks[views] = _five_year_risk(heads, with_views(some, views))
    weight = problem.outcomes.weight[rows].double().numpy()
    return ViewSets.measure(risks, risks.pop(ALL_VIEWS), weight, common)


def _five_year_risk(heads: HeadEnsemble, batch: Batch) -> NDArray[np.float64]:
    death = heads.log_death_hazard(batch)
    risk = cumulative_risk(heads(batch).double(), None if death is None else death.double())
    return np.asarray(risk.numpy()[:, -1])


def _head_settings(
    recipe: Recipe, encoder: Any, batch: Batch, scalings: dict[str, Scaling]
) -> HeadSettings:
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
        lowest_weights=(
            lowest_weights(scalings["questionnaire"]) if "questionnaire" in used else ()
        ),
    )


def _steps(batches: int, accumulate: int, epochs: int) -> int:
    return -(-batches // accumulate) * epochs


def _probability(problem: Problem, recipe: Recipe, rows: Rows) -> NDArray[np.float64] | None:
    """Probabilities of drawing training rows, so that half of the draws are women with cancer."""
    if not recipe.training.balanced:
        return None
    event = (problem.outcomes.event[rows] == 1).numpy()
    return np.asarray(np.where(event, 0.5 / event.sum(), 0.5 / (~event).sum()))


def _sampling(problem: Problem, recipe: Recipe) -> Tensor:
    """Weights that correct for the probabilities of drawing in the loss, by row of the cohort."""
    sampling = torch.ones(len(problem.inputs))
    probability = _probability(problem, recipe, problem.train)
    if probability is not None:
        sampling[problem.train] = torch.from_numpy(1 / (probability * len(probability))).float()
    return sampling


def _fit_head(
    head: HybridHead,
    batch: Batch,
    problem: Problem,
    rows: Rows,
    recipe: Recipe,
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
    sampler = EpochSampler(rows, size, recipe.seed + 1, _probability(problem, recipe, rows))
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
        folder=work,
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
