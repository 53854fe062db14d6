"""Recalibration: maps are monotone, chosen by their score, and kept simple when cancers are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammorisk.errors import TrainingError
from mammorisk.metrics.recalibration import METHODS, Recalibration, fit_recalibration


def population(
    n: int, seed: int, *, factor: float = 1.0, slope: float = 1.0
) -> tuple[np.ndarray, ...]:
    """Risks, and cancers that come about with other risks."""
    rng = np.random.default_rng(seed)
    risk = np.exp(rng.normal(-3.2, 0.8, n)).clip(1e-4, 0.6)
    hazard = -np.log1p(-risk)
    true = -np.expm1(-factor * hazard**slope * np.median(hazard) ** (1 - slope))
    return risk, (rng.random(n) < true).astype(float), np.ones(n)


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_monotone_within_0_and_1_and_come_back_from_json(method: str) -> None:
    fitted = fit_recalibration(*population(4000, 1, factor=1.7), method=method)  # type: ignore[arg-type]
    grid = np.r_[0.0, np.geomspace(1e-6, 0.99, 300)]
    mapped = fitted.apply(grid)
    assert (np.diff(mapped) >= -1e-12).all()
    assert ((mapped >= 0) & (mapped <= 1)).all()
    assert np.isnan(fitted.apply(np.array([np.nan]))).all()
    again = Recalibration.from_dict(fitted.to_dict())
    np.testing.assert_array_equal(again.apply(grid), mapped)


@pytest.mark.parametrize(("factor", "slope"), [(0.5, 1.0), (2.0, 0.6)])
def test_recalibrated_risks_meet_the_rates(factor: float, slope: float) -> None:
    risk, case, weight = population(40_000, 2, factor=factor, slope=slope)
    fitted = fit_recalibration(risk, case, weight)
    fresh, fresh_case, _ = population(40_000, 3, factor=factor, slope=slope)
    mapped = fitted.apply(fresh)
    for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 1)):
        rows = (fresh >= np.quantile(fresh, low)) & (fresh <= np.quantile(fresh, high))
        assert mapped[rows].mean() == pytest.approx(fresh_case[rows].mean(), rel=0.12)


def test_weights_count_as_women() -> None:
    risk, case, _ = population(3000, 4, factor=1.5)
    weight = np.random.default_rng(0).integers(0, 4, 3000)
    one = fit_recalibration(risk, case, weight.astype(float), method="cloglog")
    other = fit_recalibration(
        np.repeat(risk, weight), np.repeat(case, weight), np.ones(weight.sum()), method="cloglog"
    )
    np.testing.assert_allclose(one.parameters, other.parameters, atol=2e-4)


def test_few_cancers_change_the_intercept_only() -> None:
    risk, case, weight = population(800, 5, factor=1.0)
    case[np.flatnonzero(case)[30:]] = 0
    assert fit_recalibration(risk, case, weight).method in ("none", "intercept")
    well, cancer, ones = population(20_000, 6)
    assert fit_recalibration(well, cancer, ones).method in ("none", "intercept", "cloglog", "beta")


@given(st.floats(0.05, 5), st.floats(0.2, 3))
def test_intercept_keeps_the_order(factor: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    risk = np.exp(rng.normal(-4, spread, 300)).clip(1e-6, 0.9)
    fitted = Recalibration(method="intercept", parameters=(float(np.log(factor)), 1.0))
    np.testing.assert_array_equal(np.argsort(fitted.apply(risk)), np.argsort(risk))


def test_nothing_to_recalibrate_on() -> None:
    risk, case, weight = population(100, 7)
    with pytest.raises(TrainingError, match="with and without"):
        fit_recalibration(risk, np.zeros_like(case), weight)
