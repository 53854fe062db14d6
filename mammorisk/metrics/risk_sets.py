"""Risk sets at each event, with Efron's method for ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats


def sums_from(moment: Floats, values: Floats, times: Floats) -> Floats:
    """Sums of values, shape (n,) or (n, p), over the rows whose moment is at or after each time."""
    order = np.argsort(moment, kind="stable")
    sums = np.cumsum(values[order][::-1], axis=0)[::-1]
    tail = np.concatenate([sums, np.zeros((1, *values.shape[1:]))])
    return np.asarray(tail[np.searchsorted(moment[order], times, side="left")])


@dataclass(frozen=True, kw_only=True)
class Deaths:
    """Deaths one by one; tied deaths leave the risk set one after the other (Efron 1977, doi
    10.1080/01621459.1977.10480613).

    Attributes
    ----------
    times : ndarray, shape (k,)
        Times with deaths, ascending.
    place : ndarray of int, shape (d,)
        Number of the time of each death.
    counts : ndarray of int, shape (k,)
    step : ndarray of int, shape (d,)
        Number of the time of each death, in the order of time.
    share : ndarray, shape (d,)
        Share of the deaths at the same time that have left before it.
    """

    times: Floats
    place: NDArray[np.intp]
    counts: NDArray[np.intp]
    step: NDArray[np.intp]
    share: Floats

    @classmethod
    def of(cls, moments: Floats) -> Deaths:
        times, place, counts = np.unique(moments, return_inverse=True, return_counts=True)
        step = np.repeat(np.arange(len(times)), counts)
        before = np.arange(len(step)) - (np.cumsum(counts) - counts)[step]
        return cls(times=times, place=place, counts=counts, step=step, share=before / counts[step])
