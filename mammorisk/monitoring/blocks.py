"""Proportions in blocks of exams, compared with all exams before by exact tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: A test is made after so many exams.
BLOCK = 100
#: Numbers of the last exams that are compared with those before.
WINDOWS = (100, 400)
#: Absolute z below which the exact test is not needed: its p is far from every limit.
_CLEARLY_NONE = 3.0


@dataclass(frozen=True, kw_only=True)
class ProportionChange:
    """A proportion of the last exams that differs from that before.

    Attributes
    ----------
    at, start : int
        Position of the last exam of the window, and of the first.
    column : int
        Which of the proportions.
    before, after : float
        In [0, 1].
    p : float
        Two-sided p of Fisher's exact test.
    """

    at: int
    start: int
    column: int
    before: float
    after: float
    p: float


def first_change(
    flags: NDArray[np.bool_], fewest: int, probability: float, exams: int, n_proportions: int
) -> ProportionChange | None:
    """Find the first block after which a proportion differs from that of all exams before.

    Parameters
    ----------
    flags : ndarray of bool, shape (n, n_columns)
    fewest : int
        Smallest number of exams before a window.
    probability : float
        Of a false alarm within ``exams`` exams, for all proportions together. The tests share it
        equally (Bonferroni).
    exams : int
    n_proportions : int
        Number of proportions that share the probability. It must not depend on the data, so that
        later exams never change an alarm.

    Returns
    -------
    ProportionChange or None
    """
    n, n_columns = flags.shape
    total = np.concatenate([np.zeros((1, n_columns), dtype=np.int64), np.cumsum(flags, axis=0)])
    level = probability / (n_proportions * len(WINDOWS) * -(-exams // BLOCK))
    for end in range(BLOCK, n + 1, BLOCK):
        found = []
        for window in WINDOWS:
            start = end - window
            if start < fewest:
                continue
            for column in range(n_columns):
                before = int(total[start, column])
                after = int(total[end, column]) - before
                p = _fisher(after, window, before, start)
                if p < level:
                    found.append(
                        ProportionChange(
                            at=end - 1,
                            start=start,
                            column=column,
                            before=before / start,
                            after=after / window,
                            p=p,
                        )
                    )
        if found:
            return min(found, key=lambda one: one.p)
    return None


def _fisher(k: int, n: int, k_other: int, n_other: int) -> float:
    """Two-sided p of Fisher's exact test, or 1 where the proportions are close."""
    share = (k + k_other) / (n + n_other)
    variance = share * (1 - share) * (1 / n + 1 / n_other)
    if variance <= 0 or abs(k / n - k_other / n_other) < _CLEARLY_NONE * variance**0.5:
        return 1.0
    table = [[k, n - k], [k_other, n_other - k_other]]
    return float(stats.fisher_exact(table).pvalue)
