"""TableWarning: what must be said of a table as a whole, and the rows that it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.warnings import ResultWarning


@dataclass(frozen=True, kw_only=True, eq=False)
class TableWarning:
    """One thing to know about a table.

    Attributes
    ----------
    warning : ResultWarning
        With the evidence and the remedy. The result of each row concerned carries the same record.
    rows : ndarray of bool, shape (n,), or None
        The rows concerned; None where it is about the table and not about the risk of a row.
    """

    warning: ResultWarning
    rows: NDArray[np.bool_] | None = None


def take_rows(warnings: Iterable[TableWarning], places: NDArray[Any]) -> tuple[TableWarning, ...]:
    """The warnings that concern some of the rows, for a table of these rows alone."""
    found = []
    for one in warnings:
        rows = None if one.rows is None else one.rows[places]
        if rows is None or rows.any():
            found.append(replace(one, rows=rows))
    return tuple(found)
