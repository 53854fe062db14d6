"""Facts: women, splits and follow-up of the rows of a cohort, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.records.follow_up import CANCER, check_follow_up
from mammorisk.records.frequency import COLUMN
from mammorisk.records.match_ids import id_columns
from mammorisk.records.outcome import Outcome
from mammorisk.records.split_words import split_words

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Words of the column ``split`` for rows that are not used.
UNUSED_WORDS = ("", "none", "unused", "exclude", "excluded")
#: Label of rows without a site, vendor or date.
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What the table of a cohort says about its n rows.

    Attributes
    ----------
    women : ndarray of int, shape (n,)
        Number of the woman; -1 without an id.
    splits : ndarray of object, shape (n,), or None
        Word of the split in lower case, ``""`` for rows that are not used; None without the column.
    time, event, entry, weight : ndarray, shape (n,)
        As in :class:`~mammorisk.Outcome`; NaN where unknown.
    counts : ndarray of int, shape (n,)
        Number of women for whom a row stands (``frequency_weight``).
    has_outcomes, is_weighted, is_counted : bool
        Whether there are columns of outcomes, of weights, and of frequency weights.
    """

    women: NDArray[np.int64]
    splits: NDArray[np.object_] | None
    time: Floats
    event: Floats
    entry: Floats
    weight: Floats
    counts: NDArray[np.int64]
    has_outcomes: bool
    is_weighted: bool
    is_counted: bool

    def __len__(self) -> int:
        return len(self.women)

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Rows with an outcome that can be used."""
        known: NDArray[np.bool_] = np.isfinite(self.time) & np.isfinite(self.event)
        known &= self.weight > 0
        return known

    @property
    def is_cancer(self) -> NDArray[np.bool_]:
        return np.asarray(self.is_known & (self.event == CANCER))

    def n_women(self, rows: NDArray[np.bool_]) -> int:
        """Number of women among some rows. Rows that stand for several women are other women."""
        if self.is_counted:
            return int(self.counts[rows].sum())
        there = self.women[rows]
        return len(np.unique(there[there >= 0])) + int((there < 0).sum())

    def outcome(self, rows: NDArray[np.bool_] | None = None) -> Outcome | None:
        """Outcome of the rows in which it is known; None without such a row."""
        use = self.is_known if rows is None else self.is_known & rows
        use &= self.entry < np.maximum(self.time, np.nextafter(0.0, 1.0))
        if not use.any():
            return None
        return Outcome(
            time=self.time[use],
            event=self.event[use].astype(np.int64),
            entry=self.entry[use],
            weight=self.weight[use],
            frequency_weight=self.counts[use] if self.is_counted else None,
        )


def read_facts(cohort: Cohort) -> Facts:
    """Read the facts of a cohort. Values that cannot be used are NaN; nothing is raised."""
    table = cohort.exams
    n = len(table)
    given = {name: table[name] for name in ("time", "event", "entry", "weight") if name in table}
    checked = check_follow_up(given)
    values = {name: numbers.copy() for name, numbers in checked.values.items()}
    for fault in checked.faults:
        values[fault.column][fault.rows] = np.nan
    counts = np.ones(n, dtype=np.int64)
    if COLUMN in table:
        numbers = pd.to_numeric(table[COLUMN], errors="coerce").fillna(0).clip(lower=0)
        counts = np.floor(numbers.to_numpy(dtype=float)).astype(np.int64)
    women = np.arange(n)
    if "patient_id" in table:
        names = id_columns(table, ["patient_id"])["patient_id"]
        women = pd.factorize(names)[0].astype(np.int64)
    splits = None
    words = split_words(table)
    if words is not None:
        splits = words.where(~words.isin(UNUSED_WORDS), "").to_numpy(dtype=object)
    return Facts(
        women=women,
        splits=splits,
        time=values.get("time", np.full(n, np.nan)),
        event=values.get("event", np.full(n, np.nan)),
        entry=np.nan_to_num(values.get("entry", np.zeros(n))),
        weight=np.nan_to_num(values.get("weight", np.ones(n))),
        counts=counts,
        has_outcomes={"time", "event"} <= set(table.columns),
        is_weighted="weight" in table,
        is_counted=COLUMN in table,
    )


def lines_of(cohort: Cohort) -> NDArray[np.int64]:
    """Lines of the manifest; the positions of the rows from 0 if there is no manifest."""
    return np.arange(len(cohort)) if cohort.lines is None else cohort.lines
