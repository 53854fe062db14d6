"""Normal scores of sequential ranks: a series that needs no estimated mean, spread or shape."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

import numpy as np
from scipy import stats

from mammorisk._utils.typing import Floats


def rank_scores(values: Floats) -> Floats:
    """Score each value by its rank among all values up to it.

    While nothing changes, the sequential ranks of independent values are independent of each
    other, and uniform, whatever the distribution of the values. Limits of charts of the scores
    therefore do not depend on a baseline estimate or on a normal distribution.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Without NaN.

    Returns
    -------
    ndarray, shape (n,)
        Expected standard normal value of the rank. Equal values have the mean of their scores,
        so that the variance is below 1 where many values are equal.

    References
    ----------
    McDonald 1990, Naval Research Logistics 37:627.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.monitoring.rank_scores import rank_scores
    >>> rank_scores(np.array([1.0, 2.0, 3.0, 2.0])).round(2)
    array([0.  , 0.8 , 1.09, 0.  ])
    """
    seen: list[float] = []
    below, to = np.empty(len(values)), np.empty(len(values))
    for i, value in enumerate(values):
        insort(seen, value)
        below[i] = bisect_left(seen, value)
        to[i] = bisect_right(seen, value)
    n = np.arange(1, len(values) + 1)
    low, high = below / n, to / n
    # Mean of a standard normal variable between two of its quantiles.
    return (_density(low) - _density(high)) / (high - low)


def _density(share: Floats) -> Floats:
    found: Floats = stats.norm.pdf(stats.norm.ppf(share))
    return found
