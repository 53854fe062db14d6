"""CohortFindings: gathers the findings of the exams of a cohort into one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mammorisk.errors import MammoriskError
from mammorisk.findings.candidate import TYPES
from mammorisk.findings.exam_score import highest_score
from mammorisk.findings.findings import COLUMNS, Findings
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.warnings import join_codes, join_text

if TYPE_CHECKING:
    import pandas as pd


class CohortFindings:
    """Gathers the findings of exams, and the errors of those that cannot be searched.

    Parameters
    ----------
    cohort : Cohort
    types : sequence of str
        Types that count for the highest score of an exam.
    """

    def __init__(self, cohort: Cohort, types: Sequence[str] = TYPES) -> None:
        self._exams = cohort.exams
        self._types = types
        self._keys = [name for name in KEYS if name in cohort.exams.columns]
        self._tables: list[pd.DataFrame] = []
        self._searched: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []

    def add(self, row: int, found: Findings) -> None:
        """Add the findings of the exam in a row of the cohort."""
        keys = self._keys_of(row)
        self._searched.append(
            keys
            | {
                "highest_score": highest_score(found.views, self._types),
                "exam_score": found.exam_score,
                "warnings": join_text(found.warnings),
                "warning_codes": join_codes(found.warnings),
            }
        )
        if len(found):
            table = found.table
            for place, (name, value) in enumerate(keys.items()):
                table.insert(place, name, value)
            self._tables.append(table)

    def fail(self, row: int, error: MammoriskError) -> None:
        """Add the error of the exam in a row of the cohort."""
        self._errors.append(self._keys_of(row) | error.to_dict())

    def table(self) -> pd.DataFrame:
        """Return one row per finding, as :func:`mammorisk.find` does for a cohort."""
        import pandas as pd

        made = (
            pd.concat(self._tables, ignore_index=True)
            if self._tables
            else pd.DataFrame(columns=[*self._keys, *COLUMNS])
        )
        # Records of plain types, because pandas compares attributes when it joins tables.
        made.attrs["errors"] = self._errors
        made.attrs["exams"] = self._searched
        return made

    def _keys_of(self, row: int) -> dict[str, Any]:
        # A table of several columns would convert an integer to a float.
        return {name: _plain(self._exams[name].iloc[row]) for name in self._keys}


def _plain(value: Any) -> Any:
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
