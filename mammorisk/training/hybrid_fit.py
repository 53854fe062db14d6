"""Fit of the hybrid: encoder and head together, then the heads on the final features."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from mammorisk.errors import TrainingError
from mammorisk.inputs.batches import fit_scalings, lowest_weights, make_batch
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.inputs.scaling import Scaling
from mammorisk.networks.encoders import Pooling, make_encoder
from mammorisk.networks.hazards import YEARS
from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.networks.statistics_pooling import network_of
from mammorisk.risk_models.hybrid.domain_guard import DomainGuard
from mammorisk.risk_models.hybrid.guard_features import guard_features
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.card import card_of
from mammorisk.training.centring import centre
from mammorisk.training.compare_view_sets import compare_view_sets, risk_of
from mammorisk.training.exam_steps import EpochSampler, ExamSteps
from mammorisk.training.features import keep_features
from mammorisk.training.head_fit import drawing_probability, fit_heads, optimizer_steps
from mammorisk.training.memory_estimate import step_bytes, weight_bytes
from mammorisk.training.module import FitData, FitModule
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.part_record import part_record
from mammorisk.training.problem import Problem
from mammorisk.training.processes import process_place
from mammorisk.training.read_exams import held_batch_size
from mammorisk.training.recalibrate import fit_all_horizons
from mammorisk.training.standardization import standardize, standardize_at_start
from mammorisk.training.trainer import StageOptions, run_stage
from mammorisk.training.training_log import shown
from mammorisk.training.training_plot import save_training_plot

#: Number of validation women from which on the heads are centred on them alone.
_ENOUGH_TO_CENTRE = 1000
#: Largest number of exams of training, and of validation, for the domain guard.
_GUARD_EXAMS = 3000


def fit_hybrid(
    problem: Problem,
    recipe: Recipe,
    begin: HybridModel | None,
    work: Path,
    *,
    stage: StageOptions,
    fresh_head: bool,
    pooling: Pooling | None = None,
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
    stage : StageOptions
    fresh_head : bool
        Use only the encoder of ``begin``.
    pooling : {"mean", "statistics"}, optional
        Of the given features. By default that of the recipe.

    Raises
    ------
    TrainingError
        Features are to be standardised, and no exam of the training has images.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    options, inputs, train = recipe.training, problem.inputs, problem.train
    keep_head = begin is not None and not fresh_head
    weight = problem.outcomes.weight.double().numpy()
    scalings = (
        begin.scalings if begin is not None and keep_head else fit_scalings(inputs, train, weight)
    )
    encoder = None
    given = inputs.exams if isinstance(inputs.exams, FeatureSet) else None
    if "image" in recipe.modalities and given is None:
        size = (recipe.image.rows, recipe.image.columns)
        encoder = make_encoder(
            recipe.encoder.name,
            pretrained=recipe.encoder.pretrained and begin is None,
            size=size,
            pooling=recipe.encoder.pooling,
        )
        if begin is not None and begin.encoder is not None:
            network_of(encoder).load_state_dict(network_of(begin.encoder).state_dict())
    batch = make_batch(inputs, None, scalings, modalities=tuple(recipe.modalities))
    n_features = int(encoder.num_features) if encoder is not None else 0  # type: ignore[arg-type]
    n_features = n_features if given is None else given.n_features
    settings = _head_settings(
        recipe, n_features, batch, scalings, pooling or recipe.encoder.pooling
    )
    if begin is not None and keep_head:
        answers_alone = begin.head.settings.answers_alone
        settings = settings.model_copy(update={"answers_alone": answers_alone})
    head = HybridHead(settings)
    if begin is not None and keep_head:
        head.load_state_dict(begin.head.members[0].state_dict())
    fit_scale = settings.standardized and not keep_head
    if fit_scale and not batch.mask[train].any():
        raise TrainingError(
            "no exam of the training has usable images or embeddings, from which statistics "
            "pooling takes the scale of its features",
            remedy="Check the images with mammorisk check, or use a recipe without the modality "
            "image.",
        )
    cancer_weight = censoring_weights(problem.outcomes)
    sampling = _sampling(problem, recipe)
    data = FitData(
        batch=batch,
        outcomes=problem.outcomes,
        percent_density=None if inputs.exams is None else inputs.exams.percent_density,
        censoring_weight=cancer_weight,
        sampling=sampling,
        lines=problem.lines,
    )
    log = pd.DataFrame()
    if encoder is not None and not recipe.encoder.frozen:
        if fit_scale:
            assert inputs.exams is not None
            standardize_at_start(
                head,
                encoder,
                inputs.exams,
                train,
                options.batch_size,
                recipe.encoder.frozen_layers,
            )
            fit_scale = False
        log = _fit_encoder(head, encoder, data, problem, recipe, work / "encoder", stage)
    if (process := process_place()[0]) > 0:
        # Every process goes on alone, with the same results. Only the first one's are kept.
        work = work / f"process-{process}"
        work.mkdir(exist_ok=True)
    features = None
    if given is not None:
        features = torch.from_numpy(given.features)
        batch = replace(batch, features=features)
    elif encoder is not None:
        assert inputs.exams is not None
        encoder.eval()
        with shown(stage.progress) as tell:
            features = keep_features(
                work, encoder, inputs.exams, head.settings.n_features, on_exam=tell
            )
        batch = replace(batch, features=features)
    if fit_scale and features is not None:
        standardize(head, batch, train)
    heads, losses = [head], dict[str, float]()
    if options.head_epochs:
        starts: list[nn.Module] = [head]
        if begin is not None and keep_head:
            # The first one was trained together with the encoder.
            starts += list(begin.head.members)[1:]
        trained = keep_head or (encoder is not None and not recipe.encoder.frozen)
        with_features = replace(data, batch=batch, percent_density=None)
        heads, losses = fit_heads(
            starts, with_features, problem, recipe, work, fresh=not trained, stage=stage
        )
    ensemble = HeadEnsemble(heads).eval()
    with torch.no_grad():
        # On women who were not used for training, as far as there are enough.
        held = problem.validation
        rows = held if len(held) >= _ENOUGH_TO_CENTRE else np.concatenate([train, held])
        centre(ensemble, batch, problem.outcomes.weight, torch.from_numpy(rows))
    model = HybridModel(
        recipe=recipe,
        card=card_of(recipe, _ages(problem, begin if keep_head else None)),
        encoder=encoder,
        head=ensemble,
        scalings=scalings,
        guard=_guard(problem, features),
        origin=_origin(problem, features),
        view_sets=compare_view_sets(ensemble, batch, problem),
        training=_record(problem, recipe, losses, begin)
        | _summary(log)
        | {"ages": list(_ages(problem, begin if keep_head else None))},
    )
    risk = risk_of(model.head, batch)
    outcome = problem.outcomes.as_record()
    maps = fit_all_horizons(risk, outcome, problem.validation)
    if all(found.method in ("none", "intercept") for found in maps.values()):
        # The validation part shows the shape. The level is known better from all women.
        every = np.concatenate([train, problem.validation])
        maps = fit_all_horizons(risk, outcome, every, "intercept")
    model.recalibration = {
        int(year): found for year, found in maps.items() if found.method != "none"
    }
    own = model.recalibration.get(YEARS)
    five = risk[:, -1] if own is None else own.apply(risk[:, -1])
    held = problem.validation
    save_training_plot(work / "training.png", log, outcome.take(held), five[held])
    return model


def _fit_encoder(
    head: HybridHead,
    encoder: nn.Module,
    data: FitData,
    problem: Problem,
    recipe: Recipe,
    work: Path,
    stage: StageOptions,
) -> pd.DataFrame:
    """Train encoder and head together on the images, and return the log of the epochs."""
    exams, options = problem.inputs.exams, recipe.training
    assert exams is not None
    train = EpochSampler(
        problem.train,
        options.batch_size,
        recipe.seed,
        drawing_probability(problem, recipe, problem.train),
    )
    held = EpochSampler(problem.validation, held_batch_size(recipe), seed=0)
    augmentation = recipe.augmentation if options.augment else None
    size = (1, recipe.image.rows, recipe.image.columns)
    module = FitModule(
        head,
        encoder,
        data=data,
        recipe=recipe,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        total_steps=optimizer_steps(len(train), options.accumulate_batches, options.epochs),
    )
    if stage.progress:
        views = exams.tokens * options.batch_size
        step = step_bytes(encoder, (views, *size), options.precision, train=True)
        weights = weight_bytes(encoder, averaged=options.ema_decay > 0)
        sys.stderr.write(
            f"memory: about {step / 1e9:.2f} GB for a batch of {options.batch_size} exams, and "
            f"{weights / 1e9:.2f} GB for weights and optimizer\n"
        )
    run_stage(
        module,
        train,
        held,
        (
            ExamSteps(recipe.seed, exams.pixels, exams.present, augmentation),
            ExamSteps(recipe.seed, exams.pixels, exams.present),
        ),
        epochs=options.epochs,
        options=options,
        folder=work,
        stage=stage,
        name="exams, encoder and head",
        outcome=problem.outcomes.as_record(),
    )
    return pd.read_csv(work / "log.csv")


def _head_settings(
    recipe: Recipe,
    n_features: int,
    batch: Batch,
    scalings: dict[str, Scaling],
    pooling: Pooling,
) -> HeadSettings:
    used = recipe.modalities
    return HeadSettings(
        n_features=n_features,
        n_acquisition=batch.acquisition.shape[-1] if "acquisition" in used else 0,
        n_questionnaire=batch.questionnaire.shape[-1] if "questionnaire" in used else 0,
        width=recipe.head.width,
        dropout=recipe.head.dropout,
        interactions=recipe.head.interactions,
        published_baseline=recipe.baseline is not None,
        competing_death=recipe.head.competing_death,
        standardized=n_features > 0 and pooling == "statistics",
        lowest_weights=(
            lowest_weights(scalings["questionnaire"]) if "questionnaire" in used else ()
        ),
    )


def _sampling(problem: Problem, recipe: Recipe) -> Tensor:
    """Weights that correct for the probabilities of drawing in the loss, by row of the cohort."""
    sampling = torch.ones(len(problem.inputs))
    probability = drawing_probability(problem, recipe, problem.train)
    if probability is not None:
        sampling[problem.train] = torch.from_numpy(1 / (probability * len(probability))).float()
    return sampling


def _guard(problem: Problem, features: Tensor | None) -> DomainGuard | None:
    exams = problem.inputs.exams
    if features is None or exams is None:
        return None
    there = np.asarray(exams.present.any(axis=1))
    parts = [rows[there[rows]] for rows in (problem.train, problem.validation)]
    if min(len(part) for part in parts) < 20:
        # Too few exams to estimate a domain.
        return None
    rng = np.random.default_rng(0)
    seen = []
    for rows in parts:
        if len(rows) > _GUARD_EXAMS:
            rows = np.sort(rng.choice(rows, _GUARD_EXAMS, replace=False))
        seen.append(guard_features(exams.take(rows), features[rows].numpy()))
    return DomainGuard.fit(*seen)


def _origin(problem: Problem, features: Tensor | None) -> TrainingOrigin | None:
    exams = problem.inputs.exams
    # Exams from other sources may have no acquisition records, so no headers to compare with.
    if features is None or exams is None or not exams.acquisitions:
        return None
    return TrainingOrigin.of(exams, problem.train.tolist())


def _ages(problem: Problem, begin: HybridModel | None) -> tuple[float, float]:
    """Range of ages in years, of this cohort and of the model whose head was kept."""
    low, high = problem.ages
    if begin is None or begin.ages_seen is None:
        return low, high
    return min(low, begin.ages_seen[0]), max(high, begin.ages_seen[1])


def _summary(log: pd.DataFrame) -> dict[str, Any]:
    """What the training of the encoder gave, for the record."""
    if log.empty:
        return {}
    best = log.iloc[int(log["validation_loss"].to_numpy(float).argmin())]
    told = {
        "lowest_validation_loss": best["validation_loss"],
        "c_index_there": best["c_index"],
        "seconds": log["seconds"].sum(),
        "exams_per_second": log["exams_per_second"].mean(),
    }
    rounded = {name: float(f"{value:.4g}") for name, value in told.items()}
    known = {name: value if np.isfinite(value) else None for name, value in rounded.items()}
    return {"encoder": {"epochs": len(log), "lowest_at_epoch": int(best["epoch"]), **known}}


def _record(
    problem: Problem, recipe: Recipe, losses: dict[str, float], begin: HybridModel | None
) -> dict[str, Any]:
    table, outcomes = problem.cohort, problem.outcomes
    return {
        "train": part_record(table, problem.train, outcomes),
        "validation": part_record(table, problem.validation, outcomes),
        "excluded": problem.excluded,
        "seed": recipe.seed,
        "begun_from": None if begin is None else begin.card.name,
        **losses,
    }
