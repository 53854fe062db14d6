"""CUSUM charts of scores, with a limit for a stated probability of a false alarm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from mammorisk._utils.typing import Floats

#: What is added to the limit because time is discrete (Siegmund 1985).
_OVERSHOOT = 1.166


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where a chart crosses its limit.

    Attributes
    ----------
    at : int
        Position of the score.
    start : int
        Position after which the sum rose: an estimate of when the change began.
    """

    at: int
    start: int


def cusum(scores: Floats, allowance: float) -> Floats:
    """Cumulative sums of scores above and below an allowance, which restart at zero.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Mean 0 and variance 1 while nothing changes.
    allowance : float
        Subtracted from every score.

    Returns
    -------
    ndarray, shape (n, 2)
        Sums for a rise and for a fall.

    References
    ----------
    Page 1954, doi 10.1093/biomet/41.1-2.100.
    """
    steps = np.stack([scores, -scores], axis=1) - allowance
    total = np.cumsum(steps, axis=0)
    found: Floats = total - np.minimum(np.minimum.accumulate(total, axis=0), 0.0)
    return found


def first_crossing(sums: Floats, limit: float) -> Crossing | None:
    """Return the first place where a sum is above the limit. None if there is none."""
    above = np.flatnonzero((sums > limit).any(axis=1))
    if not len(above):
        return None
    at = int(above[0])
    side = int(np.argmax(sums[at]))
    zeros = np.flatnonzero(sums[:at, side] <= 0)
    return Crossing(at=at, start=int(zeros[-1]) + 1 if len(zeros) else 0)


def control_limit(allowance: float, probability: float, exams: float) -> float:
    """Limit of the sums that gives a probability of a false alarm.

    Parameters
    ----------
    allowance : float
        Above 0.
    probability : float
        Of an alarm within ``exams`` scores without a change, on either side.
    exams : float

    Returns
    -------
    float

    References
    ----------
    Siegmund 1985, Sequential Analysis, Springer: approximation of the average run length.

    Examples
    --------
    >>> from mammorisk.monitoring.cusum import control_limit
    >>> round(control_limit(0.25, 0.001, 2000), 1)
    25.1
    """
    # Alarms without a change come like a Poisson process; each side has half of them.
    wanted = math.log(2 * exams) - math.log(-math.log1p(-probability))
    return float(optimize.brentq(lambda limit: _log_run(limit, allowance) - wanted, 0.0, 1e5))


def _log_run(limit: float, allowance: float) -> float:
    """Logarithm of the average number of scores until an alarm on one side."""
    x = 2 * allowance * (limit + _OVERSHOOT)
    rises = x + math.log1p(-(1 + x) * math.exp(-x))
    return rises - math.log(2 * allowance**2)
