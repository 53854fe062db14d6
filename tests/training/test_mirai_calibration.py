"""Calibration of a fitted Mirai: what it recovers, and what it does with little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from mammorisk.training.mirai_calibration import fit_calibration
from mammorisk.training.outcomes import Outcomes, read_outcomes

INTERCEPTS = np.array([-6.0, -5.5, -5.2, -5.0, -4.8])


def screened(n: int, slope: float, seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """Raw probabilities, and women whose risk within each year is a line of them on the logit."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.05, 0.6, n)
    raw = base[:, None] + np.array([0.0, 0.03, 0.06, 0.08, 0.1])
    risk = expit(INTERCEPTS + slope * raw)
    year = (rng.random(n)[:, None] > risk).sum(axis=1)
    time = np.where(year < 5, year + rng.uniform(0.05, 0.95, n), 6.0)
    return raw, pd.DataFrame({"time": time, "event": (year < 5).astype(int), "weight": 1.0})


def calibrated(found: dict[str, dict[str, float]], raw: np.ndarray) -> np.ndarray:
    slope, intercept = (
        np.array([found[str(y)][name] for y in range(1, 6)]) for name in ("slope", "intercept")
    )
    return expit(slope * raw + intercept)


def of(table: pd.DataFrame) -> Outcomes:
    return read_outcomes(table)


def test_recovers_a_line() -> None:
    raw, table = screened(60_000, 6.0)
    found = fit_calibration(raw, of(table))
    assert found is not None
    assert found["3"]["slope"] == pytest.approx(6.0, abs=0.35)
    assert [found[str(y)]["intercept"] for y in range(1, 6)] == pytest.approx(
        INTERCEPTS.tolist(), abs=0.25
    )


def test_a_case_cohort_gives_the_line_of_the_population() -> None:
    raw, table = screened(60_000, 6.0)
    case = table["event"] == 1
    kept = case | (np.random.default_rng(1).random(len(table)) < 0.05)
    table["weight"] = np.where(case, 1.0, 20.0)
    whole = fit_calibration(raw, of(table.assign(weight=1.0)))
    some = fit_calibration(raw[kept], of(table[kept].reset_index(drop=True)))
    assert whole is not None
    assert some is not None
    assert some["5"]["slope"] == pytest.approx(whole["5"]["slope"], rel=0.1)
    np.testing.assert_allclose(
        calibrated(some, raw).mean(axis=0), calibrated(whole, raw).mean(axis=0), rtol=0.1
    )


def test_mean_risk_is_the_observed_one_after_every_year() -> None:
    raw, table = screened(3_000, 4.0)
    found = fit_calibration(raw, of(table))
    assert found is not None
    observed = [(table["event"].eq(1) & table["time"].le(y)).mean() for y in range(1, 6)]
    np.testing.assert_allclose(calibrated(found, raw).mean(axis=0), observed, rtol=1e-6)


def test_a_handful_of_cancers_does_not_turn_the_score_around() -> None:
    raw, table = screened(250, 6.0, seed=3)
    assert 10 < table["event"].sum() < 40
    found = fit_calibration(0.75 - raw, of(table))
    assert found is not None
    assert all(0 < one["slope"] < 4 for one in found.values())


@pytest.mark.parametrize(
    "change",
    [
        {"event": [1, 1, 1, 1, *[0] * 196]},
        {"time": [1.5] * 200},
        {"event": [1] * 200, "time": [0.5] * 200},
    ],
)
def test_too_little_is_not_calibrated(change: dict[str, Any]) -> None:
    raw, table = screened(200, 6.0)
    table = table.assign(event=[1] * 10 + [0] * 190, time=[0.5] * 10 + [6.0] * 190).assign(**change)
    assert fit_calibration(raw, of(table)) is None
