"""Backends of encoders: the same features from all, and which one "auto" takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mammorisk as mr
from mammorisk.errors import BackendError
from mammorisk.imaging.mirai_pixels import SD
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.mirai import MiraiEncoder, MiraiSettings, MiraiTransformer
from mammorisk.risk_models.mirai.model import PUBLISHED_CALIBRATION, MiraiModel
from mammorisk.runtime import backend
from mammorisk.runtime.backend import Runner, choose_backend, has_bfloat16
from tests import factories as f
from tests.risk_models.mirai.standins import filled


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    return filled(MiraiEncoder(), "_model.")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(3, 1, 256, 208)).astype(np.float32)


@pytest.fixture(scope="module")
def features(encoder: nn.Module, pixels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = encoder(torch.from_numpy(pixels)).numpy()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_full_precision(
    encoder: nn.Module, pixels: np.ndarray, features: np.ndarray, name: str
) -> None:
    if name == "openvino":
        pytest.importorskip("openvino")
    run = Runner(encoder, name)
    np.testing.assert_allclose(run(pixels), features, rtol=1e-4, atol=1e-5)
    # Another number of views, and another size of them.
    np.testing.assert_allclose(run(pixels[:1]), features[:1], rtol=1e-4, atol=1e-5)
    assert run(pixels[:, :, :128, :128]).shape == (3, 512)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a compiler")
def test_compiled(pixels: np.ndarray) -> None:
    small = make_encoder("compact", pretrained=False, size=(64, 64)).eval()
    some = np.ascontiguousarray(pixels[:, :, :64, :64])
    with torch.inference_mode():
        expected = small(torch.from_numpy(some)).numpy()
    np.testing.assert_allclose(Runner(small, "torch-compile")(some), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(encoder: nn.Module, pixels: np.ndarray, features: np.ndarray) -> None:
    np.testing.assert_allclose(Runner(encoder, "cuda")(pixels), features, rtol=2e-2, atol=1e-2)


@pytest.mark.slow
@pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")
def test_reduced_precision_moves_no_risk_of_twenty_exams_by_more_than_0_002(
    encoder: nn.Module,
) -> None:
    # Breast-like pictures, smaller than the network's own so that it takes seconds;
    # benchmarks/bench_mirai.py --precision does the same at full size.
    pytest.importorskip("openvino")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:320, :256]
    model = MiraiModel(
        encoder=encoder,  # type: ignore[arg-type]
        transformer=filled(MiraiTransformer(MiraiSettings())),  # type: ignore[arg-type]
        calibration=PUBLISHED_CALIBRATION,
        backend="torch",
    )
    others = [model.on_backend(name) for name in ("torch-bfloat16", "openvino-bfloat16")]
    assert [one.backend_used for one in others] == ["torch-bfloat16", "openvino-bfloat16"]
    frame = mr.Questionnaire(age=55).to_frame()
    for _ in range(20):
        views = []
        for _ in range(4):
            height, width = rng.uniform(95, 155), rng.uniform(90, 215)
            inside = ((y - 160) / height) ** 2 + ((256 - x) / width) ** 2 < 1
            tissue = rng.normal(2.1, 0.8, inside.shape) * inside
            views.append((tissue * SD).clip(0, 65_535).astype(np.uint16))
        exact, *reduced = (
            one.score_features(one.features(views)[None], frame).risk.to_numpy()
            for one in (model, *others)
        )
        assert np.abs(np.stack(reduced) - exact).max() <= 0.002


def test_what_auto_takes(encoder: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(backend, "has_bfloat16", lambda: True)
    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    small = nn.Linear(2, 2)
    assert choose_backend("auto", small, may_reduce=True) == "torch"
    assert choose_backend("auto", encoder, may_reduce=True) == "openvino-bfloat16"
    assert choose_backend("auto", encoder, may_reduce=False) == "openvino"
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    assert choose_backend("auto", encoder, may_reduce=True) == "torch-bfloat16"
    with pytest.raises(BackendError, match="not installed"):
        choose_backend("openvino", encoder, may_reduce=True)
    monkeypatch.setattr(backend, "has_bfloat16", lambda: False)
    assert choose_backend("auto", encoder, may_reduce=True) == "torch"
    with pytest.raises(BackendError, match="bfloat16"):
        choose_backend("torch-bfloat16", encoder, may_reduce=True)
    with pytest.raises(BackendError, match="GPU"):
        choose_backend("cuda", encoder, may_reduce=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_backend("auto", small, may_reduce=True) == "cuda"


def test_the_result_says_what_ran(tmp_path: Path) -> None:
    f.write_exam(tmp_path / "a")
    model = mr.load_model("hybrid", backend="torch")
    prediction = mr.predict(tmp_path / "a", mr.Questionnaire(age=54), model=model)
    assert prediction.provenance["backend"] == "torch"
    with pytest.raises(BackendError, match="there is no backend"):
        mr.load_model("hybrid", backend="abacus")
    with pytest.raises(BackendError, match="no network"):
        mr.load_model("bcrat", backend="torch")


def test_the_hybrid_is_the_same_on_openvino(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    f.write_exam(tmp_path / "a")
    woman = mr.Questionnaire(age=54)
    one, other = (
        mr.predict(tmp_path / "a", woman, model=mr.load_model("hybrid", backend=name))
        for name in ("torch", "openvino")
    )
    assert other.provenance["backend"] == "openvino"
    np.testing.assert_allclose(other.risk, one.risk, rtol=1e-4)
