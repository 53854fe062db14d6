"""Fits and predictions on a GPU, compared with those of the processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mammorisk as mr
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.networks.encoders import make_encoder
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.training.fit import fit
from mammorisk.training.memory_estimate import step_bytes, weight_bytes
from mammorisk.training.module import FitModule
from tests.training.conftest import tiny
from tests.training.test_mirai_fit import TINY as TINY_MIRAI
from tests.training.test_streaming import killer, weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.networks,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
    pytest.mark.filterwarnings("ignore::mammorisk.training.fit.CohortWarning"),
]


def risks(model: object, cohort: Cohort, exams: ExamSet) -> np.ndarray:
    assert isinstance(model, HybridModel)
    found = model.score_exam_set(cohort.questionnaires, exams, (5,)).risk[5]
    return found.to_numpy(dtype=float)


def test_a_fit_gives_the_risks_of_the_processor(
    cohort: Cohort, exams: ExamSet, tmp_path: Path
) -> None:
    torch.cuda.reset_peak_memory_stats()
    on_gpu = fit(cohort, tiny(), exams=exams, accelerator="gpu", devices=1, out=tmp_path / "model")
    assert torch.cuda.max_memory_allocated() > 1e6
    on_processor = fit(cohort, tiny(), exams=exams, accelerator="cpu")
    there, here = (np.log(risks(one, cohort, exams)) for one in (on_gpu, on_processor))
    assert here.std() > 0.1
    # An exam at the limit of the guard may lose its image contribution on one of them.
    assert np.quantile(np.abs(there - here), 0.9) < 0.02
    # The saved model is the same on both.
    loaded = mr.load_model(tmp_path / "model", backend="torch")
    np.testing.assert_allclose(np.log(risks(loaded, cohort, exams)), there, atol=0.02)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_reduced_precision_and_checkpointing(
    cohort: Cohort, exams: ExamSet, precision: str
) -> None:
    recipe = tiny(
        training__precision=precision,
        training__channels_last=True,
        training__gradient_checkpointing=True,
        training__ema_decay=0.9,
        training__accumulate_batches=2,
    )
    model = fit(cohort, recipe, exams=exams, accelerator="gpu", devices=1)
    exact = fit(cohort, tiny(), exams=exams, accelerator="gpu", devices=1)
    found = risks(model, cohort, exams)
    assert np.isfinite(found).all()
    assert np.corrcoef(np.log(found), np.log(risks(exact, cohort, exams)))[0, 1] > 0.8


def test_an_interrupted_fit_goes_on(
    cohort: Cohort, exams: ExamSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"accelerator": "gpu", "devices": 1, "checkpoint_minutes": 0}
    whole = fit(cohort, tiny(), exams=exams, **place)
    with monkeypatch.context() as broken:
        broken.setattr(FitModule, "training_step", killer(3, "training_step"))
        with pytest.raises(RuntimeError, match="killed"):
            fit(cohort, tiny(), exams=exams, out=tmp_path / "model", **place)
    resumed = fit(cohort, tiny(), exams=exams, out=tmp_path / "model", **place)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, rtol=1e-3, atol=1e-4)


def test_memory_is_estimated_beforehand() -> None:
    """The estimate that a dry run prints, against the memory that a step takes."""
    encoder = make_encoder("resnet18", pretrained=False, size=(832, 512))
    shape = (8, 1, 832, 512)
    estimate = step_bytes(encoder, shape, "bf16-mixed", train=True)
    estimate += weight_bytes(encoder, averaged=False)
    encoder.cuda().train()
    optimizer = torch.optim.AdamW(encoder.parameters())
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        with torch.autocast("cuda", torch.bfloat16):
            loss = encoder(torch.rand(shape, device="cuda")).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    measured = torch.cuda.max_memory_allocated()
    assert 0.6 < estimate / measured < 2, f"{estimate / 1e9:.2f} GB, took {measured / 1e9:.2f} GB"


def test_embeddings_and_prediction(cohort: Cohort) -> None:
    few = cohort.select(np.arange(4))
    there, here = (
        mr.embed(few, "compact", backend=name).to_frame().filter(like="feature_").to_numpy()
        for name in ("cuda", "torch")
    )
    np.testing.assert_allclose(there, here, rtol=2e-2, atol=2e-2 * np.abs(here).max())
    hybrid = [mr.predict(few, model=mr.load_model("hybrid", backend=b)) for b in ("cuda", "torch")]
    assert hybrid[0]["images_used"].any()
    np.testing.assert_allclose(hybrid[0]["risk_5y"], hybrid[1]["risk_5y"], rtol=2e-2)


def test_mirai_is_trained(cohort: Cohort) -> None:
    some = replace(cohort.select(np.arange(60)))
    model = fit(some, "mirai", accelerator="gpu", devices=1, **TINY_MIRAI)
    assert np.isfinite(mr.predict(some.select(np.arange(4)), model=model)["risk_5y"]).all()
