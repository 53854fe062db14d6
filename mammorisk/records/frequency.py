"""Frequency weights: the number of equal women for whom a row stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.errors import EvaluationError
from mammorisk.records.follow_up import as_numbers

#: Rows that can be written out.
MOST_ROWS = 50_000_000
COLUMN = "frequency_weight"


def read_counts(column: Any) -> NDArray[np.int64]:
    """Read whole numbers of women.

    Parameters
    ----------
    column : array_like, shape (n,)

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    EvaluationError
        A value is missing, negative or no whole number, all are 0, or the sum is too large.
    """
    numbers, _ = as_numbers(column)
    wrong = ~(np.isfinite(numbers) & (numbers >= 0) & (np.floor(numbers) == numbers))
    if wrong.any():
        raise EvaluationError(
            f"{int(wrong.sum())} values are no whole numbers of women, the first at position "
            f"{int(np.argmax(wrong))}",
            where=COLUMN,
            remedy="Give sampling weights as weight.",
        )
    total = int(numbers.sum())
    if not 0 < total <= MOST_ROWS:
        raise EvaluationError(
            f"the rows stand for {total:,} women; from 1 to {MOST_ROWS:,} can be written out",
            where=COLUMN,
        )
    return numbers.astype(np.int64)


def copies(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number each repetition of a position, from 0, in order.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.records.frequency import copies
    >>> copies(np.array([0, 1, 1, 4, 4, 4]))
    array([0, 0, 1, 0, 1, 2])
    """
    import pandas as pd

    number = pd.Series(positions).groupby(positions).cumcount()
    return np.asarray(number, dtype=np.int64)
