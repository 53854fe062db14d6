"""Conversion of tables to text for pages and papers: rounded numbers with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

import pandas as pd

from mammorisk.evaluation.rounding import by_measure, p_value, rounded

#: Estimates with the columns of their limits. The limits are shown with the estimate.
PAIRS: dict[str, tuple[str, str]] = {
    "value": ("lower", "upper"),
    "observed": ("lower", "upper"),
    "net_benefit": ("lower", "upper"),
    "incidence_ratio": ("ratio_lower", "ratio_upper"),
    "difference": ("difference_lower", "difference_upper"),
}
#: Columns of the data that are not shown in tables for readers.
_HIDDEN = (
    *("se", "weight", "feature", "prediction_lower", "prediction_upper"),
    *(limit for pair in PAIRS.values() for limit in pair),
)
_P = ("p", "p_adjusted")
#: Columns of long texts, with the words before the text below the table.
_NOTED = {"interval": "interval: ", "null": "p: ", "reason": ""}
#: Columns whose numbers are not rounded.
_PLAIN = ("horizon", "threshold")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of text: value and interval in one column, counts with separators, p values short.

    Numbers are rounded by :mod:`mammorisk.evaluation.rounding`. Columns without a value are left
    out.
    """
    cells = columns_of_text(table)
    made: dict[str, list[str]] = {}
    for column, texts in cells.items():
        low, high = f"{column}: lower", f"{column}: upper"
        if column.endswith((": lower", ": upper")):
            continue
        made[column] = texts
        if low in cells:
            made[column] = [
                f"{text} ({a} to {b})" if text and a else text
                for text, a, b in zip(texts, cells[low], cells[high], strict=True)
            ]
    shown = pd.DataFrame(made, index=table.index)
    shown.columns = [str(column).replace("_", " ") for column in shown.columns]
    # The column of reasons is shown only if a row has one.
    if "reason" in shown and not any(shown["reason"]):
        shown = shown.drop(columns="reason")
    return shown.loc[:, (shown != "").any(axis=0)]


def columns_of_text(table: pd.DataFrame) -> dict[str, list[str]]:
    """Cells as text by column; limits of ``x`` as ``"x: lower"`` and ``"x: upper"``."""
    found: dict[str, list[str]] = {}
    for column in map(str, table.columns):
        if column in _HIDDEN:
            continue
        values = [_plain(value) for value in table[column].tolist()]
        if column in _P:
            found[column] = [p_value(_number(value)) for value in values]
            continue
        if column in _PLAIN:
            found[column] = [
                f"{value:g}" if _is_number(value) else _word(value) for value in values
            ]
            continue
        pair = PAIRS.get(column)
        if pair is not None and not set(pair) <= set(table.columns):
            pair = None
        decimals = by_measure(table, column, *(pair or (None, None))).tolist()
        found[column] = [
            _cell(value, digits) for value, digits in zip(values, decimals, strict=True)
        ]
        if pair is not None:
            for limit, word in zip(pair, ("lower", "upper"), strict=True):
                found[f"{column}: {word}"] = [
                    rounded(float(end), digits)
                    for end, digits in zip(table[limit].astype(float), decimals, strict=True)
                ]
    return found


def _cell(value: object, decimals: int) -> str:
    if isinstance(value, bool) or not _is_number(value):
        return _word(value)
    if isinstance(value, int):
        return f"{value:,}"
    number = _number(value)
    # Thresholds at which no woman or every woman is positive.
    if math.isinf(number):
        return "all" if number < 0 else "none"
    return rounded(number, decimals)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _word(value: object) -> str:
    return "" if value is None or value is pd.NA else str(value)


def _plain(value: object) -> object:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def as_html(table: pd.DataFrame) -> str:
    """A table of text as HTML; on a narrow page the table scrolls separately.

    Methods of intervals, what p values test, and reasons are listed below the table, by number.
    """
    shown = readable(table)
    cells, legend = with_notes({str(name): shown[name].tolist() for name in shown})
    head = "".join(f"<th>{escape(name)}</th>" for name in cells)
    rows = "".join(
        "<tr>" + "".join(_td(str(cell)) for cell in row) + "</tr>"
        for row in zip(*cells.values(), strict=True)
    )
    table_text = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    below = "; ".join(f"<sup>{number}</sup> {escape(text)}" for text, number in legend.items())
    return f"<div class='wide'><table>{table_text}</table></div>" + (
        f"<p class='legend'>{below}.</p>" if below else ""
    )


#: Shorter cells are not broken; longer ones get a wide column.
_SHORT, _LONG = 14, 40


def _td(text: str) -> str:
    is_number = bool(text) and text[0] in "-<0123456789"
    kind = ""
    if is_number or len(text) <= _SHORT:
        kind = " class='whole'"
    elif len(text) > _LONG:
        kind = " class='long'"
    return f"<td{kind}>{escape(text)}</td>"


def with_notes(cells: Mapping[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Columns of long texts as numbers in one column, ``notes``.

    Parameters
    ----------
    cells : mapping of str to list of str
        Columns of a table of text.

    Returns
    -------
    cells : dict of str to list of str
    legend : dict of str to int
        Number of each text: methods of intervals, what p values test, reasons.

    Examples
    --------
    >>> from mammorisk.evaluation.table_text import with_notes
    >>> with_notes({"value": ["0.7", "0.6"], "interval": ["Wilson", "Wilson"], "reason": ["", "a"]})
    ({'value': ['0.7', '0.6'], 'notes': ['1', '1, 2']}, {'interval: Wilson': 1, 'a': 2})
    """
    columns = [column for column in _NOTED if any(cells.get(column, ()))]
    kept = {name: texts for name, texts in cells.items() if name not in _NOTED}
    if not columns:
        return kept, {}
    legend: dict[str, int] = {}
    notes = []
    for row in zip(*(cells[column] for column in columns), strict=True):
        own = [_NOTED[name] + text for name, text in zip(columns, row, strict=True) if text]
        notes.append(", ".join(str(legend.setdefault(one, len(legend) + 1)) for one in own))
    return kept | {"notes": notes}, legend
