"""Percentiles of the rows of a grid, faster than numpy.percentile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def row_percentiles(rows: np.ndarray, percents: Sequence[float]) -> np.ndarray:
    """Return percentiles of each row, interpolated linearly as by :func:`numpy.percentile`.

    NumPy sorts many rows several times faster than it selects their percentiles.

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
