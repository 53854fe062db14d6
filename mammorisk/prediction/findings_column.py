"""Findings in a file of risks: a column with the JSON of each exam, and the table made from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mammorisk._utils.text import text_array
from mammorisk.errors import MammoriskError
from mammorisk.findings.exam_score import highest_score
from mammorisk.findings.finding import Finding
from mammorisk.findings.findings import COLUMNS, Findings
from mammorisk.records.cohort import KEYS
from mammorisk.warnings import Warnings, join_codes, join_text, make_warning

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a file of risks: JSON of the findings or of the error, and the highest score.
COLUMN, HIGHEST = "findings", "highest_score"
#: Start of the text of an error.
_ERROR = '{"error":'
#: Numbers that JSON states as null.
_MAYBE_NAN = ("depth", "pair_probability", "p_malignant")


def add_findings(table: pd.DataFrame, results: Sequence[Findings | MammoriskError | None]) -> None:
    """Add the columns ``findings`` and ``highest_score`` to a table of risks.

    Parameters
    ----------
    table : DataFrame, n rows
    results : sequence of Findings, MammoriskError or None, length n
        Result of the search in each exam, or the reason why there is none. None without an exam.
    """
    found = [one if isinstance(one, Findings) else None for one in results]
    table[HIGHEST] = [float("nan") if one is None else highest_score(one.views) for one in found]
    table[COLUMN] = text_array(None if one is None else _text(one) for one in results)


def _text(result: Findings | MammoriskError) -> str:
    told = {"error": result.to_dict()} if isinstance(result, MammoriskError) else result.to_dict()
    return json.dumps(told, allow_nan=False)


def is_searched(column: pd.Series) -> pd.Series:
    """Whether the exam of each row was searched.

    Parameters
    ----------
    column : Series of str
        Column ``findings``.

    Returns
    -------
    Series of bool
    """
    return column.notna() & ~column.fillna("").str.startswith(_ERROR)


def read_findings(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Read the findings of tables of risks.

    Parameters
    ----------
    tables : iterable of DataFrame
        Tables with the columns of :func:`add_findings`.

    Returns
    -------
    DataFrame
        As :func:`mammorisk.find` returns it for a cohort.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    searched: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    keys: list[str] = []
    for table in tables:
        keys = [name for name in KEYS if name in table.columns]
        for row in table[[*keys, HIGHEST, COLUMN]].dropna(subset=[COLUMN]).to_dict("records"):
            key = {name: None if pd.isna(row[name]) else row[name] for name in keys}
            result = json.loads(row[COLUMN])
            if "error" in result:
                errors.append(key | result["error"])
                continue
            searched.append(key | _exam(result, row[HIGHEST]))
            found = [_finding(one) for one in result["findings"]]
            rows += [key | {name: getattr(one, name) for name in COLUMNS} for one in found]
    made = pd.DataFrame(rows, columns=[*keys, *COLUMNS])
    numbers = [*_MAYBE_NAN, "score", "size_mm"]
    made = made.astype(dict.fromkeys(numbers, float)) if rows else made
    made.attrs["errors"] = errors
    made.attrs["exams"] = searched
    return made


def _exam(result: Mapping[str, Any], highest: float) -> dict[str, Any]:
    told = _warnings(result)
    score = result["exam_score"]
    return {
        "highest_score": highest,
        "exam_score": float("nan") if score is None else score,
        "warnings": join_text(told),
        "warning_codes": join_codes(told),
    }


def _finding(stored: Mapping[str, Any]) -> Finding:
    """A finding from its JSON."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    values |= {name: float("nan") for name in _MAYBE_NAN if values[name] is None}
    return Finding(**values | {"warnings": _warnings(stored)})


def _warnings(stored: Mapping[str, Any]) -> Warnings:
    return tuple(
        make_warning(one["code"], one["text"], view=one["view"]) for one in stored["warnings"]
    )
