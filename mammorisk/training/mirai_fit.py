"""Fit of Mirai: both phases, or starting from given weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.special import expit
from torch import Tensor

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.progress import progress_bar
from mammorisk._utils.typing import Rows
from mammorisk.errors import TrainingError
from mammorisk.networks.mirai import (
    ENCODER_WIDTH,
    Exams,
    MiraiEncoder,
    MiraiSettings,
    MiraiTransformer,
)
from mammorisk.networks.mirai_merged import MergedEncoder
from mammorisk.records.exam import STANDARD_VIEWS
from mammorisk.risk_models.mirai.card import CARD
from mammorisk.risk_models.mirai.model import MiraiModel, places
from mammorisk.risk_models.mirai.risk_factors import risk_factors
from mammorisk.risk_models.recipe import MiraiOptions, Recipe
from mammorisk.runtime.backend import Runner, choose_backend
from mammorisk.training.exam_steps import DrawnRows, EpochSampler
from mammorisk.training.exclusions import Exclusions
from mammorisk.training.mirai_calibration import fit_calibration
from mammorisk.training.mirai_labels import MiraiLabels, mirai_labels
from mammorisk.training.mirai_modules import VIEWS, EncoderPhase, Phase, TransformerPhase
from mammorisk.training.mirai_views import MiraiViews, read_mirai_views
from mammorisk.training.outcomes import read_outcomes
from mammorisk.training.problem import check_cancers
from mammorisk.training.splits import split_rows
from mammorisk.training.trainer import StageOptions, run_stage

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Number of exams whose features are stored in one file.
_EXAMS_A_FILE = 64


def fit_mirai(
    cohort: Cohort,
    recipe: Recipe,
    begin: MiraiModel | None,
    work: Path,
    *,
    cache: Path | None,
    stage: StageOptions,
    check_exams: Callable[[str], None] = lambda digest: None,
) -> MiraiModel:
    """Fit encoder and transformer to a cohort.

    Parameters
    ----------
    cohort : Cohort
        Cohort with outcomes and images. With a column ``cancer_laterality`` (L, R) each breast has
        its own label in phase 1. Without it both breasts have the label of the woman.
    recipe : Recipe
        Recipe of the kind ``"mirai"``.
    begin : MiraiModel, optional
        Initial weights.
    work : Path
        Folder of checkpoints and logs, from which an interrupted call continues.
    cache : Path, optional
        Folder for views, shared by any number of runs.
    stage : StageOptions
    check_exams : callable, optional
        Called with the digest of the views that were read. It refuses other views than those with
        which an unfinished fit in ``work`` began.

    Raises
    ------
    TrainingError
        There are too few cancers, unreadable exams, or fewer than two devices for the adversary.
    OutputError
        ``work`` has an unfinished fit of other images.
    """
    options = recipe.mirai
    assert options is not None
    lightning.seed_everything(recipe.seed, verbose=False)
    # Faults are found before images are read, which can take hours.
    read_outcomes(cohort.exams)
    with progress_bar("exams read", len(cohort), show=stage.progress) as tell:
        views = read_mirai_views(
            cohort,
            cache if cache is not None else work / "views",
            (options.rows, options.columns),
            unreadable_share=recipe.training.unreadable_share,
            on_exam=tell,
        )
    check_exams(views.digest())
    left_out = Exclusions(len(cohort))
    left_out.add_rows_of(cohort)
    left_out.add_men(views.male)
    left_out.add(~views.usable, "the exam cannot be read, or lacks a standard view")
    outcomes = read_outcomes(cohort.exams, left_out.rows)
    left_out.add(outcomes.weight.numpy() <= 0, "weight 0")
    weight = np.where(left_out.rows, 0.0, outcomes.weight.double().numpy())
    time, event = outcomes.time.double().numpy(), outcomes.event.numpy()
    labels = mirai_labels(time, event, weight)
    train, validation = split_rows(
        cohort.exams,
        by=recipe.training.split_by,
        share=recipe.training.validation_share,
        seed=recipe.seed,
    )
    left_out.add(~labels.usable, "no completed year of follow-up")
    usable = ~left_out.rows
    train, validation = train[usable[train]], validation[usable[validation]]
    for name, rows in (("training", train), ("validation", validation)):
        check_cancers(name, _cases(labels, rows), len(rows))
    values, is_known = risk_factors(cohort.questionnaires)
    run = _Run(
        recipe=recipe,
        options=options,
        train=train,
        validation=validation,
        factors=(torch.from_numpy(values), torch.from_numpy(is_known)),
        work=work,
        stage=stage,
        excluded=left_out.counts,
    )
    encoder = _encoder(options, begin)
    if options.encoder_epochs:
        by_side = _labels_by_side(cohort, labels, time, event, weight)
        encoder = _fit_encoder(run, encoder, views, by_side)
    encoder.eval()
    with progress_bar("exams encoded", len(cohort), show=stage.progress) as tell:
        features = _kept_features(work / "features", encoder, views, tell)
    transformer = _fit_transformer(run, begin, features, views, labels)
    model = MiraiModel(
        encoder=encoder.to(memory_format=torch.channels_last),
        transformer=transformer.eval(),
        card=replace(
            CARD,
            title="Mirai's network, fitted to a local cohort"
            if begin is None
            else f"{begin.card.title}, fine-tuned on a local cohort",
            training_data=f"{len(train):,} exams, {_cases(labels, train):,} with cancer within "
            f"five years, of a local cohort; initial weights: "
            f"{'random or ImageNet weights' if begin is None else begin.card.training_data}",
            source="mammorisk recipe mirai; Yala 2021, doi:10.1126/scitranslmed.aba4373",
        ),
        rows=options.rows,
        columns=options.columns,
        record={
            "training": {
                "train_exams": len(train),
                "validation_exams": len(validation),
                "train_cancers": _cases(labels, train),
                "excluded": run.excluded,
                "recipe": recipe.model_dump(mode="json"),
            }
        },
    )
    logits = model.logits(features.numpy()[validation], cohort.questionnaires.iloc[validation])
    held = outcomes.take(torch.from_numpy(validation))
    return replace(model, calibration=fit_calibration(expit(logits), held))


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Data and options of both phases.

    Attributes
    ----------
    recipe : Recipe
    options : MiraiOptions
    train, validation : ndarray of int
        Rows of exams.
    factors : tuple of Tensor
        Risk factors of every exam, and a mask of the known ones.
    work : Path
    stage : StageOptions
    excluded : dict of str to int
        Number of excluded exams by reason.
    """

    recipe: Recipe
    options: MiraiOptions
    train: Rows
    validation: Rows
    factors: tuple[Tensor, Tensor]
    work: Path
    stage: StageOptions
    excluded: dict[str, int]

    @property
    def common(self) -> dict[str, Any]:
        """Arguments of every phase."""
        return {"factors": self.factors, "options": self.options, "seed": self.recipe.seed}

    def fit(
        self, name: str, phase: Phase, rows: Rows, held: Rows, *, epochs: int, batch_size: int
    ) -> None:
        """Run a phase on mini-batches with equal numbers of exams with and without cancer."""
        balance = phase.labels.balance.double().numpy()[rows]
        run_stage(
            phase,
            EpochSampler(rows, batch_size, self.recipe.seed, balance / balance.sum()),
            EpochSampler(held, 4 * batch_size, seed=0),
            (DrawnRows(), DrawnRows()),
            epochs=epochs,
            options=self.recipe.training.model_copy(update={"batch_size": batch_size}),
            folder=self.work / name,
            # Phases read their views themselves.
            stage=replace(self.stage, workers=0),
            name=f"{'views' if name == 'encoder' else 'exams'}, {name}",
        )


