"""read_answers(): column names, codes for "not known" and improbable values of any table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from mammorisk.errors import QuestionnaireError
from mammorisk.records.answer_doubts import doubt_answers
from mammorisk.records.column_names import ColumnMatch, match_columns
from mammorisk.records.follow_up_doubts import doubt_follow_up, read_events, read_years
from mammorisk.records.questionnaire_fields import is_unknown_word
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

if TYPE_CHECKING:
    import pandas as pd

#: Values that mean "not known", by column.
MissingCodes = Mapping[str, Iterable[Any]]


def read_answers(
    table: pd.DataFrame, missing: MissingCodes | None = None
) -> tuple[pd.DataFrame, tuple[TableWarning, ...]]:
    """Convert a table to the column names and missing values of the package, with warnings.

    Parameters
    ----------
    table : DataFrame
        One row per woman or exam, any columns. It is not changed.
    missing : dict of str to list, optional
        Values that mean "not known" by column, such as ``{"biopsies": [9]}``.

    Returns
    -------
    table : DataFrame
        Same rows and index. Columns that differ from a field only in case, blanks and punctuation
        are renamed. Words for "not known" in outcomes and the values of ``missing`` are empty.
        Words for events are numbers. Other values are not changed.
    warnings : tuple of TableWarning

    Raises
    ------
    QuestionnaireError
        Two columns match the same field, or a column in ``missing`` does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.read_answers import read_answers
    >>> women = pd.DataFrame({"Age": [54, 61], "biopsies": [9, 0]})
    >>> table, warnings = read_answers(women, missing={"biopsies": [9]})
    >>> table["biopsies"].tolist(), [one.warning.code for one in warnings]
    ([nan, 0.0], ['column-renamed'])
    """
    table, warnings = read_field_names(table)
    table = _without_codes(table, missing or {})
    for name, read in (("event", read_events), ("time", read_years), ("entry", read_years)):
        if name in table.columns:
            table = table.assign(**{name: read(table[name])})
    return table, (*warnings, *doubt_answers(table), *doubt_follow_up(table))


def read_field_names(table: pd.DataFrame) -> tuple[pd.DataFrame, list[TableWarning]]:
    """Rename columns that are nearly fields, and tell of those that only look like one.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    table : DataFrame
    warnings : list of TableWarning

    Raises
    ------
    QuestionnaireError
        Two columns would be the same field.
    """
    match = match_columns(table.columns)
    if match.renamed:
        table = table.rename(columns={name: match.renamed.get(str(name), name) for name in table})
    return table, _tell_names(table, match)


def with_table_warnings(own: pd.Series, told: Iterable[TableWarning]) -> pd.Series:
    """Warnings of each row, followed by those about the table that concern the row.

    Parameters
    ----------
    own : Series of tuple of ResultWarning
    told : iterable of TableWarning

    Returns
    -------
    Series of tuple of ResultWarning
    """
    for one in told:
        if one.rows is not None:
            more = [
                (*found, one.warning) if row else found
                for found, row in zip(own, one.rows, strict=True)
            ]
            own = own.copy()
            own[:] = more
    return own


def _tell_names(table: pd.DataFrame, match: ColumnMatch) -> list[TableWarning]:
    everyone = np.ones(len(table), dtype=bool)
    found = []
    for name, field in match.renamed.items():
        text = f"the column {name!r} was read as {field}"
        found.append(TableWarning(warning=make_warning("column-renamed", text), rows=everyone))
    for name, field in match.look_alikes.items():
        text = f"the column {name!r} was not read; rename it if it is {field}"
        rows = table[name].notna().to_numpy(dtype=bool)
        if rows.any():
            found.append(TableWarning(warning=make_warning("column-not-read", text), rows=rows))
    return found


def _without_codes(table: pd.DataFrame, missing: MissingCodes) -> pd.DataFrame:
    if not isinstance(missing, Mapping):
        raise QuestionnaireError(
            "missing is not a dictionary",
            where="missing",
            remedy='Pass, for example, missing={"biopsies": [9]}.',
        )
    for name, codes in missing.items():
        if name not in table.columns:
            raise QuestionnaireError(
                f"the table has no column {name!r}",
                where="missing",
                remedy="Name columns as the package does, for example biopsies.",
            )
        values = [codes] if isinstance(codes, (str, Real)) else list(codes)
        rows = table[name].isin(_spellings(values)).to_numpy(dtype=bool)
        if rows.any():
            table = table.assign(**{name: table[name].mask(rows)})
    return table


def is_code(value: object, codes: Iterable[Any]) -> bool:
    """Whether a single answer is one of the values that mean "not known"."""
    return value in _spellings(list(codes))


def _spellings(values: list[Any]) -> list[Any]:
    """Return a code as a number and as text, because a column with a single word is text."""
    found = []
    for value in values:
        found.append(value)
        try:
            number = float(value)
        except (TypeError, ValueError):
            if isinstance(value, str) and not is_unknown_word(value):
                found += [value.strip().lower(), value.strip().upper()]
            continue
        found += [number, f"{number:g}", f"{number:g}.0", str(value)]
    return found
