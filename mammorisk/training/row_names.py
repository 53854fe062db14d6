"""Rows of a cohort in messages, without identifiers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: Number of rows that a message names.
_NAMED = 20


def row_names(rows: Iterable[int], lines: NDArray[np.int64] | None) -> str:
    """Name rows by their lines in the manifest, or by their positions if there is none.

    Parameters
    ----------
    rows : iterable of int
    lines : ndarray of int or None
        :attr:`mammorisk.Cohort.lines`.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.training.row_names import row_names
    >>> row_names([3, 0], np.array([2, 3, 4, 6]))
    'lines 2, 6 of the manifest'
    >>> row_names([3], None)
    'rows 3 (counted from 0)'
    """
    found = sorted({int(row) if lines is None else int(lines[row]) for row in rows})
    shown = ", ".join(str(one) for one in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    if lines is None:
        return f"rows {shown}{more} (counted from 0)"
    return f"lines {shown}{more} of the manifest"
