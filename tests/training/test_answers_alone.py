"""Weights of the answers of women without images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead
from mammorisk.training.answers_alone import fit_answers_alone
from mammorisk.training.outcomes import Outcomes, read_outcomes

WOMEN, FEATURES = 6000, 5


def women() -> tuple[Batch, Outcomes]:
    """Women whose hazard rises with the first column and falls with the second."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(WOMEN, 3))
    hazard = 0.03 * np.exp(0.6 * columns[:, 0] - 0.5 * columns[:, 1])
    years = rng.exponential(1 / hazard)
    table = pd.DataFrame({"time": np.minimum(years, 5), "event": (years < 5).astype(int)})
    place = torch.arange(4)
    return Batch(
        features=torch.from_numpy(rng.normal(size=(WOMEN, 4, FEATURES))).float(),
        mask=torch.zeros(WOMEN, 4, dtype=torch.bool),
        view=(place // 2).expand(WOMEN, 4),
        side=(place % 2).expand(WOMEN, 4),
        years_before=torch.zeros(WOMEN, 4),
        acquisition=torch.zeros(WOMEN, 4, 0),
        given=torch.zeros(WOMEN, 4, dtype=torch.bool),
        questionnaire=torch.from_numpy(columns).float(),
        answered=torch.ones(WOMEN, dtype=torch.bool),
        age=torch.full((WOMEN,), 55.0),
        offset=torch.zeros(WOMEN, 5),
    ), read_outcomes(table)


def test_effects_are_found_within_their_bounds_and_images_stay() -> None:
    torch.manual_seed(0)
    settings = HeadSettings(
        n_features=FEATURES,
        n_questionnaire=3,
        width=8,
        published_baseline=False,
        lowest_weights=(None, 0.0, None),
    )
    heads = HeadEnsemble([HybridHead(settings) for _ in range(2)]).eval()
    for one in heads.members:
        assert isinstance(one, HybridHead)
        torch.nn.init.constant_(one.baseline, np.log(0.03))
    batch, outcomes = women()
    # Half of the women have the effect of a density category in their offset, which is taken out.
    density = np.full(WOMEN, 0.2)
    batch = replace(batch, offset=batch.offset + 0.2)
    made = fit_answers_alone(heads, batch, density, outcomes, loss="likelihood")
    assert made.settings.answers_alone
    seen = replace(batch.take(slice(0, 50)), mask=torch.ones(50, 4, dtype=torch.bool))
    torch.testing.assert_close(made(seen), heads(seen), rtol=0, atol=0)
    found = np.array(
        [
            torch.maximum(one.answers_alone.weight, one.answers_alone.lowest)[0].tolist()
            for one in made.members
            if isinstance(one, HybridHead)
        ]
    )
    # About 850 cancers: standard errors of 0.035, and of 0.05 in a bootstrap sample.
    np.testing.assert_allclose(found[:, 0], 0.6, atol=0.15)
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found[:, 2], 0.0, atol=0.15)
    assert (found[0] != found[1]).any()
