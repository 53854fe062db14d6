"""Columns of a table of embeddings, and the checks of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk.errors import EmbeddingError
from mammorisk.inputs.acquisition_table import CATEGORIES as ACQUISITION_CATEGORIES
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.records.cohort import KEYS

if TYPE_CHECKING:
    import pandas as pd

#: Columns that identify a row, and the one that names the encoder.
ROW = (*KEYS, "view", "laterality", "years_before")
ENCODER = "encoder"
#: Codes of the warnings about the view, separated by commas; not in every table.
CODES = "warning_codes"
#: Acquisition of the view, from the image header; not in every table.
IMPLANT = "implant"
ACQUISITION: tuple[str, ...] = (*ACQUISITION_NUMBERS, *ACQUISITION_CATEGORIES, IMPLANT)
#: ``view`` of a row for a whole exam. Such a row has no laterality.
POOLED = "pooled"
#: View names (DICOM CID 4014) and sides.
VIEW_NAMES = frozenset(
    {"CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "ISO", "XCCL", "XCCM", "XCC", "AT"}
)
SIDES = frozenset({"L", "R"})
FEATURE = "feature_"
#: Rows named in an error.
_ROWS_NAMED = 5


def feature_columns(names: Iterable[str]) -> list[str]:
    """Return the names ``feature_0``, ``feature_1`` ... in order of their number."""
    found = [n for n in names if n.startswith(FEATURE) and n.removeprefix(FEATURE).isdigit()]
    return sorted(found, key=lambda name: int(name.removeprefix(FEATURE)))


def feature_matrix(table: pd.DataFrame) -> NDArray[np.float32]:
    """Return the features of a table, shape (n, n_features)."""
    return table[feature_columns(table.columns)].to_numpy(dtype=np.float32)


def check_rows(table: pd.DataFrame, *, first_row: int = 0) -> None:
    """Check keys, views and features of a table with the columns of this package.

    Parameters
    ----------
    table : DataFrame
    first_row : int
        Number of the first row in messages. Messages name rows by number, not by identity.

    Raises
    ------
    EmbeddingError
        A key is missing, a view or side is unknown, a row occurs twice, or a feature is not a
        finite number.
    """
    for key in KEYS:
        _refuse(table[key].isna().to_numpy(), f"rows have no {key}", first_row)
    is_pooled = (table["view"] == POOLED).to_numpy()
    known = (table["view"].isin(VIEW_NAMES) & table["laterality"].isin(SIDES)).to_numpy()
    _refuse(
        ~(known | (is_pooled & table["laterality"].isna().to_numpy())),
        "rows have an unknown view or laterality",
        first_row,
        "Views are CC, MLO ... (DICOM CID 4014), lateralities L and R. A row for a whole exam has "
        f"the view {POOLED!r} and no laterality.",
    )
    _refuse(
        table.duplicated(subset=[*ROW]).to_numpy(),
        "rows repeat the patient, exam, view, laterality and years_before of an earlier row",
        first_row,
        "Keep one image of each view.",
    )
    _refuse(
        np.asarray(~np.isfinite(feature_matrix(table)).all(axis=1)),
        "rows have features that are missing or infinite",
        first_row,
        "Leave out the rows of views that could not be embedded.",
    )


def _refuse(bad: NDArray[np.bool_], what: str, first_row: int, remedy: str | None = None) -> None:
    if not bad.any():
        return
    places = np.flatnonzero(bad)
    named = ", ".join(str(first_row + place) for place in places[:_ROWS_NAMED])
    more = f" and {len(places) - _ROWS_NAMED} more" if len(places) > _ROWS_NAMED else ""
    raise EmbeddingError(
        f"{len(places)} {what}: row {named}{more}", where="embeddings", remedy=remedy
    )
