"""Weighted risk sets at each distinct time, the basis of every product-limit estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.records.follow_up import CANCER, CENSORED, COMPETING
from mammorisk.records.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class LifeTable:
    """Weights of the rows at risk and of those that leave, by distinct time.

    Attributes
    ----------
    times : ndarray, shape (k,)
        Distinct ends of follow-up (years), ascending.
    position : ndarray of int, shape (n,)
        Position of each row's time in ``times``.
    at_risk, cancers, competing, censored : ndarray, shape (k,)
        Weight under observation just before each time, and weight of the rows that leave at it.
    """

    times: Floats
    position: NDArray[np.int64]
    at_risk: Floats
    cancers: Floats
    competing: Floats
    censored: Floats

    @property
    def events(self) -> Floats:
        return self.cancers + self.competing

    def sums(self, values: Floats) -> Floats:
        """Sum of row values by distinct time, shape (k,)."""
        return np.asarray(
            np.bincount(self.position, values, minlength=len(self.times)), dtype=np.float64
        )

    def before(self, year: float) -> int:
        """Number of distinct times up to and including ``year``."""
        return int(np.searchsorted(self.times, year, side="right"))


def life_table(outcome: Outcome) -> LifeTable:
    """Risk sets of an outcome; a row is at risk at u when entry < u <= time."""
    order = outcome.order
    in_order = outcome.time[order]
    is_new = np.empty(len(order), dtype=bool)
    is_new[0] = True
    np.not_equal(in_order[1:], in_order[:-1], out=is_new[1:])
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.cumsum(is_new) - 1
    times = in_order[is_new]
    k = len(times)

    def leaving(kind: int) -> Floats:
        gone = np.bincount(position, outcome.weight * (outcome.event == kind), minlength=k)
        return np.asarray(gone, dtype=np.float64)

    cancers, competing, censored = leaving(CANCER), leaving(COMPETING), leaving(CENSORED)
    at_risk = np.cumsum((cancers + competing + censored)[::-1])[::-1]
    if outcome.has_entry:
        late = outcome.entry > 0
        # Rows that enter at or after a time are not yet at risk at that time.
        enters = np.searchsorted(times, outcome.entry[late], side="right")
        waiting = np.bincount(enters, outcome.weight[late], minlength=k + 1)
        at_risk = at_risk - np.cumsum(waiting[::-1])[::-1][1:]
    return LifeTable(
        times=times,
        position=position,
        at_risk=at_risk,
        cancers=cancers,
        competing=competing,
        censored=censored,
    )


def row_sums_to(
    outcome: Outcome, life: LifeTable, cumulative: Floats, end: NDArray[np.int64]
) -> Floats:
    """Sum of a function over the times at which each row is at risk.

    Parameters
    ----------
    cumulative : ndarray, shape (k,)
        Cumulative sums of the function over ``life.times``.
    end : ndarray of int, shape (n,)
        Number of distinct times up to which each row counts.
    """
    padded: Floats = np.concatenate([[0.0], cumulative])
    if not outcome.has_entry:
        return np.asarray(padded[end])
    start = np.searchsorted(life.times, outcome.entry, side="right")
    start = np.where(outcome.entry > 0, start, 0)
    return np.asarray(padded[end] - padded[np.minimum(start, end)])
