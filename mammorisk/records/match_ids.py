"""Ids of two tables: do they meet, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Under this share of the smaller table, those that meet may do so by accident.
FEWEST_MET = 0.5
#: Characters of an id that a message shows.
_SHOWN = 24
_JOIN = "\x1f"


@dataclass(frozen=True, kw_only=True)
class IdMatch:
    """How the ids of one table meet those of another.

    Attributes
    ----------
    met, left, right : int
        Ids of the left table that the right one has, and ids of either.
    problem : str or None
        Why the tables cannot be joined, with an example of each side.
    remedy : str
    note : str or None
        What to say where they can be joined and some ids do not meet.
    """

    met: int
    left: int
    right: int
    problem: str | None
    remedy: str = ""
    note: str | None = None


def id_columns(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Ids as text: 7 and 7.0 are "7", blanks around are dropped, an empty id is missing."""
    return pd.DataFrame({key: _id_text(table[key]) for key in keys}, index=table.index)


def match_ids(
    left: pd.DataFrame, right: pd.DataFrame, *, names: tuple[str, str] = ("risks", "cohort")
) -> IdMatch:
    """Compare the ids of two tables.

    Parameters
    ----------
    left, right : DataFrame
        As :func:`id_columns` gives them, with the same columns.
    names : tuple of str
        What messages call the tables.

    Returns
    -------
    IdMatch
        With a problem where none meets, where fewer than half of the smaller table do, or where
        some would meet without leading zeros, capitals and punctuation.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.match_ids import id_columns, match_ids
    >>> risks = pd.DataFrame({"patient_id": [7, 8, 100]})
    >>> cohort = pd.DataFrame({"patient_id": ["007", "008", "100"]})
    >>> one, other = (id_columns(table, ["patient_id"]) for table in (risks, cohort))
    >>> match_ids(one, other).problem.split(";")[0]
    '1 of 3 ids of the risks are in the cohort'
    """
    keys = list(left.columns)
    ours, theirs = _joined(left), _joined(right)
    in_theirs = ours.isin(theirs)
    met = int(in_theirs.sum())
    smaller = min(len(ours), len(theirs))
    if met == smaller > 0:
        return IdMatch(met=met, left=len(ours), right=len(theirs), problem=None)
    alone, unmatched = ours[~in_theirs], theirs[~theirs.isin(ours)]
    alike = len(alone) > 0 and len(unmatched) > 0 and _loose(alone).isin(_loose(unmatched)).any()
    is_few = met < FEWEST_MET * smaller or met == 0
    counts = f"{met:,} of {len(ours):,} ids of the {names[0]} are in the {names[1]}"
    if not is_few and not alike:
        note = f"{counts} ({' and '.join(keys)})"
        return IdMatch(met=met, left=len(ours), right=len(theirs), problem=None, note=note)
    if alike:
        rows = _loose(alone).isin(_loose(unmatched))
        shown = alone[rows].iloc[:1]
        other = unmatched[_loose(unmatched).isin(_loose(shown))].iloc[:1]
    else:
        shown, other = alone.iloc[:1], unmatched.iloc[:1]
    example = ""
    if len(shown) and len(other):
        one, another = _show(shown.iloc[0]), _show(other.iloc[0])
        example = (
            f"; {one} of the {names[0]} and {another} of the {names[1]}, for example, do not meet"
        )
    remedy = (
        'Read ids as text in both tables, for example pd.read_csv(..., dtype={"patient_id": str}).'
        if alike
        else f"Give both tables the same {' and '.join(keys)}, or keep the rows that both have."
    )
    return IdMatch(
        met=met, left=len(ours), right=len(theirs), problem=counts + example, remedy=remedy
    )


def _id_text(column: pd.Series) -> pd.Series:
    known = column.notna()
    if column.dtype.kind in "iu":
        return column.astype("string").astype(object).where(known, None)
    if column.dtype.kind == "f":
        values = column.to_numpy(dtype=float, na_value=np.nan)
        whole = np.isfinite(values) & (values == np.floor(values))
        text = column.astype(str).astype(object)
        text[whole] = values[whole].astype(np.int64).astype(str)
        return text.where(known, None)
    if pd.api.types.infer_dtype(column, skipna=True) == "string":
        text = column.astype("str").str.strip().astype(object)
    else:
        text = column.astype(object).map(_one_id, na_action="ignore")
    return text.where(known & (text != ""), None)


def _one_id(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _joined(ids: pd.DataFrame) -> pd.Series:
    """Distinct ids, those with an empty part left out; several columns are joined."""
    known = ids.dropna()
    text = known.iloc[:, 0].astype(str)
    for key in known.columns[1:]:
        text = text + _JOIN + known[key].astype(str)
    return text.drop_duplicates().reset_index(drop=True)


def _loose(text: pd.Series) -> pd.Series:
    """Ids without leading zeros, capitals and punctuation, part by part."""
    plain = text.str.lower().str.replace(rf"[^a-z0-9{_JOIN}]", "", regex=True)
    return plain.str.replace(rf"(^|{_JOIN}|[a-z])0+(?=[0-9])", r"\1", regex=True)


def _show(text: str) -> str:
    return "/".join(repr(part[:_SHOWN]) for part in text.split(_JOIN))
