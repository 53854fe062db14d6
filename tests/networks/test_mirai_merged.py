"""The merged encoder is the same function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mammorisk.networks.mirai import MiraiEncoder
from mammorisk.networks.mirai_merged import MergedEncoder
from tests.risk_models.mirai.standins import filled


@pytest.mark.parametrize("shape", [(256, 208), (97, 64), (64, 131), (33, 35)])
def test_same_features(shape: tuple[int, int]) -> None:
    encoder = filled(MiraiEncoder(), "_model.")
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    pixels = torch.from_numpy(
        np.random.default_rng(4).normal(size=(2, 1, *shape)).astype(np.float32)
    )
    with torch.inference_mode():
        torch.testing.assert_close(
            MergedEncoder(encoder)(pixels), encoder(pixels), rtol=2e-5, atol=2e-5
        )
    after = encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
