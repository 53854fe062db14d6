"""Hazards: the likelihood is that of a piecewise exponential, and risk is its integral."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mammorisk.networks.hazards import cumulative_risk, exposure, negative_log_likelihood

LOG_HAZARDS = st.lists(st.floats(-9, 1), min_size=5, max_size=5)


@given(LOG_HAZARDS, st.floats(0.01, 8), st.booleans(), st.floats(0, 0.9))
def test_likelihood_by_hand(
    log_hazards: list[float], time: float, event: bool, entry_share: float
) -> None:
    entry = entry_share * min(time, 5)
    found = negative_log_likelihood(
        torch.tensor([log_hazards], dtype=torch.float64),
        torch.tensor([min(time, 5.0)], dtype=torch.float64),
        torch.tensor([float(event and time <= 5)], dtype=torch.float64),
        torch.tensor([entry], dtype=torch.float64),
        torch.tensor([2.0], dtype=torch.float64),
    )
    expected = 0.0
    for year, value in enumerate(log_hazards):
        spent = max(0.0, min(time, year + 1) - max(entry, year))
        expected += np.exp(value) * spent
        if event and year < time <= year + 1:
            expected -= value
    assert abs(found.item() - 2 * expected) < 1e-9


@given(LOG_HAZARDS, LOG_HAZARDS)
def test_risk_rises_and_death_lowers_it(cancer: list[float], death: list[float]) -> None:
    log_cancer = torch.tensor([cancer], dtype=torch.float64)
    log_death = torch.tensor([death], dtype=torch.float64)
    alone = cumulative_risk(log_cancer)[0]
    with_death = cumulative_risk(log_cancer, log_death)[0]
    assert (alone.diff() >= 0).all()
    assert (with_death.diff() >= 0).all()
    assert (with_death <= alone + 1e-12).all()
    assert ((alone >= 0) & (alone <= 1)).all()
    # Both causes and survival add up to 1.
    other = cumulative_risk(log_death, log_cancer)[0, -1]
    survival = torch.exp(-(log_cancer.exp() + log_death.exp()).sum())
    assert abs(with_death[-1] + other + survival - 1) < 1e-9


def test_exposure_is_the_time_between_entry_and_end() -> None:
    time, entry = torch.tensor([3.4, 0.5, 9.0]), torch.tensor([1.2, 0.0, 0.0])
    spent = exposure(time, entry)
    torch.testing.assert_close(spent.sum(dim=1), torch.tensor([2.2, 0.5, 5.0]))
    torch.testing.assert_close(spent[0], torch.tensor([0.0, 0.8, 1.0, 0.4, 0.0]))
