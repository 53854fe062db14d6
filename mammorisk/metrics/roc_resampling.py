"""Bootstrap samples of an ROC curve."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.metrics.resampling import resampling_weights
from mammorisk.records.outcome import Outcome


def resampled_curves(
    outcome: Outcome, score: Floats, horizon: float, weights: Floats, resamples: int, seed: int
) -> Iterator[tuple[Floats, Floats]]:
    """Weight of cases and controls above each threshold, in bootstrap samples of women.

    Samples are stratified by outcome. Between the scores of two neighbouring cases the curve of
    every sample is flat, so these controls are counted together. For many controls of the same
    weight only their multinomial number in a sample is drawn, which gives the same distribution as
    drawing women.

    Parameters
    ----------
    outcome : Outcome
    score : ndarray, shape (n,)
    horizon : float
        Years.
    weights : ndarray, shape (n,)
        Censoring weights at the horizon.
    resamples, seed : int

    Yields
    ------
    cases, controls : ndarray, shape (k + 1,)
        Cumulative weights by descending score; the first is 0.
    """
    case = outcome.is_case(horizon)
    block = _blocks(score, case & (weights > 0))
    n_blocks = int(block.max()) + 1

    def curve(values: Floats, of: NDArray[np.int64]) -> Floats:
        return np.concatenate([[0.0], np.cumsum(np.bincount(of, values, minlength=n_blocks))])

    if outcome.is_clustered:
        of_cases, of_controls = np.where(case, weights, 0.0), np.where(case, 0.0, weights)
        for times in resampling_weights(outcome, horizon, resamples, seed):
            yield curve(of_cases * times, block), curve(of_controls * times, block)
        return
    rng = np.random.default_rng(seed)
    groups = [_Group(block[rows], weights[rows]) for rows in (case, ~case) if rows.any()]
    for _ in range(resamples):
        drawn = [curve(group.draw(rng), group.block) for group in groups]
        yield drawn[0], drawn[1]


def _blocks(score: Floats, has_case: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Block number of each row, by descending score; each case is its own block."""
    distinct, place = np.unique(-score, return_inverse=True)
    there = np.bincount(place, has_case, minlength=len(distinct)) > 0
    starts = there.copy()
    starts[1:] |= there[:-1]
    starts[0] = True
    return np.asarray((np.cumsum(starts) - 1)[place], dtype=np.int64)


class _Group:
    """Rows of one outcome, from which the same number is drawn with replacement."""

    def __init__(self, block: NDArray[np.int64], weight: Floats) -> None:
        self.n = len(block)
        values, code = np.unique(weight, return_inverse=True)
        key, counts = np.unique(block * len(values) + code, return_counts=True)
        # Few rows are alike: draw them one by one.
        self.share = counts / self.n if len(key) < self.n / 2 else None
        self.block = block if self.share is None else key // len(values)
        self.weight = weight if self.share is None else values[key % len(values)]

    def draw(self, rng: np.random.Generator) -> Floats:
        """Weight drawn of each row, or of each kind of rows."""
        if self.share is None:
            times = np.bincount(rng.integers(0, self.n, self.n), minlength=self.n)
        else:
            times = rng.multinomial(self.n, self.share)
        return np.asarray(times * self.weight)
