"""DatasetCheck: parts of a release that are in a folder."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mammorisk.datasets.card import DatasetCard


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetCheck:
    """Result of ``check(root)`` of a data set.

    Attributes
    ----------
    card : DatasetCard
    table : DataFrame
        One row for each table and for the images: ``part``, ``state`` (``"complete"``,
        ``"incomplete"``, ``"missing"``, ``"unreadable"``), ``detail``.
    is_usable : bool
        Whether the cohort can be read: all required tables and columns exist.

    See Also
    --------
    mammorisk.datasets : Cohorts that can be checked.
    """

    card: DatasetCard
    table: pd.DataFrame
    is_usable: bool

    def __repr__(self) -> str:
        lines = [f"<{self.card.name}: {'usable' if self.is_usable else 'not usable'}>"]
        lines += [f"  {part}: {state}. {detail}" for part, state, detail in self.table.to_numpy()]
        lines.append(f"  terms: {self.card.terms}")
        if not self.is_usable:
            lines.append(f"  get it: {self.card.download}")
        return "\n".join(lines)
