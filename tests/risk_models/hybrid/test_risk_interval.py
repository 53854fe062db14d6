"""RiskInterval: its width by pattern of inputs, and where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.risk_models.hybrid.risk_interval import RiskInterval, unknown_answer
from mammorisk.training.interval_fit import gap_of


def test_terms_add_up_as_variances() -> None:
    interval = RiskInterval(gap={"15aq": 0.3}, answer_gap={"biopsies": 0.4})
    frame = pd.DataFrame({"biopsies": [1.0, np.nan, 0.0]})
    half = interval.half_widths(
        np.array(["15aq", "15aq", "3q"], dtype=object), np.array([0.4, 0.0, 0.1]), frame
    )
    assert half[:2] == pytest.approx([1.959964 * 0.5, 1.959964 * 0.5])
    assert np.isnan(half[2])


def test_limits_are_those_of_the_hazard_and_contain_the_risk() -> None:
    risk = np.array([[0.01, 0.03], [0.02, 0.9]])
    low, high = RiskInterval.limits(risk, np.array([0.5, 0.0]))
    assert np.log1p(-high[0]) / np.log1p(-risk[0]) == pytest.approx([np.exp(0.5)] * 2)
    assert (low[0] < risk[0]).all()
    assert low[1] == pytest.approx(risk[1])
    assert high[1] == pytest.approx(risk[1])


def test_answers_that_do_not_apply_are_not_unknown() -> None:
    frame = pd.DataFrame(
        {
            "menopausal_status": ["pre", "post", None],
            "age_menopause": [np.nan, np.nan, np.nan],
            "parity": [0.0, 2.0, np.nan],
            "age_first_birth": [np.nan, np.nan, 25.0],
        }
    )
    assert unknown_answer(frame, "age_menopause").tolist() == [False, True, True]
    assert unknown_answer(frame, "age_first_birth").tolist() == [False, True, False]
    assert unknown_answer(frame, "height_cm").all()


def test_the_gap_covers_the_wanted_share_of_women() -> None:
    rng = np.random.default_rng(0)
    apart, spread = rng.normal(0, 0.5, 20_000), np.full(20_000, 0.3)
    weight = rng.uniform(0.5, 5, 20_000)
    gap = gap_of(apart, spread, weight, covered=0.95)
    assert gap == pytest.approx(0.4, abs=0.02)
    inside = np.abs(apart) <= 1.959964 * np.hypot(gap, spread)
    assert np.average(inside, weights=weight) == pytest.approx(0.95, abs=1e-3)
    assert gap_of(apart / 100, spread, weight) == 0.0
