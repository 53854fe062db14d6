"""The image encoder of Mammo-CLIP against efficientnet_pytorch under a deterministic fill."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mammorisk.errors import ModelError
from mammorisk.networks.mammo_clip import (
    ARCHITECTURES,
    mammo_clip_encoder,
    published_names,
)
from tests.networks.mammo_clip_oracle import SIZE, digest, filled, pixels

ORACLE = json.loads(
    (Path(__file__).parents[1] / "data" / "mammo_clip" / "oracle.json").read_text(encoding="utf-8")
)


def loaded(network: nn.Module, architecture: str) -> nn.Module:
    names = published_names(network)
    shapes = {names[k]: tuple(v.shape) for k, v in network.state_dict().items()}
    values = filled(shapes, architecture)
    network.load_state_dict({k: torch.from_numpy(values[name]) for k, name in names.items()})
    return network


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_names_and_features(architecture: str) -> None:
    expected = ORACLE[architecture]
    network = mammo_clip_encoder(architecture)
    names = published_names(network)
    shapes = {names[k]: tuple(v.shape) for k, v in network.state_dict().items()}
    assert len(shapes) == len(names) == expected["weights"]
    assert digest(shapes) == expected["names_sha256"]
    assert network.num_features == expected["n_features"]
    assert tuple(ORACLE["size"]) == SIZE
    with torch.inference_mode():
        features = loaded(network, architecture)(torch.from_numpy(pixels()))[0].numpy()
    tolerance = 1e-4 * expected["sd"]
    np.testing.assert_allclose(features[::16], expected["every_16th"], atol=tolerance, rtol=0)
    assert features.mean() == pytest.approx(expected["mean"], abs=tolerance)
    assert features.std() == pytest.approx(expected["sd"], abs=tolerance)


def test_same_padding_gives_other_features() -> None:
    """The comparison would notice the padding of timm's own model."""
    import timm

    theirs = timm.create_model("tf_efficientnet_b2", in_chans=3, num_classes=0).eval()
    expected = ORACLE["mammo-clip-b2"]
    with torch.inference_mode():
        features = loaded(theirs, "mammo-clip-b2")(torch.from_numpy(pixels()))[0].numpy()
    difference = np.abs(features[::16] - expected["every_16th"]).max()
    assert difference > 0.01 * expected["sd"]


def test_another_architecture() -> None:
    with pytest.raises(ModelError, match="no network 'mammo-clip-b7'"):
        mammo_clip_encoder("mammo-clip-b7")
