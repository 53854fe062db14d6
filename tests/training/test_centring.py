"""Centring: what is left out of the inputs does not shift the risks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mammorisk.networks.head_ensemble import ALL_VIEWS, VIEW_SETS, HeadEnsemble, with_views
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.training import in_parts
from mammorisk.training.centring import centre
from mammorisk.training.compare_view_sets import risk_of

N, WIDTH = 600, 6


def women() -> Batch:
    made = torch.Generator().manual_seed(3)
    place = torch.arange(4)
    return Batch(
        features=torch.randn(N, 4, WIDTH, generator=made),
        mask=torch.ones(N, 4, dtype=torch.bool),
        view=(place // 2).expand(N, 4),
        side=(place % 2).expand(N, 4),
        years_before=torch.zeros(N, 4),
        acquisition=torch.randn(N, 4, 3, generator=made),
        given=torch.ones(N, 4, dtype=torch.bool),
        questionnaire=torch.zeros(N, 2),
        answered=torch.zeros(N, dtype=torch.bool),
        age=40 + 35 * torch.rand(N, generator=made),
        offset=torch.full((N, 5), -6.0),
    )


def ensemble() -> HeadEnsemble:
    torch.manual_seed(5)
    settings = HeadSettings(n_features=WIDTH, n_acquisition=3, n_questionnaire=2, width=8)
    head = HybridHead(settings)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return HeadEnsemble([head]).eval()


@pytest.fixture
def centred() -> tuple[HeadEnsemble, HeadEnsemble, Batch, torch.Tensor]:
    before, after, data = ensemble(), ensemble(), women()
    weight = 1 + 9 * torch.rand(N, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        centre(after, data, weight)
    return before, after, data, weight


def test_the_risk_of_a_complete_exam_stays(
    centred: tuple[HeadEnsemble, HeadEnsemble, Batch, torch.Tensor],
) -> None:
    before, after, data, _ = centred
    torch.testing.assert_close(before(data), after(data), rtol=0, atol=2e-4)


def test_the_image_contribution_has_mean_zero_at_every_age(
    centred: tuple[HeadEnsemble, HeadEnsemble, Batch, torch.Tensor],
) -> None:
    _, after, data, weight = centred
    for views in (ALL_VIEWS, 3, 8):
        part = after.contributions(with_views(data, views))["image"].detach()
        assert abs(float((weight * part).sum() / weight.sum())) < 1e-4
        assert abs(float((weight * part * data.age).sum() / weight.sum())) < 1e-2


def test_hazards_of_every_set_of_views_agree_in_level(
    centred: tuple[HeadEnsemble, HeadEnsemble, Batch, torch.Tensor],
) -> None:
    before, after, data, weight = centred
    whole = after(data)[:, 0].detach()
    off = []
    for views in range(1, VIEW_SETS):
        for acquisition in (False, True):
            some = with_views(data, views, acquisition=acquisition)
            apart = (after(some)[:, 0] - whole).detach().numpy()
            middle = weighted_median(apart, weight.numpy())
            ratio = np.log(np.average(np.exp(apart + whole.numpy()), weights=weight)) - np.log(
                np.average(np.exp(whole.numpy()), weights=weight)
            )
            # One of the two is above 0 and the other below, up to the dependence on age.
            assert middle * ratio <= 1e-3
            own = (before(some)[:, 0] - before(data)[:, 0]).detach().numpy()
            off.append((abs(middle), abs(weighted_median(own, weight.numpy()))))
    assert np.mean([one for one, _ in off]) < 0.3 * np.mean([two for _, two in off])


def weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][np.searchsorted(share, 0.5)])


def test_too_few_women_leave_the_heads_as_they_are() -> None:
    network, data = ensemble(), women().take(slice(0, 5))
    with torch.no_grad():
        centre(network, data, torch.ones(5))
    assert not network.age.any()
    without = replace(data, mask=torch.zeros_like(data.mask))
    with torch.no_grad():
        centre(network, without, torch.ones(5))
    assert not network.image_centre.any()


def test_few_women_at_a_time_give_the_same(
    centred: tuple[HeadEnsemble, HeadEnsemble, Batch, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, whole, data, weight = centred
    risk = risk_of(whole, data)
    taken: list[int] = []
    take = Batch.take

    def counted(batch: Batch, rows: torch.Tensor | slice) -> Batch:
        if batch.features.shape[-1]:
            taken.append(len(rows) if isinstance(rows, torch.Tensor) else len(batch))
        return take(batch, rows)

    monkeypatch.setattr(Batch, "take", counted)
    monkeypatch.setattr(in_parts, "WOMEN_AT_ONCE", 70)
    parts = ensemble()
    with torch.no_grad():
        centre(parts, data, weight)
    for name, value in whole.named_buffers():
        torch.testing.assert_close(dict(parts.named_buffers())[name], value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(risk_of(whole, data), risk, rtol=1e-5)
    assert max(taken) == 70


def test_rows_choose_the_women() -> None:
    data, weight = women(), 1 + torch.rand(N, generator=torch.Generator().manual_seed(1))
    rows = torch.arange(0, N, 3)
    chosen, alone = ensemble(), ensemble()
    with torch.no_grad():
        centre(chosen, data, weight, rows)
        centre(alone, data.take(rows), weight[rows])
    torch.testing.assert_close(chosen.age, alone.age, rtol=0, atol=0)
    assert chosen.age.any()
