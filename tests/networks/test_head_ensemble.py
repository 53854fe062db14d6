"""Several heads: their mean, their spread, and the views that an exam has."""

from __future__ import annotations

import torch

from mammorisk.networks.head_ensemble import ALL_VIEWS, HeadEnsemble, view_set, with_views
from mammorisk.networks.hybrid import HybridHead
from tests.networks.test_head import batch, head


def heads() -> list[HybridHead]:
    made = []
    for seed in range(3):
        one = head()
        torch.manual_seed(seed)
        for parameter in one.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        made.append(one)
    return made


def test_contributions_and_hazard_are_means_of_the_heads() -> None:
    each, data = heads(), batch()
    network = HeadEnsemble(each).eval()
    parts = network.contributions(data)
    for name, part in parts.items():
        torch.testing.assert_close(
            part, torch.stack([one.contributions(data)[name] for one in each]).mean(dim=0)
        )
    total = torch.stack([one(data) for one in each])
    torch.testing.assert_close(network(data), total.mean(dim=0))
    spread = network.contributions_and_spread(data)[1]
    torch.testing.assert_close(spread, total[..., 0].std(dim=0))
    assert not HeadEnsemble(each[:1]).contributions_and_spread(data)[1].any()


def test_a_set_of_views_is_a_number_of_four_bits_without_prior_exams() -> None:
    data = batch()
    mask = torch.zeros_like(data.mask)
    mask[0, [0, 2]] = True
    mask[1, :4] = True
    mask[2, 5] = True
    assert view_set(mask)[:3].tolist() == [0b0101, ALL_VIEWS, 0]


def test_removed_views_leave_nothing_of_a_woman_without_other_views() -> None:
    data = batch()
    some = with_views(data, 0b0010, acquisition=False)
    assert not some.given.any()
    assert not some.mask[:, [0, 2, 3]].any()
    # A prior exam does not count without the exam itself.
    assert not some.mask[~some.mask[:, 1]].any()
    each = with_views(data, torch.arange(1, len(data) + 1))
    expected = [int(view_set(data.mask)[i]) & (i + 1) for i in range(len(data))]
    assert view_set(each.mask).tolist() == expected


def test_weights_of_adverse_answers_do_not_fall_below_their_bound() -> None:
    network = head(lowest_weights=(0.0, None, -0.2, None, None, None))
    with torch.no_grad():
        network.questionnaire.weight.fill_(-1.0)
    effect = network.questionnaire(torch.eye(6))
    assert effect.tolist() == [0.0, -1.0, -0.20000000298023224, -1.0, -1.0, -1.0]
