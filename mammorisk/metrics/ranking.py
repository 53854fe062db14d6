"""Weighted counts of pairs ordered in time and in score, in O(n log n)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats


def falling_pairs(score: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Weighted counts of the pairs a < b (positions) with ``score[a] > score[b]``.

    Parameters
    ----------
    score : ndarray, shape (n,)
    first : ndarray, shape (n,)
        Weight of a row as the earlier of a pair.
    second : ndarray, shape (n,)
        Weight of a row as the later of a pair.

    Returns
    -------
    followers : ndarray, shape (n,)
        For each row, the sum of ``second`` over later rows of lower score.
    leaders : ndarray, shape (n,)
        For each row, the sum of ``first`` over earlier rows of higher score.

    Notes
    -----
    Every pair of positions differs first at exactly one bit, so it is counted at one level of a
    binary tree over positions: rows are kept sorted by score within the blocks of a level,
    cumulative sums count across the two halves of each block, and a stable partition gives the next
    level.
    """
    n = len(score)
    rank = np.empty(n, dtype=np.int32)
    rank[np.argsort(score, kind="stable")] = np.arange(n, dtype=np.int32)
    followers, leaders = np.zeros(n), np.zeros(n)
    rows: NDArray[np.int64] = np.argsort(rank)
    for bit in range(max(n - 1, 0).bit_length() - 1, -1, -1):
        right = (rows >> bit) & 1 == 1
        block_start = (rows >> (bit + 1)) << (bit + 1)
        # Blocks are full but for the last, so a block starts in `rows` where it starts in time.
        later_weight = np.concatenate([[0.0], np.cumsum(np.where(right, second[rows], 0.0))])
        earlier_weight = np.concatenate([[0.0], np.cumsum(np.where(right, 0.0, first[rows]))])
        at_left, at_right = np.flatnonzero(~right), np.flatnonzero(right)
        starts = block_start[at_left]
        followers[rows[at_left]] += later_weight[at_left] - later_weight[starts]
        ends = np.minimum(block_start[at_right] + (2 << bit), n)
        leaders[rows[at_right]] += earlier_weight[ends] - earlier_weight[at_right]
        # Within each block the left half goes first, each half still sorted by score.
        half_start = block_start + np.where(right, 1 << bit, 0)
        placed = np.empty(n, dtype=np.int64)
        lefts = np.concatenate([[0], np.cumsum(~right)])
        index = np.arange(n)
        lefts_before = lefts[:-1] - lefts[block_start]
        offset = np.where(right, index - block_start - lefts_before, lefts_before)
        placed[half_start + offset] = rows
        rows = placed
    return followers, leaders


def count_pairs(
    time: Floats, kind: NDArray[np.int64], score: Floats, first: Floats, second: Floats
) -> tuple[Floats, Floats]:
    """Count the pairs whose first member comes before the second in (time, kind).

    Rows of equal time and kind form no pair. A pair is concordant where the first scores higher,
    tied where both score the same.

    Parameters
    ----------
    time, score : ndarray, shape (n,)
    kind : ndarray of int, shape (n,)
        Order of rows at one time.
    first, second : ndarray, shape (n,)
        Weight of each row as first and as second member; the weight of a pair is their product.

    Returns
    -------
    right : ndarray, shape (n,)
        Weight of the concordant pairs that each row belongs to; ties in the score count one half.
    total : ndarray, shape (n,)
        Weight of all pairs each row belongs to.
    """
    n = len(time)
    # Within equal (time, kind) the score ascends, so that no such pair looks concordant.
    order = np.lexsort((score, kind, time))
    time, kind, score = time[order], kind[order], score[order]
    first, second = first[order], second[order]
    new_moment = np.ones(n, dtype=bool)
    new_moment[1:] = (time[1:] != time[:-1]) | (kind[1:] != kind[:-1])
    whole = np.zeros(n, dtype=bool)
    whole[0] = True
    all_led, all_followed = _outside_runs(whole, new_moment, first, second)
    concordant_led, concordant_followed = falling_pairs(score, first, second)

    by_score = np.argsort(score, kind="stable")
    sorted_score, moment = score[by_score], np.cumsum(new_moment)[by_score]
    new_score = np.ones(n, dtype=bool)
    new_score[1:] = sorted_score[1:] != sorted_score[:-1]
    new_both = new_score.copy()
    new_both[1:] |= moment[1:] != moment[:-1]
    led, followed = _outside_runs(new_score, new_both, first[by_score], second[by_score])
    tied_led, tied_followed = np.empty(n), np.empty(n)
    tied_led[by_score], tied_followed[by_score] = led, followed

    right, total = np.empty(n), np.empty(n)
    right[order] = first * (concordant_led + tied_led / 2)
    right[order] += second * (concordant_followed + tied_followed / 2)
    total[order] = first * all_led + second * all_followed
    return right, total


def _outside_runs(
    new_block: NDArray[np.bool_], new_run: NDArray[np.bool_], first: Floats, second: Floats
) -> tuple[Floats, Floats]:
    """In each block, ``second`` summed after and ``first`` summed before a row's own run."""
    runs = np.flatnonzero(np.append(new_run, True))
    run = np.cumsum(new_run) - 1
    blocks = np.flatnonzero(np.append(new_block, True))
    block = np.cumsum(new_block) - 1
    before = np.concatenate([[0.0], np.cumsum(first)])
    upto = np.concatenate([[0.0], np.cumsum(second)])
    led = upto[blocks[block + 1]] - upto[runs[run + 1]]
    followed = before[runs[run]] - before[blocks[block]]
    return led, followed


def placements(score: Floats, cases: Floats, controls: Floats) -> tuple[Floats, Floats]:
    """Share of controls below and of cases above each score; ties count one half."""
    used = np.flatnonzero((cases > 0) | (controls > 0))
    order = used[np.argsort(score[used])]
    in_order = score[order]
    is_new = np.empty(len(order), dtype=bool)
    is_new[0] = True
    np.not_equal(in_order[1:], in_order[:-1], out=is_new[1:])
    group = np.cumsum(is_new) - 1
    starts = np.flatnonzero(is_new)
    control_mass = np.add.reduceat(controls[order], starts)
    case_mass = np.add.reduceat(cases[order], starts)
    below, above = np.zeros(len(score)), np.zeros(len(score))
    below[order] = (np.cumsum(control_mass) - control_mass / 2)[group]
    above[order] = (case_mass.sum() - np.cumsum(case_mass) + case_mass / 2)[group]
    return below, above
