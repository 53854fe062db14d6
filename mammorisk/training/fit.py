"""fit(): from a cohort and a recipe to a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk.clinical.anchor import Anchor
from mammorisk.errors import TrainingError
from mammorisk.files import write_whole
from mammorisk.hybrid_model import HybridModel, encode, guard_features
from mammorisk.inputs.batches import Inputs, fit_scalings, gather_inputs, make_batch
from mammorisk.inputs.exam_set import ExamSet, load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.mirai.mirai_model import MiraiModel
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.recipe import Recipe, load_recipe
from mammorisk.runtime.torch_encoder import torch_encoder
from mammorisk.training.card import card_of
from mammorisk.training.density_fit import DensityFit, fit_density
from mammorisk.training.mirai_fit import fit_mirai
from mammorisk.training.module import FitModule
from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import Outcomes, read_outcomes
from mammorisk.training.recalibrate import fit_all_horizons
from mammorisk.training.splits import split_rows
from mammorisk.training.trainer import EpochSampler, run_stage
from mammorisk.training.uncertainty import weight_covariance
from mammorisk.training.work_folder import WorkFolder

if TYPE_CHECKING:
    from mammorisk.cohort import Cohort

Rows = NDArray[np.int64]

#: Cancers in training under which a fit is refused.
FEWEST_CANCERS = 5
#: Epochs without improvement after which the training of a head stops.
_HEAD_PATIENCE = 5
#: Prior precision of a weight of the last layer.
_RIDGE = 4.0


def fit(
    cohort: Cohort,
    recipe: str | Path | Recipe = "hybrid",
    *,
    init: str | Path | HybridModel | MiraiModel | None = None,
    fresh_head: bool = False,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    exams: ExamSet | None = None,
    progress: bool = False,
    devices: str | int = "auto",
    strategy: str = "auto",
    accelerator: str = "auto",
    **changes: Any,
) -> HybridModel | DensityFit | MiraiModel:
    """Fit a model to a cohort, or fine-tune one.

    Parameters
    ----------
    cohort : Cohort
        With outcomes (``time``, ``event``; ``weight`` and ``entry`` where there are) and images
        where the recipe uses them.
    recipe : str, path or Recipe
        A name of :func:`~mammorisk.recipe.recipes`, or a YAML file. With ``init`` the
        model's own recipe, with the changes.
    init : str, path, HybridModel or MiraiModel, optional
        A saved network to begin from: its encoder, head and scalings. From ``"mirai"`` the
        transformer is fitted further, and the encoder where ``mirai__encoder_epochs`` says so.
    fresh_head : bool
        With ``init``: take its encoder only.
    out : path, optional
        Folder of the model. Checkpoints and logs lie beside it (``<out>.work``) until the fit is
        done: after a kill the same call goes on from the last epoch.
    cache : path, optional
        Folder for standardised images, shared by any number of runs.
    exams : ExamSet, optional
        The cohort's exams, read before.
    progress : bool
        Show progress bars.
    devices, strategy, accelerator
        As Lightning's Trainer takes them, for several GPUs or nodes.
    **changes
        Fields of the recipe, nested ones by double underscores: ``training__epochs=3``.

    Returns
    -------
    HybridModel
        Or :class:`~mammorisk.training.density_fit.DensityFit` or
        :class:`~mammorisk.mirai.mirai_model.MiraiModel` for the recipes of those names.

    Raises
    ------
    RecipeError
    TrainingError
        No outcomes, too few cancers, a split without cancers, too many unreadable exams, or a
        loss that is no number.
    OutputError
        ``out`` cannot be written.
    """
    begin = _initial(init)
    if isinstance(begin, MiraiModel):
        # From given weights the encoder stays as it is, unless epochs are asked for.
        changes = {"mirai__encoder_epochs": 0, **changes}
        changes |= {"mirai__rows": begin.rows, "mirai__columns": begin.columns}
        chosen = load_recipe("mirai" if recipe == "hybrid" else recipe, **changes)
        if chosen.kind != "mirai":
            raise TrainingError(f"{begin.name} is not the beginning of a {chosen.name}")
    else:
        chosen = load_recipe(begin.recipe if begin is not None else recipe, **changes)
    if chosen.kind == "density-fit":
        fitted = fit_density(cohort, chosen)
        if out is not None:
            fitted.save(out)
        return fitted
    if chosen.kind == "mirai":
        assert begin is None or isinstance(begin, MiraiModel)
        place = {"devices": devices, "strategy": strategy, "accelerator": accelerator}
        views = None if cache is None else Path(cache)
        with WorkFolder(out, chosen, cohort) as work, _bar(len(cohort), progress) as tell:
            mirai = fit_mirai(
                cohort,
                chosen,
                begin,
                work,
                cache=views,
                progress=progress,
                place=place,
                on_exam=tell,
            )
        if out is not None:
            mirai.save(out)
        return mirai
    assert not isinstance(begin, MiraiModel)
    if exams is None and "image" in chosen.modalities:
        exams = read_exams(cohort, chosen, cache, progress)
    problem = _prepare(cohort, chosen, exams, begin)
    with WorkFolder(out, chosen, cohort) as work:
        model = _fit(
            problem,
            chosen,
            begin,
            work,
            progress,
            {"devices": devices, "strategy": strategy, "accelerator": accelerator},
            fresh_head,
        )
    if out is not None:
        model.save(out)
    return model


def read_exams(
    cohort: Cohort,
    recipe: Recipe,
    cache: str | Path | None = None,
    progress: bool = False,
) -> ExamSet:
    """Read a cohort's exams as a recipe wants them.

    Raises
    ------
    TrainingError
        The cohort has no images, or more than ``unreadable_share`` cannot be read.
    """
    if cohort.open_exam is None:
        raise TrainingError(
            f"the recipe {recipe.name} needs images, and the cohort has none",
            remedy="Add the column path to the manifest, or choose clinical-only.",
        )
    keep = ImageCache(folder=None if cache is None else Path(cache), settings=recipe.image)
    prior = cohort.open_prior if recipe.priors else None
    with _bar(len(cohort), progress) as tell:
        exams = load_exams(
            range(len(cohort)), cohort.open_exam, keep, open_prior=prior, on_exam=tell
        )
    unread = [i for i, error in enumerate(exams.errors) if error]
    if len(unread) > recipe.training.unreadable_share * len(exams):
        names = cohort.exams["exam_id"].astype(str).iloc[unread[:5]].tolist()
        raise TrainingError(
            f"{len(unread)} of {len(exams)} exams cannot be read, among them rows {unread[:5]} "
            f"({exams.errors[unread[0]]})",
            where=", ".join(names),
            remedy="Repair or leave out these rows, or raise training.unreadable_share.",
        )
    return exams


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """Everything a fit needs, in rows that can be used."""

    inputs: Inputs
    outcomes: Outcomes
    train: Rows
    validation: Rows
    cohort: pd.DataFrame


def _initial(
    init: str | Path | HybridModel | MiraiModel | None,
) -> HybridModel | MiraiModel | None:
    if init is None or isinstance(init, (HybridModel, MiraiModel)):
        return init
    from mammorisk.model import load_model

    model = load_model(init)
    if not isinstance(model, (HybridModel, MiraiModel)):
        raise TrainingError(f"{model.name} is not a network to begin from")
    return model


def _prepare(
    cohort: Cohort, recipe: Recipe, exams: ExamSet | None, begin: HybridModel | None
) -> _Problem:
    outcomes = read_outcomes(cohort.exams)
    anchor = None if recipe.anchor is None else Anchor(**recipe.anchor.model_dump())
    inputs = gather_inputs(cohort.questionnaires, exams, anchor)
    train, validation = split_rows(
        cohort.exams,
        by=recipe.training.split_by,
        share=recipe.training.validation_share,
        seed=recipe.seed,
    )
    usable = np.isfinite(inputs.frame["age"].to_numpy()) & (outcomes.weight.numpy() > 0)
    usable &= outcomes.time.numpy() > outcomes.entry.numpy()
    if inputs.anchor is not None:
        usable &= np.isfinite(inputs.anchor.cumulative_hazard).all(axis=1)
    if exams is not None and recipe.modalities == ("image",):
        usable &= exams.present.any(axis=1)
    train, validation = train[usable[train]], validation[usable[validation]]
    event = ((outcomes.event == 1) & (outcomes.time <= 5)).numpy()
    for name, rows, least in (("training", train, FEWEST_CANCERS), ("validation", validation, 1)):
        cancers = int(event[rows].sum())
        if cancers < least:
            raise TrainingError(
                f"{cancers} cancers within five years in {name}: too few to fit a model",
                remedy="Use more data, another split, or model.recalibrate with an intercept.",
            )
        if cancers == len(rows):
            raise TrainingError(
                f"every woman in {name} has cancer",
                remedy="Add women without, with weights for how they were sampled.",
            )
    return _Problem(
        inputs=inputs,
        outcomes=outcomes,
        train=train,
        validation=validation,
        cohort=cohort.exams,
    )


def _fit(
    problem: _Problem,
    recipe: Recipe,
    begin: HybridModel | None,
    work: Path,
    progress: bool,
    place: dict[str, Any],
    fresh_head: bool,
) -> HybridModel:
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
    train_rows = torch.from_numpy(train)
    covariance = weight_covariance(
        head,
        batch.take(train_rows),
        problem.outcomes.take(train_rows),
        loss=options.loss,
        ridge=_RIDGE,
    )
    model = HybridModel(
        recipe=recipe,
        card=card_of(recipe),
        encoder=encoder,
        head=head,
        scalings=scalings,
        guard=_guard(problem, features),
        covariance=covariance,
        training=_record(problem, recipe, losses, begin),
    )
    model.recalibration = fit_all_horizons(
        _raw_risk(model, batch, problem), problem.outcomes, problem.validation
    )
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
        anchored=recipe.anchor is not None,
        competing_death=recipe.head.competing_death,
    )


def _steps(batches: int, accumulate: int, epochs: int) -> int:
    return -(-batches // accumulate) * epochs


def _sampling(problem: _Problem, recipe: Recipe) -> tuple[NDArray[np.float64] | None, Tensor]:
    """Probabilities of drawing training rows, and what makes up for them in the loss."""
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
    problem: _Problem,
    recipe: Recipe,
    probability: NDArray[np.float64] | None,
    common: dict[str, Any],
    work: Path,
    progress: bool,
) -> dict[str, float]:
    """Train the head on features made before: seconds, so always on this machine's processor.

    It has many weights for the few women of most cohorts: the epoch of lowest validation loss is
    kept, and the head as it came if none is lower.
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
    """Features of the views, computed once even if the fit is killed afterwards."""
    from safetensors.torch import load_file, save_file

    if file.exists():
        return load_file(file)["features"]
    features = make()
    write_whole(file, lambda path: save_file({"features": features.contiguous()}, path))
    return features


