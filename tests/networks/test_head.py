"""The head: missing is ignored, parts add up, and the acquisition is a change of the reading."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mammorisk.errors import ModelError
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead

N, TOKENS, FEATURES, ACQUISITION, ANSWERS = 7, 8, 12, 5, 6


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    place = torch.arange(TOKENS) % 4
    years = torch.zeros(N, TOKENS)
    years[:, 4:] = 2
    return Batch(
        features=draw(N, TOKENS, FEATURES),
        mask=torch.rand(N, TOKENS, generator=generator) < 0.8,
        view=(place // 2).expand(N, TOKENS),
        side=(place % 2).expand(N, TOKENS),
        years_before=years,
        acquisition=draw(N, TOKENS, ACQUISITION),
        given=torch.ones(N, TOKENS, dtype=torch.bool),
        questionnaire=draw(N, ANSWERS),
        answered=torch.ones(N, dtype=torch.bool),
        age=50 + 5 * draw(N),
        offset=-6 + 0.1 * draw(N, 5),
    )


def head(**changes: object) -> HybridHead:
    torch.manual_seed(0)
    settings = HeadSettings(
        n_features=FEATURES, n_acquisition=ACQUISITION, n_questionnaire=ANSWERS, width=16
    ).model_copy(update=changes)
    made = HybridHead(settings).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.mark.parametrize("interactions", [False, True])
def test_contributions_add_up(interactions: bool) -> None:
    network, data = head(interactions=interactions), batch()
    parts = network.contributions(data)
    assert set(parts) == {"image", "acquisition", "questionnaire", "age"} | (
        {"interaction"} if interactions else set()
    )
    total = network(data) - data.offset
    torch.testing.assert_close(total, sum(parts.values())[:, None].expand(-1, 5))  # type: ignore[union-attr]
    assert all(part.abs().min() > 0 for part in parts.values())


def test_what_is_missing_contributes_nothing_and_changes_nothing() -> None:
    network, data = head(interactions=True), batch()
    garbage = torch.where(data.mask[..., None], data.features, torch.full((), 1e3))
    other = network.contributions(replace(data, features=garbage))
    for name, part in network.contributions(data).items():
        torch.testing.assert_close(part, other[name])
    none = torch.zeros_like(data.mask)
    blind = network.contributions(replace(data, mask=none))
    assert not blind["image"].any()
    assert not blind["acquisition"].any()
    assert not blind["interaction"].any()
    nothing = replace(data, mask=none, answered=torch.zeros(N, dtype=torch.bool))
    torch.testing.assert_close(network(nothing), data.offset, rtol=0, atol=0)


def test_answers_alone_have_weights_of_their_own() -> None:
    network, data = head(answers_alone=True), batch()
    blind = replace(data, mask=torch.zeros_like(data.mask))
    beside = network.questionnaire(data.questionnaire)
    alone = network.answers_alone(data.questionnaire)
    assert (beside - alone).abs().min() > 0
    seen = data.mask.any(dim=1)
    assert seen.any()
    found = network.contributions(data)["questionnaire"]
    torch.testing.assert_close(found[seen], beside[seen], rtol=0, atol=0)
    torch.testing.assert_close(network.contributions(blind)["questionnaire"], alone, rtol=0, atol=0)
    unknown = replace(blind, answered=torch.zeros(N, dtype=torch.bool))
    assert not network.contributions(unknown)["questionnaire"].any()


def test_views_are_told_apart_by_place_not_by_order() -> None:
    network, data = head(), batch()
    order = torch.randperm(TOKENS, generator=torch.Generator().manual_seed(3))
    moved = replace(
        data,
        **{
            name: getattr(data, name)[:, order]
            for name in (
                *("features", "mask", "view", "side", "years_before", "acquisition", "given"),
            )
        },
    )
    torch.testing.assert_close(network(moved), network(data), rtol=1e-4, atol=1e-5)
    swapped = replace(data, side=1 - data.side, view=1 - data.view)
    assert (network(swapped) - network(data)).abs().max() > 1e-3


@pytest.mark.parametrize(
    "name", ["compact", "resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224"]
)
def test_encoders_by_name(name: str) -> None:
    encoder = make_encoder(name, pretrained=False, size=(64, 48))
    encoder.eval()
    with torch.no_grad():
        assert encoder(torch.zeros(2, 1, 64, 48)).shape == (2, encoder.num_features)


def test_unknown_encoders_are_refused() -> None:
    with pytest.raises(ModelError, match="no encoder"):
        make_encoder("resnet-of-mine", pretrained=False, size=(64, 48))
    with pytest.raises(ModelError, match="no pre-trained"):
        make_encoder("compact", pretrained=True, size=(64, 48))
