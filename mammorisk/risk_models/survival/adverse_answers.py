"""The highest prediction of those with and without the adverse answers of a woman.

Trees have no signs: a split can give a lower hazard to a woman with one more adverse fact. The
prediction is therefore the highest over all women who differ from her in lower adverse answers
only. It never falls if an adverse fact is added, because the women below her are then below the
woman with the fact too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.risk_models.survival.design import DENSITY, Design

#: Rows that are evaluated together.
_AT_ONCE = 100_000


def highest_below(
    predict: Callable[[Floats], Floats], design: Design, matrix: Floats, answers: Floats
) -> Floats:
    """Return the highest prediction over lower adverse answers.

    Parameters
    ----------
    predict : callable
        From a matrix of the design to predictions, shape (n, m).
    design : Design
    matrix : ndarray, shape (n, n_columns)
    answers : ndarray, shape (n, n_adverse)
        Values of ``design.adverse()``, in its order; NaN where unknown.

    Returns
    -------
    ndarray, shape (n, m)
    """
    best = predict(matrix)
    places = design.adverse()
    names = list(places)
    unknown = {name: design.unknown_column(name) for name in names}
    if not names or not len(matrix):
        return best
    patterns, code = np.unique(
        np.where(np.isnan(answers), -1.0, answers), axis=0, return_inverse=True
    )
    values = {-1.0, *(float(one) for one in np.unique(patterns))}
    values |= {float(one) for one in range(int(np.ceil(max(values))))}
    scaled = {
        (name, value): design.scaled(name, np.array([np.nan if value < 0 else value]))[0]
        for name in names
        for value in values
    }
    waiting: list[tuple[np.ndarray, Floats]] = []
    size = 0
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(code.ravel() == number)
        options = [_below(name, value) for name, value in zip(names, pattern, strict=True)]
        for chosen in product(*options):
            if chosen == tuple(pattern):
                continue
            made = matrix[rows]
            for name, before, after in zip(names, pattern, chosen, strict=True):
                if after != before:
                    made[:, places[name]] = scaled[name, after]
                    if unknown[name] is not None:
                        made[:, unknown[name]] = float(after < 0)
            waiting.append((rows, made))
            size += len(rows)
            if size >= _AT_ONCE:
                _raise(best, predict, waiting)
                waiting, size = [], 0
    _raise(best, predict, waiting)
    return best


def _below(name: str, value: float) -> list[float]:
    """Values that are not more adverse; -1 is unknown."""
    if value <= 0:
        return [value]
    lower = [float(one) for one in range(int(np.ceil(value)))]
    # An unknown density is neither lower nor higher than a known one.
    return [*([] if name == DENSITY else [-1.0]), *lower, value]


def _raise(
    best: Floats,
    predict: Callable[[Floats], Floats],
    waiting: list[tuple[np.ndarray, Floats]],
) -> None:
    if not waiting:
        return
    found = predict(np.concatenate([made for _, made in waiting]))
    rows = np.concatenate([rows for rows, _ in waiting])
    np.maximum.at(best, rows, found)
