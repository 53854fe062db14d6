"""Acquisition parameters of views as a table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from mammorisk.records.acquisition import Acquisition

#: Columns that networks may use.
NUMBERS = ["thickness_mm", "force_n", "kvp", "mas", "glandular_dose_mgy"]
CATEGORIES = ["manufacturer", "anode", "filter"]


def acquisition_table(acquisitions: Iterable[Acquisition | None]) -> pd.DataFrame:
    """Create a table with one row per view; None gives a row of unknown values.

    Parameters
    ----------
    acquisitions : iterable of Acquisition or None

    Returns
    -------
    DataFrame
        Columns :data:`NUMBERS` (N, mm, kV, mAs, mGy) and :data:`CATEGORIES`.
    """
    rows = [
        [getattr(one, name) if one is not None else None for name in (*NUMBERS, *CATEGORIES)]
        for one in acquisitions
    ]
    table = pd.DataFrame(rows, columns=[*NUMBERS, *CATEGORIES])
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table
