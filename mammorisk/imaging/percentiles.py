"""Medians and percentiles of images, several times faster than those of NumPy.

NumPy sorts with vector instructions. Its median and its percentiles select several values at once,
which has none and is slow where many values are equal, as in air.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def median(values: NDArray[Any]) -> float:
    """Return the median of all values, as :func:`numpy.median` does.

    Parameters
    ----------
    values : ndarray of float or int, of any shape

    Returns
    -------
    float
        NaN if a value is NaN, or if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> median(np.array([[3.0, 1.0], [2.0, 10.0]]))
    2.5
    """
    ordered = np.sort(values, axis=None)
    if _has_nan(ordered):
        return float("nan")
    middle = _as_floats(ordered[[(ordered.size - 1) // 2, ordered.size // 2]])
    return float((middle[0] + middle[1]) / 2)


def quantile(values: NDArray[Any], share: float) -> float:
    """Return a quantile of all values, as :func:`numpy.quantile` does for one quantile.

    Parameters
    ----------
    values : ndarray of float or int, of any shape
    share : float
        0-1.

    Returns
    -------
    float
        Interpolated linearly, in the precision of the values. NaN if a value is NaN, or if there is
        none.

    Examples
    --------
    >>> import numpy as np
    >>> quantile(np.array([3.0, 1.0, 2.0]), 0.25)
    1.5
    """
    ordered = np.sort(values, axis=None)
    if _has_nan(ordered):
        return float("nan")
    return float(_interpolated(ordered, (ordered.size - 1) * share))


def percentile(values: NDArray[Any], percent: float) -> float:
    """Return the :func:`quantile` of a percentage, 0-100."""
    return quantile(values, percent / 100)


def percentiles(
    values: NDArray[Any], percents: Sequence[float], *, is_sorted: bool = False
) -> NDArray[np.float64]:
    """Return percentiles of all values, as :func:`numpy.percentile` does for several.

    Parameters
    ----------
    values : ndarray of float or int, of any shape
    percents : sequence of float
        0-100.
    is_sorted : bool
        Whether the values are in ascending order.

    Returns
    -------
    ndarray of float64, shape (len(percents),)
        Interpolated linearly, in double precision. NaN if a value is NaN, or if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> percentiles(np.array([3.0, 1.0, 2.0]), [50, 75])
    array([2. , 2.5])
    """
    ordered = values if is_sorted else np.sort(values, axis=None)
    if _has_nan(ordered):
        return np.full(len(percents), np.nan)
    places = [np.float64((ordered.size - 1) * (percent / 100)) for percent in percents]
    return np.array([_interpolated(ordered, place) for place in places], dtype=np.float64)


def row_percentiles(rows: np.ndarray, percents: Sequence[float]) -> np.ndarray:
    """Return percentiles of each row, interpolated linearly as by :func:`numpy.percentile`.

    Parameters
    ----------
    rows : ndarray of float, shape (n, m)
    percents : sequence of float
        0-100.

    Returns
    -------
    ndarray of float, shape (len(percents), n)

    Examples
    --------
    >>> import numpy as np
    >>> row_percentiles(np.array([[3.0, 1.0, 2.0], [10.0, 30.0, 20.0]]), [50, 75])
    array([[ 2. , 20. ],
           [ 2.5, 25. ]])
    """
    ordered = np.sort(rows, axis=1)
    places = np.asarray(percents) / 100.0 * (rows.shape[1] - 1)
    below = places.astype(int)
    above = np.minimum(below + 1, rows.shape[1] - 1)
    low, high = ordered[:, below], ordered[:, above]
    found: np.ndarray = (low + (high - low) * (places - below)).T
    return found


def _has_nan(ordered: NDArray[Any]) -> bool:
    """Whether a value is NaN, which is sorted to the end, or there is none."""
    return not ordered.size or bool(ordered[-1] != ordered[-1])


def _as_floats(values: NDArray[Any]) -> NDArray[Any]:
    """Integers as double precision: their sums and differences can be too large for their type."""
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _interpolated(ordered: NDArray[Any], place: float) -> Any:
    """Value at a place between two positions, rounded as by NumPy."""
    below = int(place)
    low, high = _as_floats(ordered[[below, min(below + 1, ordered.size - 1)]])
    share = place - below
    if share >= 0.5:
        return high - (high - low) * (1 - share)
    return low + (high - low) * share
