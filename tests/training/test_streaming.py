"""Training from disk: the same weights with workers, after interruptions, and in two processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from mammorisk.errors import MammoriskError, MissingDependency, OutputError, TrainingError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.standard_exam import to_float
from mammorisk.inputs.stored_pixels import StoredPixels
from mammorisk.networks.encoders import Compact, make_encoder
from mammorisk.networks.layer_groups import layer_groups
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.augment_options import AugmentOptions
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import TrainingOptions
from mammorisk.training import exam_steps
from mammorisk.training.augment import augment_view, drop_views
from mammorisk.training.exam_steps import Draw, EpochSampler, ExamSteps, Step, make_loader
from mammorisk.training.fit import fit
from mammorisk.training.loggers import make_loggers
from mammorisk.training.module import FitModule, freeze_layers
from mammorisk.training.optimizer import make_schedule, parameter_groups
from mammorisk.training.read_exams import read_exams
from mammorisk.training.work_folder import WorkFolder
from tests.training.conftest import tiny


def weights(model: object) -> dict[str, torch.Tensor]:
    assert isinstance(model, HybridModel)
    assert model.encoder is not None
    return {**model.head.state_dict(), **model.encoder.state_dict()}


def assert_same(one: object, other: object) -> None:
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(other)[name], value, rtol=0, atol=0)


@pytest.fixture(scope="module")
def streamed(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> ExamSet:
    exams = read_exams(cohort, tiny(), tmp_path_factory.mktemp("cache"), workers=1)
    assert isinstance(exams.pixels, StoredPixels)
    return exams


#: Everything with a state of its own: averaged weights, accumulation, early stopping, view dropout.
STATEFUL = {
    "training__batch_size": 14,
    "training__ema_decay": 0.8,
    "training__accumulate_batches": 2,
    "training__patience": 2,
    "training__schedule": "cosine",
    "augmentation__view_dropout": 0.2,
    "augmentation__noise_sd": 0.05,
}


@pytest.fixture(scope="module")
def whole(cohort: Cohort, exams: ExamSet) -> object:
    return fit(cohort, tiny(**STATEFUL), exams=exams, workers=0)


def killer(at: int, where: str) -> Callable[..., Any]:
    """A step of the module that stops like a killed process at its n-th call with an encoder."""
    step, calls = getattr(FitModule, where), [0]

    def stop(self: FitModule, batch: object, index: int) -> Any:
        calls[0] += self.encoder is not None
        if self.encoder is not None and calls[0] == at:
            raise RuntimeError("killed")
        return step(self, batch, index)

    return stop


# There are 5 batches of 14 an epoch; the last one is a step of the optimizer of its own.
@pytest.mark.parametrize(
    ("where", "at"), [("training_step", 4), ("validation_step", 1), ("training_step", 8)]
)
def test_killed_anywhere_it_ends_with_the_same_weights(
    tmp_path: Path,
    cohort: Cohort,
    streamed: ExamSet,
    whole: object,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    at: int,
) -> None:
    recipe, out = tiny(**STATEFUL), tmp_path / "model"
    with monkeypatch.context() as broken:
        broken.setattr(FitModule, where, killer(at, where))
        with pytest.raises(RuntimeError, match="killed"):
            fit(cohort, recipe, exams=streamed, out=out, checkpoint_minutes=0)
    checkpoint = tmp_path / "model.work" / "encoder" / "last.ckpt"
    position = torch.load(checkpoint, weights_only=True)["mammorisk"]
    expected = {("training_step", 4): (0, 2), ("validation_step", 1): (0, 4)}
    assert (position["epoch"], position["batches"]) == expected.get((where, at), (1, 2))
    if at == 4:
        with pytest.raises(OutputError, match="another recipe"):
            fit(cohort, tiny(), exams=streamed, out=out)
        changed = replace(cohort, exams=cohort.exams.assign(time=cohort.exams["time"] + 0.5))
        with pytest.raises(OutputError, match="another recipe or cohort"):
            fit(changed, recipe, exams=streamed, out=out)
    resumed = fit(cohort, recipe, exams=streamed, out=out, workers=1)
    assert_same(whole, resumed)
    kept = sorted(str(f.relative_to(out.with_name("model.work"))) for f in work_files(out))
    assert kept == ["encoder/log.csv", "head-0/log.csv", "run.json", "training.png"]
    log = pd.read_csv(tmp_path / "model.work" / "encoder" / "log.csv")
    assert log["epoch"].tolist() == [1, 2]
    assert log[["loss", "validation_loss", "c_index", "learning_rate head"]].notna().all(axis=None)


def work_files(out: Path) -> list[Path]:
    return [file for file in out.with_name(f"{out.name}.work").rglob("*") if file.is_file()]


def test_a_checkpoint_of_another_fit_is_refused(
    tmp_path: Path, cohort: Cohort, exams: ExamSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = tmp_path / "model", tmp_path / "other"
    for folder, recipe in ((out, tiny()), (other, tiny(seed=2))):
        with monkeypatch.context() as broken:
            broken.setattr(FitModule, "training_step", killer(3, "training_step"))
            with pytest.raises(RuntimeError, match="killed"):
                fit(cohort, recipe, exams=exams, out=folder, checkpoint_minutes=0)
    # Its note says that the folder is of the same fit, but the checkpoint is of another one.
    shutil.copy(tmp_path / "other.work" / "run.json", tmp_path / "model.work" / "run.json")
    with pytest.raises(OutputError, match="checkpoint belongs to a fit of another"):
        fit(cohort, tiny(seed=2), exams=exams, out=out)


def test_an_unfinished_fit_does_not_go_on_with_other_inputs(
    tmp_path: Path, cohort: Cohort, exams: ExamSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    with monkeypatch.context() as broken:
        broken.setattr(FitModule, "training_step", killer(3, "training_step"))
        with pytest.raises(RuntimeError, match="killed"):
            fit(cohort, tiny(), exams=exams, out=out, checkpoint_minutes=0)
    older = replace(cohort, exams=cohort.exams.assign(age=cohort.exams["age"] + 1))
    brighter = replace(exams, pixels=exams.pixels + 1)
    for other, arguments in (
        (older, {"exams": exams}),
        (cohort, {"exams": brighter}),
        (cohort, {}),
    ):
        with pytest.raises(OutputError, match="of other inputs"):
            fit(other, tiny(), out=out, **arguments)


def test_an_unfinished_fit_does_not_go_on_with_other_images(tmp_path: Path, cohort: Cohort) -> None:
    made = WorkFolder(tmp_path / "model", tiny(), cohort)
    # A fit that is killed never leaves its folder.
    made.__enter__()
    made.check_exams("first")
    with made:
        made.check_exams("first")
        with pytest.raises(OutputError, match="of other images"):
            made.check_exams("second")
    # A fit that is done begins anew.
    with made:
        made.check_exams("second")


def test_the_steps_of_an_epoch_do_not_depend_on_workers_or_on_where_it_starts(
    streamed: ExamSet,
) -> None:
    augmentation = AugmentOptions(view_dropout=0.3, noise_sd=0.1, jpeg_share=0.5, cut_out_share=0.5)
    steps = ExamSteps(3, streamed.pixels, streamed.present, augmentation)

    def run(workers: int, begin: int) -> list[Step]:
        sampler = EpochSampler(np.arange(12), 5, 3)
        sampler.resume(4, begin)
        return list(make_loader(steps, sampler, workers))

    alone, spread, late = run(0, 0), run(2, 0), run(0, 1)
    assert [step.size for step in alone] == [5, 5, 2]
    assert sorted(torch.cat([step.rows for step in alone]).tolist()) == list(range(12))
    for one, others in zip(alone, zip(spread, [None, *late], strict=True), strict=True):
        for other in others:
            if other is not None:
                for name in ("rows", "draws", "mask", "pixels"):
                    assert torch.equal(getattr(one, name), getattr(other, name))
    assert not all(step.mask.all() for step in alone if step.mask is not None)
    other_epoch = steps[replace_epoch(next(iter(EpochSampler(np.arange(12), 5, 3))), 5)]
    assert isinstance(other_epoch, Step)
    assert not torch.equal(other_epoch.draws, alone[0].draws)


def replace_epoch(draw: Draw, epoch: int) -> Draw:
    return replace(draw, epoch=epoch)


def test_several_processes_share_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(10, 19)
    one = list(EpochSampler(rows, 4, 0))
    parts = []
    for rank in range(2):
        monkeypatch.setattr("mammorisk.training.exam_steps.process_place", lambda r=rank: (r, 2))
        parts.append(list(EpochSampler(rows, 4, 0)))
    for whole_batch, a, b in zip(one, *parts, strict=True):
        own = [draw for draw in (a, b) if draw.share > 0]
        assert sorted(np.concatenate([d.rows for d in own])) == sorted(whole_batch.rows)
        # The mean of the weighted means of the processes is the mean of the batch.
        means = [draw.share * draw.rows.mean() for draw in (a, b)]
        assert np.mean(means) == pytest.approx(whole_batch.rows.mean())
    assert parts[1][-1].share == 0


def test_augmentation_keeps_the_chest_wall_and_the_outside() -> None:
    pixels = np.zeros((64, 48), dtype=np.uint8)
    pixels[8:56, :30] = np.random.default_rng(0).integers(60, 200, (48, 30))
    none = AugmentOptions(flip_share=0, turn_deg=0, zoom=0, shift=0, contrast=0, brightness=0)
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(augment_view(pixels, none, rng)[0], to_float(pixels), atol=1e-5)
    shifted = none.model_copy(update={"shift": 0.1})
    for _ in range(8):
        moved = augment_view(pixels, shifted, rng)[0].numpy()
        # Rows of the breast begin at the chest wall, wherever it was moved to.
        inside = (moved != 0).any(axis=1)
        assert (moved[inside, 0] != 0).mean() > 0.9
    noisy = none.model_copy(update={"noise_sd": 0.1, "jpeg_share": 1.0, "brightness": 0.02})
    changed = augment_view(pixels, noisy, rng)[0].numpy()
    assert (changed[pixels == 0] == 0).all()
    assert 0.05 < (changed - to_float(pixels))[pixels > 0].std() < 0.3
    hole = augment_view(pixels, none.model_copy(update={"cut_out_share": 1.0}), rng)[0].numpy()
    assert (hole == 0).sum() > (pixels == 0).sum()
    present = np.array([True, False, True, True])
    kept = [drop_views(present, 0.9, rng) for _ in range(30)]
    assert all(one.any() and not one[1] for one in kept)
    assert np.mean([one.sum() for one in kept]) < 2


def test_a_damaged_entry_in_a_worker_is_told_with_its_row(streamed: ExamSet) -> None:
    assert isinstance(streamed.pixels, StoredPixels)
    gone = StoredPixels(files=[(Path("gone"),)] * 3, settings=streamed.pixels.settings)
    steps = ExamSteps(0, gone, np.ones((3, 4), dtype=bool))
    (found,) = make_loader(steps, EpochSampler(np.array([2]), 4, 0), workers=1)
    assert isinstance(found, MammoriskError)
    assert "row 2" in str(found)


def test_a_worker_gives_free_memory_back(
    streamed: ExamSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[int] = []
    monkeypatch.setattr(exam_steps, "give_back_memory", lambda: given_back.append(1))
    steps = ExamSteps(0, streamed.pixels, streamed.present)
    draw = Draw(0, np.arange(8), np.arange(8), 8, 1.0)
    steps[draw]
    monkeypatch.setattr(exam_steps, "get_worker_info", lambda: "a worker")
    for _ in range(9):
        steps[draw]
    # 72 exams in a worker, and none in the process of the training.
    assert len(given_back) == 2


def test_groups_of_parameters_and_schedules() -> None:
    encoder = Compact(8)
    assert len(freeze_layers(encoder, 2)) == 4
    head = torch.nn.Linear(3, 1)
    options = TrainingOptions(encoder_learning_rate=1e-3, layer_decay=0.5, schedule="cosine")
    groups = parameter_groups(
        list(head.parameters()), encoder, options, learning_rate=0.1, weight_decay=0.02
    )
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates["head"] == rates["head, vectors"] == 0.1
    assert rates["encoder 6"] == 1e-3
    assert rates["encoder 2"] == pytest.approx(1e-3 / 16)
    assert "encoder 1" not in rates
    assert {g["weight_decay"] for g in groups if "vectors" in g["name"]} == {0.0}
    optimizer = torch.optim.AdamW(groups)
    schedule = make_schedule(optimizer, options, 100)
    seen = []
    for _ in range(100):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert int(np.argmax(seen)) == 15
    assert seen[0] < 0.01
    assert max(seen) == pytest.approx(0.1)
    assert seen[-1] == pytest.approx(0.001, rel=0.05)
    with pytest.raises(TrainingError, match="7 groups of layers"):
        freeze_layers(Compact(8), 8)
    resnet = make_encoder("resnet18", pretrained=False, size=(64, 64))
    stages = layer_groups(resnet)
    assert len(stages) == 5
    assert stages[0][0] == "conv1.weight"
    assert stages[4][-1].startswith("layer4")


def test_checkpointed_gradients_are_the_same() -> None:
    torch.manual_seed(0)
    encoder, pixels = Compact(16), torch.randn(3, 1, 32, 32)
    grads = []
    for checkpointing in (False, True):
        encoder.zero_grad()
        encoder.set_grad_checkpointing(checkpointing)
        encoder(pixels).square().sum().backward()
        grads.append([p.grad.clone() for p in encoder.parameters() if p.grad is not None])
    assert len(grads[0]) == len(list(encoder.parameters()))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_frozen_layers_bfloat16_and_checkpointing_in_a_fit(cohort: Cohort, exams: ExamSet) -> None:
    recipe = tiny(
        training__epochs=1,
        training__precision="bf16-mixed",
        training__channels_last=True,
        training__gradient_checkpointing=True,
        encoder__frozen_layers=2,
    )
    model = fit(cohort, recipe, exams=exams)
    assert isinstance(model, HybridModel)
    before = dict(fit(cohort, tiny(encoder__frozen=True), exams=exams).encoder.state_dict())  # type: ignore[union-attr]
    after = model.encoder.state_dict()  # type: ignore[union-attr]
    same = {name.split(".")[1] for name in after if torch.equal(after[name], before[name])}
    # Frozen are weights and running statistics of the first two convolutions.
    assert same == {"0", "1", "3", "4"}
    assert all(value.dtype != torch.bfloat16 for value in after.values())


def test_loggers_by_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no logger 'excel'"):
        make_loggers(["excel"], tmp_path)
    for name in ("tensorboard", "wandb", "mlflow"):
        try:
            assert len(make_loggers([name], tmp_path)) == 1
        except MissingDependency as error:
            assert name in str(error)  # noqa: PT017


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path: Path, study: Path, cohort: Cohort) -> None:
    script = tmp_path / "run.py"
    cancer = cohort.exams["event"] == 1
    rows = np.flatnonzero(cancer | (cohort.exams.index % 3 == 0)).tolist()
    # Normalisation over the batch and dropout differ between processes by design.
    recipe = tiny(
        encoder__name="convnextv2_atto",
        training__epochs=1,
        training__batch_size=10,
        training__head_epochs=1,
        head__dropout=0.0,
        image={"spacing_mm": 5.0, "rows": 64, "columns": 32},
    )
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.modules["openvino"] = None  # as in the conftest of these tests
            import mammorisk as mr
            cohort = mr.read_cohort({str(study)!r})
            mr.fit(cohort.select({rows}), {str(tmp_path / "recipe.yaml")!r},
                   out={str(tmp_path)!r} + "/model-2", cache={str(tmp_path / "c")!r},
                   devices=2, accelerator="cpu", workers=1, strategy="ddp")
            """
        )
    )
    fit(
        cohort.select(rows), recipe, out=tmp_path / "model-1", cache=tmp_path / "c", devices=1,
        accelerator="cpu", workers=1,
    )  # fmt: skip
    subprocess.run(
        [sys.executable, str(script)],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
    )
    logs = [pd.read_csv(tmp_path / f"model-{n}.work" / "encoder" / "log.csv") for n in (1, 2)]
    for column in ("loss", "validation_loss", "c_index"):
        np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-4)
