"""What a fit needs, told before it is begun."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mammorisk.errors import OutputError, TrainingError
from mammorisk.networks.encoders import Compact
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training import read_exams
from mammorisk.training.fit import fit
from mammorisk.training.fit_plan import FitPlan
from mammorisk.training.memory_estimate import step_bytes, weight_bytes
from tests.training.conftest import LARGER, tiny


def test_a_dry_run_tells_size_memory_and_time(cohort: Cohort, tmp_path: Path) -> None:
    recipe = tiny(training__accumulate_batches=2, training__epochs=3)
    plan = fit(cohort, recipe, dry_run=True, out=tmp_path / "m", on_warning=lambda told: None)
    assert isinstance(plan, FitPlan)
    assert plan.train + plan.validation == plan.exams == len(cohort)
    batches = -(-plan.train // 16)
    assert plan.steps == 3 * -(-batches // 2)
    assert plan.cache_bytes == len(cohort) * (4 * 48 * 32 + 4096)
    assert plan.read_seconds > 0
    assert plan.train_seconds > 0
    assert plan.seconds == plan.read_seconds + plan.train_seconds + plan.encode_seconds
    assert 7e8 < plan.memory_bytes < 9e8
    assert not list(tmp_path.iterdir())
    told = json.loads(json.dumps(plan.to_dict()))
    assert told["seconds"] == plan.seconds
    assert "3 steps" not in str(plan).replace(f"{plan.steps} steps", "")
    larger = tiny(image={"spacing_mm": 5.0, "rows": 96, "columns": 64})
    more = fit(cohort, larger, dry_run=True, on_warning=lambda told: None)
    assert more.memory_bytes > plan.memory_bytes
    frozen = fit(cohort, recipe, dry_run=True, encoder__frozen=True, on_warning=lambda told: None)
    assert (frozen.steps, frozen.train_seconds) == (0, 0)
    table = fit(cohort, "density-fit", dry_run=True, on_warning=lambda told: None)
    assert table.seconds == 0
    assert "reads no images" in str(table)
    assert "are free" in str(plan)
    assert "are free" not in str(table)
    with pytest.raises(TrainingError, match="0 cancers"):
        fit(replace(cohort, exams=cohort.exams.assign(event=0)), recipe, dry_run=True)
    with pytest.raises(TrainingError, match="mirai has no plan"):
        fit(cohort, "mirai", dry_run=True, on_warning=lambda told: None)


def test_the_memory_of_a_step() -> None:
    encoder = Compact(32)
    weights = sum(one.numel() for one in encoder.parameters()) * 4
    assert weight_bytes(encoder, averaged=True) == 5 * weights
    shape = (8, 1, 256, 128)
    step = step_bytes(encoder, shape, "32-true", train=True)
    # The two tensors of the first convolution alone, kept for the backward pass.
    assert step > 2 * 8 * 16 * 128 * 64 * 4
    assert step_bytes(encoder, (16, *shape[1:]), "32-true", train=True) == pytest.approx(
        2 * step, rel=0.05
    )
    assert step_bytes(encoder, shape, "32-true", train=False) < step / 2
    assert step_bytes(encoder, shape, "bf16-mixed", train=True) < 0.75 * step
    encoder.set_grad_checkpointing(True)
    assert step_bytes(encoder, shape, "32-true", train=True) < 0.8 * step
    # Nothing was computed.
    assert all(one.grad is None for one in encoder.parameters())
    assert float(encoder.layers[1].running_mean.abs().max()) == 0  # type: ignore[union-attr, arg-type]
    assert torch.is_grad_enabled()


def test_a_cache_that_does_not_fit_is_refused_before_it_is_made(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    two = cohort.select([0, 1])
    read_exams.read_exams(two, tiny(), shared, workers=0)
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(read_exams.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(OutputError, match=r"needs about 0\.0 GB"):
        read_exams.read_exams(cohort, tiny(), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    # What a shared cache has of this cohort needs no space. Other entries are no space.
    assert len(read_exams.read_exams(two, tiny(), shared, workers=0)) == 2
    for more, recipe in ((cohort.select([0, 1, 2]), tiny()), (two, tiny(image=LARGER))):
        with pytest.raises(OutputError, match="needs about"):
            read_exams.read_exams(more, recipe, shared, workers=0)


@pytest.mark.parametrize("name", ["hybrid-resnet18-03mm", "hybrid-convnext-02mm"])
def test_recipes_at_real_resolution(name: str) -> None:
    recipe = load_recipe(name)
    image = recipe.image
    # Views of 25 x 15 cm, in whole steps of the encoders.
    assert image.rows * image.spacing_mm == pytest.approx(250, abs=1)
    assert image.columns * image.spacing_mm == pytest.approx(154, abs=1)
    assert image.rows % 32 == image.columns % 32 == 0
    assert recipe.training.batch_size * recipe.training.accumulate_batches == 32
