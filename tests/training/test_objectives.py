"""Weights for censoring in a fit are those of the metrics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.training.objectives import censoring_weights
from mammorisk.training.outcomes import read_outcomes


def followed(n: int, *, late: bool) -> tuple[pd.DataFrame, float]:
    """Follow-up of n women, and the true risk by five years."""
    rng = np.random.default_rng(1)
    cancer, lost = rng.exponential(12, n), rng.uniform(1, 9, n)
    entry = np.where(rng.random(n) < 0.5, rng.uniform(0, 4, n), 0.0) if late else np.zeros(n)
    made = pd.DataFrame(
        {"time": np.minimum(cancer, lost), "event": (cancer <= lost).astype(int), "entry": entry}
    )
    return made[entry < made["time"]].reset_index(drop=True), float(-np.expm1(-5 / 12))


@pytest.mark.parametrize("late", [False, True])
def test_weighted_share_of_cancers_is_the_risk(late: bool) -> None:
    table, truth = followed(60_000, late=late)
    outcomes = read_outcomes(table)
    weight = censoring_weights(outcomes).double().numpy()
    case = ((table["event"] == 1) & (table["time"] <= 5)).to_numpy()
    assert np.average(case, weights=weight) == pytest.approx(truth, abs=0.006)
    # Leaving late entry out of account would not give the risk.
    if late:
        early = read_outcomes(table.assign(entry=0.0))
        biased = np.average(case, weights=censoring_weights(early).double().numpy())
        assert abs(biased - truth) > 0.02


def test_unknown_outcomes_weigh_nothing() -> None:
    table = pd.DataFrame({"time": [1.0, 2.0, 3.0, 7.0], "event": [1, 0, 2, 0]})
    # Two of three women are still followed after the second has left.
    assert censoring_weights(read_outcomes(table)).tolist() == pytest.approx([1, 0, 1.5, 1.5])
    assert censoring_weights(read_outcomes(table), 8).tolist() == [0, 0, 0, 0]
    sampled = censoring_weights(read_outcomes(table.assign(weight=[1.0, 4.0, 4.0, 4.0])))
    assert sampled.tolist() == pytest.approx([1, 0, 1.5, 1.5])
