"""Exclusions: rows of a release that are not in the cohort, with reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

#: Columns of the table of excluded rows.
COLUMNS = ("table", "line", "reason", "patient_id", "exam_id")


@dataclass(kw_only=True)
class Exclusions:
    """Account of the rows of each table: rows read = rows kept + rows excluded.

    The index of a table is the line of each row in its file, so that an excluded row can be found.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.datasets.exclusions import Exclusions
    >>> exclusions = Exclusions()
    >>> images = pd.DataFrame({"patient_id": ["a", "b"], "view": ["CC", "AT"]}, index=[2, 3])
    >>> exclusions.start("images", images)
    >>> images = exclusions.drop("images", images, images["view"] == "AT", "view AT")
    >>> exclusions.counts()
        table   reason  rows  women
    0  images  view AT     1      1
    1  images     kept     1      1
    """

    read: dict[str, int] = field(default_factory=dict)
    kept: dict[str, tuple[int, int]] = field(default_factory=dict)
    parts: list[pd.DataFrame] = field(default_factory=list)

    def start(self, table: str, rows: pd.DataFrame) -> None:
        """Note the rows of a table as they were read."""
        self.read[table] = self.read.get(table, 0) + len(rows)
        more = _size(rows)
        had = self.kept.get(table, (0, 0))
        self.kept[table] = (had[0] + more[0], had[1] + more[1])

    def drop(
        self, table: str, rows: pd.DataFrame, excluded: pd.Series | np.ndarray, reason: str
    ) -> pd.DataFrame:
        """Exclude rows.

        Parameters
        ----------
        table : str
        rows : DataFrame
            Remaining rows, index = line in the file.
        excluded : array_like of bool, shape (n,)
            Missing values count as False.
        reason : str

        Returns
        -------
        DataFrame
            The rows that remain.
        """
        out = pd.Series(np.asarray(excluded), index=rows.index).fillna(False).astype(bool)
        mask = out.to_numpy()
        if mask.any():
            gone = rows[mask]
            part = pd.DataFrame({"table": table, "line": gone.index.to_numpy(), "reason": reason})
            for key in ("patient_id", "exam_id"):
                part[key] = gone[key].to_numpy() if key in gone else None
            self.parts.append(part)
            rows = rows[~mask]
        self.kept[table] = _size(rows)
        return rows

    def table(self) -> pd.DataFrame:
        """One row for each excluded row."""
        if not self.parts:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
        return pd.concat([part.astype(object) for part in self.parts], ignore_index=True)

    def counts(self) -> pd.DataFrame:
        """Rows and women by table and reason; ``"kept"`` are the remaining rows of a table."""
        gone = self.table()
        found = []
        for table in self.read:
            of_table = gone[gone["table"] == table]
            for reason, rows in of_table.groupby("reason", sort=False):
                found.append((table, reason, len(rows), rows["patient_id"].nunique()))
            found.append((table, "kept", *self.kept[table]))
        return pd.DataFrame(found, columns=["table", "reason", "rows", "women"])


def _size(rows: pd.DataFrame) -> tuple[int, int]:
    return len(rows), rows["patient_id"].nunique() if "patient_id" in rows else 0
