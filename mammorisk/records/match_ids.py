"""Comparison of the ids of two tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Smallest share of matching ids in the smaller table. Fewer may match by accident.
FEWEST_MET = 0.5
#: Largest number of characters of an id in a message.
_SHOWN = 24
_JOIN = "\x1f"


@dataclass(frozen=True, kw_only=True)
class IdMatch:
    """Result of the comparison of the ids of two tables.

    Attributes
    ----------
    met, left, right : int
        Number of ids of the left table that are also in the right one, and number of ids in each.
    problem : str or None
        Reason why the tables cannot be joined, with an example of each table.
    remedy : str
    note : str or None
        Note if the tables can be joined but some ids do not match.
    """

    met: int
    left: int
    right: int
    problem: str | None
    remedy: str = ""
    note: str | None = None


def id_columns(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Convert ids to text: 7 and 7.0 are "7", blanks around are removed, an empty id is missing."""
    return pd.DataFrame({key: _id_text(table[key]) for key in keys}, index=table.index)


def match_ids(
    left: pd.DataFrame, right: pd.DataFrame, *, names: tuple[str, str] = ("risks", "cohort")
) -> IdMatch:
    """Compare the ids of two tables.

    Parameters
    ----------
    left, right : DataFrame
        Results of :func:`id_columns`, with the same columns.
    names : tuple of str
        Names of the tables in messages.

    Returns
    -------
    IdMatch
        It has a problem if no ids match, if fewer than half of those of the smaller table match, or
        if some would match only without leading zeros, capitals and punctuation.

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
    """Return the distinct ids without those with an empty part. Several columns are joined."""
    known = ids.dropna()
    text = known.iloc[:, 0].astype(str)
    for key in known.columns[1:]:
        text = text + _JOIN + known[key].astype(str)
    return text.drop_duplicates().reset_index(drop=True)


def _loose(text: pd.Series) -> pd.Series:
    """Remove leading zeros, capitals and punctuation from each part of ids."""
    plain = text.str.lower().str.replace(rf"[^a-z0-9{_JOIN}]", "", regex=True)
    return plain.str.replace(rf"(^|{_JOIN}|[a-z])0+(?=[0-9])", r"\1", regex=True)


def _show(text: str) -> str:
    return "/".join(repr(part[:_SHOWN]) for part in text.split(_JOIN))
