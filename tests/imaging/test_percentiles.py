"""Medians and percentiles equal those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.imaging.percentiles import median, percentile, percentiles, quantile

PERCENTS = [0, 0.5, 3, 25, 50, 60, 95, 99.9, 100]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 501, 3000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16"])
def test_they_are_those_of_numpy(size: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    # Many equal values, as in air.
    values = np.maximum(rng.normal(500, 400, size), 300).astype(dtype)
    expected = np.percentile(values, PERCENTS)
    np.testing.assert_allclose(percentiles(values, PERCENTS), expected, rtol=1e-6)
    ordered = np.sort(values)
    np.testing.assert_array_equal(
        percentiles(ordered, PERCENTS, is_sorted=True), percentiles(values, PERCENTS)
    )
    if dtype != "uint16":
        assert median(values) == float(np.median(values))
        assert percentile(values, 3) == pytest.approx(np.percentile(values, 3), rel=1e-6)
        assert quantile(values, 0.92) == pytest.approx(np.quantile(values, 0.92), rel=1e-6)


def test_the_values_stay_in_their_order() -> None:
    values = np.array([[3.0, 1.0], [2.0, 0.0]])
    assert (median(values), percentile(values, 100)) == (1.5, 3.0)
    np.testing.assert_array_equal(values, [[3.0, 1.0], [2.0, 0.0]])


def test_an_unknown_value_makes_them_unknown() -> None:
    values = np.array([1.0, np.nan, 2.0], dtype=np.float32)
    assert np.isnan([median(values), quantile(values, 0.1), *percentiles(values, [0, 50])]).all()