def _guard(problem: _Problem, features: Tensor | None) -> Any:
    from mammorisk.domain_guard import DomainGuard

    exams = problem.inputs.exams
    if features is None or exams is None:
        return None
    seen = guard_features(exams, features)
    there = np.asarray(exams.present.any(axis=1))
    parts = [seen[rows[there[rows]]] for rows in (problem.train, problem.validation)]
    if min(len(part) for part in parts) < 20:
        # Too few exams to know a domain: the guard would be a guess.
        return None
    return DomainGuard.fit(*parts)


def _raw_risk(model: HybridModel, batch: Batch, problem: _Problem) -> NDArray[np.float64]:
    from mammorisk.networks.hazards import cumulative_risk

    with torch.no_grad():
        death = model.head.log_death_hazard(batch)
        risk = cumulative_risk(
            model.head(batch).double(), None if death is None else death.double()
        )
    return risk.numpy()


def _record(
    problem: _Problem, recipe: Recipe, losses: dict[str, float], begin: HybridModel | None
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
                counts = table[name].iloc[rows].astype(str).value_counts()
                out[name] = {str(k): int(v) for k, v in counts.items()}
        return out

    return {
        "train": told(problem.train),
        "validation": told(problem.validation),
        "seed": recipe.seed,
        "begun_from": None if begin is None else begin.card.name,
        **losses,
    }


class _bar:
    """Progress of reading exams."""

    def __init__(self, total: int, show: bool) -> None:
        self.total, self.show = total, show

    def __enter__(self) -> Callable[[int, int], None] | None:
        if not self.show:
            return None
        from rich.progress import Progress

        self.progress = Progress().__enter__()
        task = self.progress.add_task("reading exams", total=self.total)
        return lambda done, total: self.progress.update(task, completed=done)

    def __exit__(self, *error: object) -> None:
        if self.show:
            self.progress.stop()
