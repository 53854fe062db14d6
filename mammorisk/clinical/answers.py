"""Answers: checked questionnaires as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.records.questionnaire_fields import CATEGORIES

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]


class Answers:
    """Fields of a typed questionnaire table.

    A field that is not in the table is unknown for every woman.

    Parameters
    ----------
    frame : DataFrame
        Result of :func:`mammorisk.records.questionnaire_table.check_frame`.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __len__(self) -> int:
        return len(self._frame)

    def take(self, rows: Mask) -> Answers:
        return Answers(self._frame[rows])

    def has(self, field: str) -> bool:
        """Whether the table has a column for the field."""
        return field in self._frame

    def number(self, field: str) -> NDArray[np.float64]:
        """Numbers, or 1/0 for yes/no; NaN where unknown."""
        if field not in self._frame:
            return np.full(len(self), np.nan)
        return self._frame[field].to_numpy(dtype=np.float64)

    def codes(self, field: str) -> NDArray[np.int64]:
        """Position in ``CATEGORIES[field]``; -1 where unknown."""
        if field not in self._frame:
            return np.full(len(self), -1)
        return self._frame[field].cat.codes.to_numpy().astype(np.int64)

    def is_in(self, field: str, *values: str) -> Mask:
        """Whether the answer is known and one of the values."""
        return np.isin(self.codes(field), [CATEGORIES[field].index(value) for value in values])

    def lookup(self, field: str, values: dict[str, Any], unknown: Any) -> NDArray[Any]:
        """``values[answer]`` by woman, ``unknown`` where it is not known or not a key."""
        table = [values.get(category, unknown) for category in CATEGORIES[field]]
        return np.array([*table, unknown])[self.codes(field)]

    def yes(self, field: str) -> Mask:
        return np.asarray(self.number(field) == 1)

    def unknown(self, field: str) -> Mask:
        if field in CATEGORIES:
            return self.codes(field) < 0
        return np.isnan(self.number(field))

    @property
    def age(self) -> NDArray[np.float64]:
        return self.number("age")

    @property
    def completed_age(self) -> NDArray[np.float64]:
        """Age at the last birthday, as calculators ask for it."""
        return np.floor(self.age)

    def objects(self, field: str) -> list[Any]:
        """Answers as Python objects (ages at onset); None where unknown."""
        return list(self._frame[field]) if field in self._frame else [None] * len(self)


def any_biopsy(women: Answers) -> NDArray[np.float64]:
    """Whether each woman had a breast biopsy: 1 yes, 0 no, NaN unknown.

    Atypical hyperplasia and LCIS are diagnosed by biopsy.
    """
    count = women.number("biopsies")
    known = np.where(np.isnan(count), np.nan, (count > 0).astype(float))
    return np.where(women.yes("atypical_hyperplasia") | women.yes("lcis"), 1.0, known)
