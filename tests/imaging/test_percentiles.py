"""Medians and percentiles equal those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from mammorisk.imaging.percentiles import median, percentile, percentiles, quantile

PERCENTS = [0, 0.5, 3, 25, 50, 60, 95, 99.9, 100]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 501, 3000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "uint8", "int8"])
def test_they_are_those_of_numpy(size: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    # Many equal values, as in air.
    values = np.maximum(rng.normal(500, 400, size), 300)
    if dtype.endswith("int8"):
        # The whole range: a sum or a difference of two values is too large for the type.
        values = rng.choice([np.iinfo(dtype).min, np.iinfo(dtype).max], size)
    values = values.astype(dtype)
    # NumPy takes differences in the type of integers.
    wide = values.astype(float) if values.dtype.kind in "iu" else values
    expected = np.percentile(wide, PERCENTS)
    np.testing.assert_allclose(percentiles(values, PERCENTS), expected, rtol=1e-6)
    ordered = np.sort(values)
    np.testing.assert_array_equal(
        percentiles(ordered, PERCENTS, is_sorted=True), percentiles(values, PERCENTS)
    )
    assert median(values) == float(np.median(wide))
    assert percentile(values, 3) == pytest.approx(np.percentile(wide, 3), rel=1e-6)
    assert quantile(values, 0.92) == pytest.approx(np.quantile(wide, 0.92), rel=1e-6)


def test_the_values_stay_in_their_order() -> None:
    values = np.array([[3.0, 1.0], [2.0, 0.0]])
    assert (median(values), percentile(values, 100)) == (1.5, 3.0)
    np.testing.assert_array_equal(values, [[3.0, 1.0], [2.0, 0.0]])


def test_an_unknown_value_makes_them_unknown() -> None:
    values = np.array([1.0, np.nan, 2.0], dtype=np.float32)
    for some in (values, values[:0], np.zeros(0, dtype=np.uint8)):
        assert np.isnan([median(some), quantile(some, 0.1), *percentiles(some, [0, 50])]).all()