def _cases(labels: MiraiLabels, rows: Rows) -> int:
    return int(labels.cancer[torch.from_numpy(rows)].any(dim=1).sum())


def _encoder(options: MiraiOptions, begin: MiraiModel | None) -> MiraiEncoder:
    encoder = MiraiEncoder()
    if begin is not None:
        encoder.load_state_dict(begin.encoder.state_dict())
    elif options.pretrained:
        encoder.load_trunk(_published_resnet18())
    return encoder


def _published_resnet18() -> dict[str, torch.Tensor]:
    from torchvision.models import ResNet18_Weights, resnet18

    try:
        trunk: torch.nn.Module = resnet18(weights=ResNet18_Weights.IMAGENET1K_V1)
    # Network errors are OSErrors; a file with a wrong hash is a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"ImageNet weights of ResNet-18 cannot be loaded ({type(error).__name__})",
            remedy="Check the network connection, start from a model with init=, or pass "
            "mirai__pretrained=False.",
        ) from error
    return trunk.state_dict()


def _labels_by_side(
    cohort: Cohort,
    labels: MiraiLabels,
    time: NDArray[np.float64],
    event: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> dict[str, MiraiLabels]:
    """Labels of the breast of each side."""
    if "cancer_laterality" not in cohort.exams.columns:
        return {"L": labels, "R": labels}
    side = cohort.exams["cancer_laterality"].astype(str).str.strip().str.upper().str[:1].to_numpy()
    return {
        # The follow-up of the other breast ends at the cancer of this one.
        name: mirai_labels(time, np.where((event == 1) & (side == other), 0, event), weight)
        for name, other in (("L", "R"), ("R", "L"))
    }


def _fit_encoder(
    run: _Run, encoder: MiraiEncoder, views: MiraiViews, by_side: dict[str, MiraiLabels]
) -> MiraiEncoder:
    options = run.options
    sides = [name[0] for name in STANDARD_VIEWS]

    def spread(name: str) -> Tensor:
        """Repeat the rows of exams for their views."""
        parts = [getattr(by_side[side], name) for side in sides]
        return torch.stack(parts, dim=1).flatten(0, 1)

    labels = MiraiLabels(
        cancer=spread("cancer"), known=spread("known"), balance=spread("balance") / VIEWS
    )
    rows, held = (
        (part[:, None] * VIEWS + np.arange(VIEWS)).ravel() for part in (run.train, run.validation)
    )
    kept = labels.usable
    phase = EncoderPhase(
        encoder, views, labels=labels, learning_rate=options.encoder_learning_rate, **run.common
    )
    run.fit(
        "encoder",
        phase,
        rows[kept[rows]],
        held[kept[held]],
        epochs=options.encoder_epochs,
        batch_size=options.encoder_batch_size,
    )
    return phase.encoder


def _kept_features(
    folder: Path,
    encoder: MiraiEncoder,
    views: MiraiViews,
    on_exam: Callable[[int, int], None] | None,
) -> Tensor:
    """Features of every view, shape (n, 4, 512); 0 for an exam that was not read.

    They are computed once and stored in files of some exams each, after which an interrupted run
    continues.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The fastest backend for predictions, in full precision.
    run = Runner(MergedEncoder(encoder), choose_backend("auto", encoder, may_reduce=False))
    total, parts = len(views.files), []
    for first in range(0, total, _EXAMS_A_FILE):
        rows = range(first, min(first + _EXAMS_A_FILE, total))
        file = folder / f"{first:09d}.safetensors"
        if not file.is_file():
            some = torch.zeros(len(rows), VIEWS, ENCODER_WIDTH)
            for place, row in enumerate(rows):
                for view in range(VIEWS if views.usable[row] else 0):
                    found = run(views.pixels(row, view)[None, None])
                    some[place, view] = torch.from_numpy(found[0])
                if on_exam is not None:
                    on_exam(row + 1, total)
            atomic_write(file, partial(save_file, {"features": some}))
        parts.append(load_file(file)["features"])
    return torch.cat(parts)


def _fit_transformer(
    run: _Run, begin: MiraiModel | None, features: Tensor, views: MiraiViews, labels: MiraiLabels
) -> MiraiTransformer:
    options = run.options
    if begin is not None:
        # All else of the settings is that of the initial model.
        settings = replace(begin.transformer.settings, dropout=options.dropout)
        transformer = MiraiTransformer(settings)
        transformer.load_state_dict(begin.transformer.state_dict())
    else:
        transformer = MiraiTransformer(
            MiraiSettings(
                width=options.width,
                heads=options.heads,
                layers=options.layers,
                pool=options.pool,
                dropout=options.dropout,
            )
        )
    view, side, time = places(len(features))
    phase = TransformerPhase(
        transformer,
        Exams(features=features, view=view, side=side, time=time),
        _devices(views, run.train) if options.adversary else None,
        labels=labels,
        learning_rate=options.transformer_learning_rate,
        **run.common,
    )
    run.fit(
        "transformer",
        phase,
        run.train,
        run.validation,
        epochs=options.transformer_epochs,
        batch_size=options.transformer_batch_size,
    )
    return phase.transformer


def _devices(views: MiraiViews, train: Rows) -> Tensor:
    """Index of each exam's device among those in training; -1 if not known."""
    names = sorted({name for row in train if (name := views.devices[row]) is not None})
    if len(names) < 2:
        raise TrainingError(
            f"{len(names)} devices in training: the adversary needs at least two",
            remedy="Fit without mirai.adversary.",
        )
    number: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    return torch.tensor([number.get(name, -1) for name in views.devices])
