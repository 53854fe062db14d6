"""Tables from files: CSV as spreadsheets and statistics packages write it, Parquet, Excel, Stata,
SAS and SPSS.

Fields never move to another column: the fields of each line are counted first.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.optional import require
from mammorisk.errors import ManifestError

#: The extra of this package that reads Excel, Stata, SAS and SPSS.
EXTRA = "tables"
_SEPARATORS = (",", ";", "\t", "|")
#: Empty cells. Other words for "not known" are interpreted later by column. pandas would treat
#: "None" as an empty cell, although it may mean 0.
_EMPTY = ["", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>"]
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
#: Number of rows that are checked for decimal commas.
_ROWS_SAMPLED = 1000
#: Modules whose errors mean a damaged spreadsheet or file of a statistics package.
_LIBRARIES = ("openpyxl", "pyreadstat", "zipfile", "xml", "zlib", "struct")
#: Lines named in an error.
_LINES_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class TableFile:
    """A table as in the file.

    Attributes
    ----------
    table : DataFrame
        Index 0 ... n-1. The requested text columns are text; empty cells are missing.
    lines : ndarray of int, shape (n,)
        Line of each row in the file; the header is line 1. For files without lines, the row as in a
        spreadsheet.
    short : ndarray of bool, shape (n,)
        Rows whose line has fewer fields than the header. The missing fields are empty.
    """

    table: pd.DataFrame
    lines: NDArray[np.int64]
    short: NDArray[np.bool_]


def read_table_file(path: Path, text_columns: Sequence[str] = ()) -> TableFile:
    """Read a table from a file in any supported format.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (any of them with ``.gz``), ``.parquet``, ``.xlsx``, ``.dta``,
        ``.sas7bdat``, ``.xpt`` or ``.sav``. Any other name is read as CSV. The separator of a CSV
        (comma, semicolon, tab or bar) is taken from its header line, or from a first line such as
        ``sep=;``. With another separator than a comma, decimal commas are read.
    text_columns : sequence of str
        Columns that are kept as text, such as ids: 007 is not 7. Names are compared without case,
        blanks and punctuation.

    Returns
    -------
    TableFile

    Raises
    ------
    ManifestError
        The file cannot be read in its format, is not UTF-8, has a column twice, or has rows that
        are longer than the header.
    MissingDependency
        The library for the format is not installed.
    """
    kind = path.suffix.lower()
    if kind in (".parquet", ".pq"):
        table = _guarded(path, lambda: pd.read_parquet(path).reset_index(drop=True))
    elif kind in (".xlsx", ".xlsm"):
        require("openpyxl", EXTRA, what="reading Excel files")
        table = _guarded(path, lambda: pd.read_excel(path, dtype=object, engine="openpyxl"))
    elif kind in (".dta", ".sas7bdat", ".xpt", ".sav", ".zsav"):
        require("pyreadstat", EXTRA, what=f"reading {kind} files")
        table = _guarded(path, lambda: _read_statistics(path, kind))
    elif kind in (".xls", ".ods", ".rds", ".rda", ".rdata"):
        raise ManifestError(
            f"{kind} files are not read",
            where=path.name,
            remedy="Save the table as CSV, Parquet or .xlsx.",
        )
    else:
        return _read_text(path, text_columns)
    read = as_read(table, text_columns, where=path.name)
    if kind in (".xlsx", ".xlsm"):
        there = read.table.notna().any(axis=1).to_numpy()
        table = read.table[there].reset_index(drop=True).infer_objects()
        read = TableFile(table=table, lines=read.lines[there], short=read.short[there])
    return read


def as_read(table: pd.DataFrame, text_columns: Sequence[str] = (), *, where: str) -> TableFile:
    """A table in memory, as if it had been read from a file.

    Parameters
    ----------
    table : DataFrame
    text_columns : sequence of str
        See :func:`read_table_file`.
    where : str
        Name of the table in messages.

    Raises
    ------
    ManifestError
        A column appears twice.
    """
    _refuse_doubled([str(name) for name in table.columns], where)
    ids = {_plain(name) for name in text_columns}
    table = table.reset_index(drop=True)
    table = table.assign(
        **{name: id_text(table[name]) for name in table.columns if _plain(name) in ids}
    )
    return TableFile(
        table=table,
        # Line 1 is the header, as in a CSV.
        lines=np.arange(2, len(table) + 2),
        short=np.zeros(len(table), dtype=bool),
    )


def id_text(column: pd.Series) -> pd.Series:
    """Convert ids to text without blanks around them. Empty ids are missing; 7.0 is "7"."""

    if pd.api.types.is_string_dtype(column) and column.dtype != object:
        text = column.str.strip()
        return text.mask(text == "")

    def read(value: object) -> str | None:
        if value is None or pd.isna(value):  # type: ignore[call-overload]
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value).strip() or None

    # The text type depends on the version of pandas.
    return pd.Series([read(value) for value in column.astype(object)], index=column.index)


def _guarded(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    try:
        table = read()
    except (ValueError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    except Exception as error:
        # The libraries of spreadsheets and statistics packages have errors of their own.
        if type(error).__module__.partition(".")[0] in _LIBRARIES:
            raise _unreadable(path, error) from None
        raise
    return table


def _unreadable(path: Path, error: Exception) -> ManifestError:
    return ManifestError(
        f"the table cannot be read ({type(error).__name__})",
        where=path.name,
        remedy="Give a CSV with a header line, or a Parquet file.",
    )


def _read_statistics(path: Path, kind: str) -> pd.DataFrame:
    """Read a file of Stata, SAS or SPSS: value labels become text, user-missing values empty."""
    import pyreadstat

    readers: dict[str, Any] = {
        ".dta": pyreadstat.read_dta,
        ".sas7bdat": pyreadstat.read_sas7bdat,
        ".xpt": pyreadstat.read_xport,
        ".sav": pyreadstat.read_sav,
        ".zsav": pyreadstat.read_sav,
    }
    options = {} if kind == ".xpt" else {"apply_value_formats": True, "formats_as_category": False}
    table: pd.DataFrame = readers[kind](str(path), **options)[0]
    return table.reset_index(drop=True)


def _read_text(path: Path, text_columns: Sequence[str]) -> TableFile:
    text = _decode(path)
    # splitlines would also split at form feeds and other characters inside cells.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not any(line.strip() for line in lines):
        raise ManifestError(
            "the table cannot be read: the file is empty",
            where=path.name,
            remedy="Give a CSV with a header line.",
        )
    first = 0
    separator = None
    stated = re.fullmatch(r'"?sep=(.)"?[,;\t ]*', lines[0].strip("\ufeff")) if lines else None
    if stated:
        separator, first = stated.group(1), 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    if separator is None:
        separator = max(_SEPARATORS, key=lambda one: _fields(lines[first], one))
    if '"' in text:
        rows, at = _parse_quoted(lines, first, separator, path.name)
        counts = np.array([len(row) for row in rows])
        body = io.StringIO()
        csv.writer(body, delimiter=separator).writerows(rows)
        names = rows[0]
    else:
        at = [i for i in range(first, len(lines)) if lines[i].strip()]
        kept = [lines[i] for i in at]
        counts = np.array([line.count(separator) for line in kept]) + 1
        body = io.StringIO("\n".join(kept) + "\n")
        names = kept[0].split(separator)
    names = [name.strip() for name in names]
    while names and not names[-1]:
        # A separator at the end of the header.
        names.pop()
    names = [name or f"unnamed_{i + 1}" for i, name in enumerate(names)]
    _refuse_doubled(names, path.name)
    table = _parse(body, names, int(counts.max()), separator, text_columns, path)
    numbers = np.array(at[1:], dtype=np.int64) + 1
    width = len(names)
    _refuse_surplus(table.iloc[:, width:], numbers, width, path.name)
    return TableFile(table=table.iloc[:, :width].copy(), lines=numbers, short=counts[1:] < width)


def _decode(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if path.suffix.lower() == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from None
    # Only Excel's "Unicode text" is UTF-16, and it always has this mark.
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise ManifestError(
            "the table is not UTF-8 text", where=path.name, remedy="Save it as UTF-8."
        ) from None


def _fields(line: str, separator: str) -> int:
    """Count the fields of a header line. Quoted separators do not count."""
    return len(next(csv.reader([line], delimiter=separator), []))


def _parse_quoted(
    lines: list[str], first: int, separator: str, where: str
) -> tuple[list[list[str]], list[int]]:
    """Return the rows of a CSV with quoted fields, and the position of the last line of each."""
    reader = csv.reader((line + "\n" for line in lines[first:]), delimiter=separator, strict=True)
    rows, at = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                at.append(first + reader.line_num - 1)
    except csv.Error:
        raise ManifestError(
            f"a quoted field is not closed, at or after line {(at[-1] + 2) if at else first + 1}",
            where=where,
            remedy="Double the quotation marks inside of fields.",
        ) from None
    return rows, at


def _parse(
    body: io.StringIO,
    names: list[str],
    width: int,
    separator: str,
    text_columns: Sequence[str],
    path: Path,
) -> pd.DataFrame:
    wanted = {_plain(name) for name in text_columns}
    surplus = [f"surplus {i}" for i in range(len(names), width)]
    columns = [*names, *surplus]
    as_text = {name: str for name in columns if _plain(name) in wanted}
    as_text |= dict.fromkeys(surplus, str)
    try:
        table = pd.read_csv(
            io.BytesIO(body.getvalue().encode()),
            sep=separator,
            header=None,
            skiprows=1,
            names=columns,
            index_col=False,
            dtype=as_text,
            keep_default_na=False,
            na_values=_EMPTY,
            low_memory=False,
            skip_blank_lines=False,
        )
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None
    for name in as_text:
        table[name] = id_text(table[name])
    if separator != ",":
        for name in names:
            if name not in as_text and pd.api.types.is_string_dtype(table[name]):
                table[name] = _decimal_commas(table[name])
    return table


def _decimal_commas(column: pd.Series) -> pd.Series:
    """Convert a column with decimal commas to numbers if all values can be converted."""
    known = column.dropna()
    if not any(_DECIMAL_COMMA.fullmatch(str(one).strip()) for one in known.iloc[:_ROWS_SAMPLED]):
        return column
    points = column.str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(points, errors="coerce")
    # A column that contains words stays text.
    return numbers if numbers.notna().equals(column.notna()) else points


def _refuse_doubled(names: Iterable[str], where: str) -> None:
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(
            f"columns appear twice: {', '.join(twice)}",
            where=where,
            remedy="Remove or rename one of them.",
        )


def _refuse_surplus(
    surplus: pd.DataFrame, lines: NDArray[np.int64], width: int, where: str
) -> None:
    if surplus.empty or not (rows := surplus.notna().any(axis=1).to_numpy()).any():
        return
    named = [str(line) for line in lines[rows][:_LINES_NAMED]]
    more = f" and {int(rows.sum()) - len(named)} more" if int(rows.sum()) > len(named) else ""
    raise ManifestError(
        f"{int(rows.sum())} of {len(lines)} rows have more fields than the header has names "
        f"({width}): line {', '.join(named)}{more}",
        where=where,
        remedy="Give every column a name (row names of R too), and quote fields that contain a "
        "separator.",
    )


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
