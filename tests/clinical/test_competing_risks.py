"""The shared arithmetic against a fine numerical integration and closed forms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from mammorisk.clinical.competing_risks import YearlyRates, absolute_risk

RATES = YearlyRates(
    first_age=40,
    cause=np.linspace(0.001, 0.02, 10)[None, :],
    other=np.linspace(0.004, 0.05, 10)[None, :],
)


def one(start: float, end: float, before: float, after: float) -> tuple[float, float]:
    result = absolute_risk(
        np.array([start]),
        np.array([[end]]),
        RATES,
        group=np.array([0]),
        multiplier=np.array([[before, after]]),
        changes_at=45,
    )
    return float(result.risk[0, 0]), float(result.survival[0, 0])


@given(
    start=st.floats(40, 49.5),
    length=st.floats(0.01, 9),
    before=st.floats(0.2, 5),
    after=st.floats(0.2, 5),
)
def test_matches_numerical_integration(
    start: float, length: float, before: float, after: float
) -> None:
    end = min(start + length, 50.0)

    def hazards(age: float) -> tuple[float, float]:
        cell = min(int(age) - 40, 9)
        return RATES.cause[0, cell] * (before if age < 45 else after), RATES.other[0, cell]

    birthdays = [age for age in range(40, 51) if start < age < end]
    edges = [start, *birthdays, end]
    risk, log_survival = 0.0, 0.0
    for low, high in pairwise(edges):
        h1, h2 = hazards((low + high) / 2)
        survival = np.exp(log_survival)
        risk += quad(lambda t, h=h1 + h2, c=h1: c * np.exp(-h * t), 0, high - low)[0] * survival
        log_survival -= (h1 + h2) * (high - low)
    ours, alive = one(start, end, before, after)
    assert ours == pytest.approx(risk, rel=1e-9, abs=1e-15)
    assert alive == pytest.approx(np.exp(log_survival), rel=1e-12)


def test_without_competing_deaths_risk_is_one_minus_survival() -> None:
    rates = YearlyRates(first_age=0, cause=np.full((1, 90), 0.01), other=np.zeros((1, 90)))
    result = absolute_risk(
        np.array([20.5]),
        np.array([[30.5, 60.0]]),
        rates,
        group=np.array([0]),
        multiplier=np.array([[2.0]]),
    )
    np.testing.assert_allclose(result.risk[0], -np.expm1(-0.02 * np.array([10, 39.5])), rtol=1e-12)


def test_nothing_happens_where_hazards_are_zero_or_the_interval_is_empty() -> None:
    rates = YearlyRates(first_age=0, cause=np.zeros((1, 90)), other=np.zeros((1, 90)))
    result = absolute_risk(
        np.array([20.0, np.nan]),
        np.array([[30.0, 20.0, np.nan], [30.0, 20.0, np.nan]]),
        rates,
        group=np.array([0, 0]),
        multiplier=np.ones((2, 1)),
    )
    np.testing.assert_array_equal(result.risk[0, :2], 0)
    np.testing.assert_array_equal(result.survival[0, :2], 1)
    assert np.isnan(result.risk[0, 2])
    assert np.isnan(result.risk[1]).all()
