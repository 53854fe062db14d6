"""Rows of a cohort that are excluded from a fit, counted by reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk.records.sex import male_rows
from mammorisk.warnings import CODES, Warnings

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


#: Reasons for men, by their source. The code of the warning is one for both.
MALE_IN_TABLE = "the table says that the patient is male"
MALE_IN_HEADER = "the header says that the patient is male"


class Exclusions:
    """Rows that are excluded from a fit, with counts by reason.

    Parameters
    ----------
    n : int

    Attributes
    ----------
    rows : ndarray of bool, shape (n,)
        Excluded rows.
    counts : dict of str to int
        Number of rows by reason. A row with several reasons counts only for the first one added.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.training.exclusions import Exclusions
    >>> left_out = Exclusions(3)
    >>> left_out.add(np.array([True, False, False]), "not for women with LCIS")
    >>> left_out.add(np.array([True, True, False]), "weight 0")
    >>> left_out.rows
    array([ True,  True, False])
    >>> left_out.counts
    {'not for women with LCIS': 1, 'weight 0': 1}
    """

    def __init__(self, n: int) -> None:
        self.rows: NDArray[np.bool_] = np.zeros(n, dtype=bool)
        self.counts: dict[str, int] = {}

    def add(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Exclude some rows.

        Parameters
        ----------
        rows : ndarray of bool, shape (n,)
        reason : str
        """
        new = rows & ~self.rows
        if new.any():
            self.counts[reason] = self.counts.get(reason, 0) + int(new.sum())
            self.rows = self.rows | new

    def add_rows_of(self, cohort: Cohort) -> None:
        """Exclude rows in error, and those of men by their table.

        Parameters
        ----------
        cohort : Cohort, n exams
        """
        self.add((cohort.errors != "").to_numpy(dtype=bool), CODES["row-invalid"].meaning)
        self.add(male_rows(cohort.exams), MALE_IN_TABLE)

    def add_men(self, male: NDArray[np.bool_]) -> None:
        """Exclude exams of men by their header.

        Parameters
        ----------
        male : ndarray of bool, shape (n,)
        """
        self.add(male, MALE_IN_HEADER)

    def add_refusals(self, refusals: Iterable[Warnings]) -> None:
        """Exclude women whom the model refuses. Each counts for her first reason.

        Parameters
        ----------
        refusals : iterable of tuple of ResultWarning, length n
            Empty where the model applies.
        """
        first = np.array([found[0].text if found else "" for found in refusals], dtype=object)
        for reason in dict.fromkeys(text for text in first if text):
            self.add(np.asarray(first == reason), reason)
