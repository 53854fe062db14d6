"""The networks against outputs of the official classes under a deterministic fill."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mammorisk.errors import ModelError
from mammorisk.networks.mirai import (
    RISK_FACTORS,
    Exams,
    MiraiEncoder,
    MiraiSettings,
    MiraiTransformer,
)
from mammorisk.risk_models.mirai.model import PUBLISHED_CALIBRATION, MiraiModel
from tests.risk_models.mirai.standins import filled

ORACLE = json.loads(
    (Path(__file__).parents[2] / "data" / "mirai" / "oracle.json").read_text(encoding="utf-8")
)
SYNTHETIC = ORACLE["synthetic"]


def pixels() -> np.ndarray:
    v, y, x = np.meshgrid(np.arange(4), np.arange(256), np.arange(208), indexing="ij")
    values = ((37 * v + 3 * x + 5 * y + np.floor(x * y / (16 * (v + 1)))) % 251) / 62.5 - 2
    return np.asarray(values, dtype=np.float32)


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    image = pixels()
    assert hashlib.sha256(image.tobytes()).hexdigest() == SYNTHETIC["sha256"]
    with torch.inference_mode():
        return filled(MiraiEncoder(), "_model.")(torch.from_numpy(image)[:, None])


def exams(features: torch.Tensor, order: list[int], time: list[int]) -> Exams:
    view, side = torch.tensor(SYNTHETIC["view_seq"]), torch.tensor(SYNTHETIC["side_seq"])
    return Exams(
        features=features[order][None],
        view=view[order][None],
        side=side[order][None],
        time=torch.tensor([time]),
    )


def test_names_of_the_weights() -> None:
    encoder, transformer = MiraiEncoder(), MiraiTransformer(MiraiSettings())
    assert {f"_model.{k}": list(v.shape) for k, v in encoder.state_dict().items()} == ORACLE[
        "keys"
    ]["image_encoder"]
    theirs = ORACLE["keys"]["transformer_512_8_GlobalMaxPool"]
    ours = {k: list(v.shape) for k, v in transformer.state_dict().items()}
    assert ours.items() <= theirs.items()
    layout = [(one["key"], one["dim"]) for one in ORACLE["risk_factor_layout"]]
    assert list(RISK_FACTORS.items()) == layout


def test_features(features: torch.Tensor) -> None:
    np.testing.assert_allclose(features[:, :8], SYNTHETIC["hidden_first8"], rtol=1e-4)
    np.testing.assert_allclose(features.norm(dim=1), SYNTHETIC["hidden_norm"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "relu", "order", "time"),
    [
        ("512_8_GlobalMaxPool", True, [0, 1, 2, 3], [0, 0, 0, 0]),
        ("512_8_GlobalMaxPool_without_relu_on_pooled", False, [0, 1, 2, 3], [0, 0, 0, 0]),
        ("512_8_GlobalMaxPool_views_permuted_2031", True, [2, 0, 3, 1], [0, 0, 0, 0]),
        ("512_8_GlobalMaxPool_time_0033", True, [0, 1, 2, 3], [0, 0, 3, 3]),
    ],
)
def test_logits(
    features: torch.Tensor, name: str, relu: bool, order: list[int], time: list[int]
) -> None:
    transformer = filled(MiraiTransformer(MiraiSettings(relu_on_pooled=relu)))
    with torch.inference_mode():
        logits = transformer(exams(features, order, time))[0]
    expected = SYNTHETIC["outputs"][name]
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-5)
    model = MiraiModel(
        encoder=MiraiEncoder(), transformer=transformer, calibration=PUBLISHED_CALIBRATION
    )
    risk = model.calibrated(1 / (1 + np.exp(-logits[None].double().numpy())))[0]
    np.testing.assert_allclose(risk, expected["calibrated"], atol=1e-6)
    assert np.round(risk, 4).tolist() == expected["rounded4"]


@pytest.mark.parametrize("pool", ["GlobalMaxPool", "GlobalAvgPool", "Simple_AttentionPool"])
@pytest.mark.parametrize(("width", "heads", "layers"), [(512, 8, 1), (1024, 16, 2)])
def test_every_pool_and_width(
    features: torch.Tensor, pool: str, width: int, heads: int, layers: int
) -> None:
    settings = MiraiSettings(width=width, heads=heads, layers=layers, pool=pool)  # type: ignore[arg-type]
    transformer = filled(MiraiTransformer(settings))
    with torch.inference_mode():
        logits = transformer(exams(features, [0, 1, 2, 3], [0] * 4))[0]
        again = transformer(exams(features, [3, 1, 0, 2], [0] * 4))[0]
    assert (logits.diff() >= 0).all()
    np.testing.assert_allclose(logits, again, atol=1e-4)


def test_known_factors_take_the_place_of_predicted_ones(features: torch.Tensor) -> None:
    transformer = filled(MiraiTransformer(MiraiSettings()))
    one = exams(features, [0, 1, 2, 3], [0] * 4)
    known, told = torch.zeros(1, 100), torch.zeros(1, len(RISK_FACTORS), dtype=torch.bool)
    with torch.inference_mode():
        plain = transformer(one)
        np.testing.assert_allclose(transformer(one, known, told), plain)
        predicted = transformer.pool(transformer.pool.over_views(transformer.over_views(one)))
        np.testing.assert_allclose(predicted[0], SYNTHETIC["predicted_risk_factors"], atol=1e-5)
        # A known "no" of prior cancer is zero, and changes the risk.
        told[0, list(RISK_FACTORS).index("prior_hist")] = True
        assert not torch.allclose(transformer(one, known, told), plain)
        told[:] = True
        np.testing.assert_allclose(transformer(one, predicted, told), plain, atol=1e-5)


def test_impossible_settings() -> None:
    with pytest.raises(ModelError, match="heads must divide the width"):
        MiraiSettings(width=500, heads=8)
    with pytest.raises(ModelError, match="no pooling method"):
        MiraiSettings(pool="Sum")  # type: ignore[arg-type]
