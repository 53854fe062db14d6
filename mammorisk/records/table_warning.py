"""TableWarning: a warning about a table, with the rows concerned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.warnings import ResultWarning


@dataclass(frozen=True, kw_only=True, eq=False)
class TableWarning:
    """A warning about a table.

    Attributes
    ----------
    warning : ResultWarning
        Warning with the evidence and the remedy. The result of each row concerned has the same
        record.
    rows : ndarray of bool, shape (n,), or None
        Rows concerned. None if the warning is about the table and not about the risk of a row.
    """

    warning: ResultWarning
    rows: NDArray[np.bool_] | None = None


def take_rows(warnings: Iterable[TableWarning], places: NDArray[Any]) -> tuple[TableWarning, ...]:
    """Return the warnings for a table that contains only some of the rows."""
    found = []
    for one in warnings:
        rows = None if one.rows is None else one.rows[places]
        if rows is None or rows.any():
            found.append(replace(one, rows=rows))
    return tuple(found)
