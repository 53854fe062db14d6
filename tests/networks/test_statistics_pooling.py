"""Statistics pooling: the numbers of the definition, over the breast alone, for any encoder."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn

from mammorisk.errors import ModelError
from mammorisk.networks.encoders import Compact, make_encoder
from mammorisk.networks.hybrid import HeadSettings
from mammorisk.networks.layer_groups import layer_groups
from mammorisk.networks.standardization import Standardization
from mammorisk.networks.statistics_pooling import StatisticsPooling
from mammorisk.training.unused_weights import freeze_unused_weights


class Maps(nn.Module):
    """Maps that are the pixels, and their means over 4 x 4 pixels."""

    def forward_intermediates(self, pixels: Tensor, *, intermediates_only: bool) -> list[Tensor]:
        return [pixels, nn.functional.avg_pool2d(pixels, 4)]


def breast(rows: int, columns: int) -> Tensor:
    """One view of noise around 0.5 in the upper left corner."""
    view = torch.zeros(1, 1, 32, 32)
    noise = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    view[0, 0, :rows, :columns] = (0.5 + 0.1 * noise)[:rows, :columns]
    return view


def test_mean_and_sd_are_those_of_the_breast() -> None:
    view = breast(20, 12)
    found = StatisticsPooling(Maps())(view)[0]
    inside = view[0, 0, :20, :12]
    coarse = nn.functional.avg_pool2d(inside[None], 4)
    expected = [one(part) for part in (inside, coarse) for one in (torch.mean, _sd)]
    torch.testing.assert_close(found, torch.stack(expected))
    # Places that are partly outside do not count.
    torch.testing.assert_close(StatisticsPooling(Maps())(breast(21, 12))[0, 2:], found[2:])


def test_the_background_of_a_normalised_view_does_not_count() -> None:
    view = breast(16, 16)
    mean, sd = torch.tensor([0.4, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.4])
    shown = (view - mean[:, None, None]) / sd[:, None, None]
    found = StatisticsPooling(Maps(), (-mean / sd).tolist())(shown)[0]
    plain = StatisticsPooling(Maps())(view)[0]
    torch.testing.assert_close(found[:3], (plain[0] - mean) / sd)
    torch.testing.assert_close(found[3:6], plain[1] / sd)


def test_small_and_empty_views_give_numbers_and_gradients() -> None:
    small, empty = breast(3, 3), torch.zeros(1, 1, 32, 32)
    pixels = torch.cat([small, empty]).requires_grad_()
    found = StatisticsPooling(Maps())(pixels)
    # No place of the coarse map is inside as a whole, so the one that is partly counts.
    torch.testing.assert_close(found[0, 2], small.sum() / 16)
    torch.testing.assert_close(found[1], torch.zeros(4), atol=1e-4, rtol=0)
    found.sum().backward()
    assert pixels.grad is not None
    assert torch.isfinite(pixels.grad).all()


@pytest.mark.parametrize("name", ["compact", "test_resnet", "test_vit", "test_convnext"])
def test_encoders_with_statistics(name: str) -> None:
    encoder = make_encoder(name, pretrained=False, size=(64, 64), pooling="statistics").eval()
    with torch.no_grad():
        features = encoder(breast(32, 32).repeat(2, 1, 2, 2))
    assert features.shape == (2, encoder.num_features)
    plain = make_encoder(name, pretrained=False, size=(64, 64))
    assert [len(group) for group in layer_groups(encoder)] == [
        len(group) for group in layer_groups(plain)
    ]
    assert {name for group in layer_groups(encoder) for name in group} == dict(
        encoder.named_parameters()
    ).keys()


def test_maps_of_the_compact_network_are_those_that_it_pools() -> None:
    torch.manual_seed(0)
    network, pixels = Compact(16).eval(), torch.randn(2, 1, 32, 32)
    maps = network.forward_intermediates(pixels)
    assert [tuple(one.shape[1:]) for one in maps] == [
        (16, 16, 16),
        (32, 8, 8),
        (64, 4, 4),
        (16, 2, 2),
    ]
    torch.testing.assert_close(maps[-1].mean(dim=(2, 3)), network(pixels))


def test_checkpointed_gradients_of_statistics_are_the_same() -> None:
    torch.manual_seed(0)
    encoder, pixels = StatisticsPooling(Compact(16)), torch.randn(3, 1, 32, 32)
    grads = []
    for checkpointing in (False, True):
        encoder.zero_grad()
        encoder.set_grad_checkpointing(checkpointing)
        encoder(pixels).square().sum().backward()
        grads.append([p.grad.clone() for p in encoder.parameters() if p.grad is not None])
    assert len(grads[0]) == len(list(encoder.parameters()))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_an_encoder_without_maps_of_stages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(timm.models.resnet.ResNet, "forward_intermediates")
    with pytest.raises(ModelError, match="does not give the maps of its stages"):
        make_encoder("test_resnet", pretrained=False, size=(64, 64), pooling="statistics")
    make_encoder("test_resnet", pretrained=False, size=(64, 64))


def test_weights_without_effect_are_not_trained() -> None:
    encoder = make_encoder("test_convnext", pretrained=False, size=(64, 64), pooling="statistics")
    freeze_unused_weights(encoder, (1, 64, 64))
    still = {name for name, value in encoder.named_parameters() if not value.requires_grad}
    encoder(torch.rand(2, 1, 64, 64)).sum().backward()
    assert still
    assert still == {name for name, value in encoder.named_parameters() if value.grad is None}


def test_features_are_standardised_and_clipped() -> None:
    torch.manual_seed(0)
    scale = Standardization(3)
    features = torch.randn(500, 3) * torch.tensor([1e-3, 1.0, 0.0]) + torch.tensor([5.0, -1, 2])
    scale.fit([features[:7], features[7:7], features[7:300], features[300:]])
    torch.testing.assert_close(scale.mean, features.mean(dim=0), rtol=1e-6, atol=1e-6)
    sd = features.double().std(dim=0, correction=0).float()
    torch.testing.assert_close(scale.sd[:2], sd[:2], rtol=1e-6, atol=0)
    found = scale(features)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(3), atol=2e-2, rtol=0)
    torch.testing.assert_close(found.std(dim=0)[:2], torch.ones(2), atol=2e-2, rtol=0)
    assert scale(torch.full((1, 3), 1e9)).tolist() == [[4.0, 4.0, 4.0]]
    # A feature that is constant in the training is not enlarged.
    torch.testing.assert_close(
        scale(torch.tensor([[5.0, -1.0, 2.001]]))[0, 2].item(), 0.001, atol=1e-6, rtol=0
    )


def test_settings_of_earlier_heads_keep_their_digest() -> None:
    assert "standardized" not in HeadSettings().model_dump()
    assert HeadSettings(standardized=True).model_dump()["standardized"]


def _sd(values: Tensor) -> Tensor:
    return values.std(correction=0)
