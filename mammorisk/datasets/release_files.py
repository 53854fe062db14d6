"""Files of a downloaded release: location and content of its tables.

Nothing is guessed: errors name the table or column that is missing, and where to get it. Every cell
is read as text; adapters convert columns to numbers or dates.
"""

from __future__ import annotations

import csv
import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mammorisk.datasets.layout import Layout, TableLayout
from mammorisk.errors import DatasetError, ManifestError
from mammorisk.io.table_files import id_text, read_table_file

#: Empty cells.
_EMPTY = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>")
#: Maximum number of columns named in an error.
_COLUMNS_NAMED = 12
#: Floats represent all whole numbers up to this one.
_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class TableState:
    """State of a table in a folder.

    Attributes
    ----------
    path : Path or None
        None if no file is there.
    missing : tuple of str
        Required columns that the file lacks.
    names : dict of str to str
        Column of the file -> name that the adapter uses.
    header : tuple of str
        Columns of the file.
    problem : str or None
        Why the file cannot be read.
    """

    path: Path | None
    missing: tuple[str, ...] = ()
    names: dict[str, str] | None = None
    header: tuple[str, ...] = ()
    problem: str | None = None


def find_table(root: Path, table: TableLayout) -> TableState:
    """Find a table below a folder and compare its columns with the layout."""
    path = _find_file(root, table)
    if path is None:
        return TableState(path=None)
    if not table.header:
        return TableState(path=path, names={}, problem=_other_width(path, table))
    try:
        header = _header(path, table.separators)
    except DatasetError as error:
        return TableState(path=path, problem=error.what)
    names, missing = {}, []
    for column in table.columns:
        there = next((one for one in (column.name, *column.aliases) if one in header), None)
        if there is not None:
            names[there] = column.name
        elif column.required:
            missing.append(column.name)
    return TableState(path=path, missing=tuple(missing), names=names, header=tuple(header))


def read_table(root: Path, layout: Layout, name: str) -> pd.DataFrame:
    """Read the columns of a table that the adapter uses.

    Returns
    -------
    DataFrame
        Text without surrounding blanks, missing if empty; index = line in the file.

    Raises
    ------
    DatasetError
        The table or a column is missing, or the file cannot be read.
    """
    table = layout.tables[name]
    state = find_table(root, table)
    path = usable_path(state, layout, name)
    names = state.names or {}
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        found = _read_sheet(path)
    else:
        found = _read_text(path, table, state.header)
    if table.header:
        found = found[list(names)].rename(columns=names)
    # Optional columns that the release lacks are empty.
    for column in table.columns:
        if column.name not in found:
            found[column.name] = pd.Series(None, index=found.index, dtype="object")
    return found


def read_tables(root: Path, layout: Layout, name: str) -> dict[str, pd.DataFrame]:
    """Read a table that comes in several files, by the name of the file.

    Raises
    ------
    DatasetError
        As :func:`read_table`, of any of the files.
    """
    table = layout.tables[name]
    paths = _find_files(root, table)
    usable_path(find_table(root, table), layout, name)
    found = {}
    for path in paths:
        relative = path.relative_to(root).as_posix()
        one = table.model_copy(update={"files": (glob.escape(relative),)})
        part = layout.model_copy(update={"tables": {name: one}})
        found[relative] = read_table(root, part, name)
    return found


def usable_path(state: TableState, layout: Layout, name: str) -> Path:
    """The file of a table; raises if it cannot be used: what is missing, and where to get it."""
    table, card = layout.tables[name], layout.card
    get_it = f"{card.download} The layout is: {card.layout}"
    if state.path is None:
        wanted = " or ".join(table.files)
        raise DatasetError(f"the folder has no {wanted}", where=card.name, remedy=get_it)
    if state.problem is not None:
        raise DatasetError(
            state.problem, where=f"{card.name}, {state.path.name}", remedy="Download it again."
        )
    if state.missing:
        has = ", ".join(state.header[:_COLUMNS_NAMED])
        more = " ..." if len(state.header) > _COLUMNS_NAMED else ""
        raise DatasetError(
            f"{state.path.name} has no column {', '.join(state.missing)}; it has {has}{more}",
            where=card.name,
            remedy=f"This adapter reads version {card.version}. {card.download}",
        )
    return state.path


def numbers(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Return a column as numbers (NaN if empty), and the rows that are not numbers."""
    found = pd.to_numeric(column, errors="coerce").astype(float)
    found = found.mask(~np.isfinite(found))
    return found, (found.isna() & column.notna()).to_numpy()


def dates(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Return a column of ISO dates, with or without a time, and the rows that are not dates."""
    found = pd.to_datetime(column.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    compact = pd.to_datetime(column, format="%Y%m%d", errors="coerce")
    found = found.fillna(compact)
    return found, (found.isna() & column.notna()).to_numpy()


def whole_ids(column: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Return ids of digits; ``7.0`` is 7. Ids that a program has rounded (7E+15) are faulty.

    A float represents whole numbers up to 2**53 exactly. A larger number that ends in ``.0`` may
    have been rounded.
    """
    text = column.str.replace(r"\.0+$", "", regex=True)
    faulty = column.notna() & ~text.str.fullmatch(r"\d+").fillna(False).astype(bool)
    was_decimal = (text != column) & column.notna() & ~faulty
    rounded = text.where(was_decimal, "0").astype(object).map(int) > _EXACT
    faulty = faulty | (was_decimal & rounded)
    return text.mask(faulty), faulty.to_numpy()


def _find_file(root: Path, table: TableLayout) -> Path | None:
    return next(iter(_find_files(root, table)), None)


def _find_files(root: Path, table: TableLayout) -> list[Path]:
    """Files of the first pattern that has any."""
    for pattern in table.files:
        found = sorted(path for path in root.glob(pattern) if path.is_file())
        if found:
            return found
    return []


def _other_width(path: Path, table: TableLayout) -> str | None:
    """Problem of the first line of a table without a header."""
    try:
        with open(path, encoding="utf-8-sig") as handle:
            first = handle.readline()
    except (OSError, UnicodeDecodeError):
        return "the table is not UTF-8 text"
    n = len(first.split() if table.separators == " " else first.split(table.separators))
    if n == len(table.columns):
        return None
    return f"the table has {n} columns, where this version has {len(table.columns)}"


def _unreadable(path: Path, what: str) -> DatasetError:
    return DatasetError(what, where=path.name, remedy="Download it again.")


def _header(path: Path, separators: str) -> list[str]:
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return [str(name) for name in _read_sheet(path).columns]
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            line = handle.readline()
    except (OSError, UnicodeDecodeError):
        raise _unreadable(path, "the table is not UTF-8 text") from None
    if not line.strip() or "\0" in line:
        raise _unreadable(path, "the table has no header line")
    return _cells(line, separators)[1]


def _cells(line: str, separators: str) -> tuple[str, list[str]]:
    """The separator of a header line, and its cells."""
    separator = max(separators, key=line.count)
    cells = next(csv.reader([line], delimiter=separator), [])
    return separator, [cell.strip() for cell in cells]


def _read_sheet(path: Path) -> pd.DataFrame:
    try:
        read = read_table_file(path)
    except ManifestError as error:
        raise _unreadable(path, error.what) from None
    table = read.table.set_axis([str(name).strip() for name in read.table.columns], axis=1)
    for name in table.columns:
        table[name] = id_text(table[name])
    return table.set_axis(read.lines, axis=0)


def _read_text(path: Path, table: TableLayout, header: tuple[str, ...]) -> pd.DataFrame:
    """Text of the wanted columns. The C parser reads a release of a million rows in seconds."""
    wanted = {one for column in table.columns for one in (column.name, *column.aliases)}
    names = list(header) if table.header else [column.name for column in table.columns]
    try:
        if table.header:
            with open(path, encoding="utf-8-sig", newline="") as handle:
                separator = _cells(handle.readline(), table.separators)[0]
        else:
            separator = r"\s+" if table.separators == " " else table.separators
        found = pd.read_csv(
            path,
            sep=separator,
            header=None,
            names=names,
            skiprows=1 if table.header else 0,
            usecols=[name for name in names if name in wanted],
            dtype=str,
            keep_default_na=False,
            na_values=list(_EMPTY),
            encoding="utf-8-sig",
            index_col=False,
            skip_blank_lines=False,
        )
    except (ValueError, OSError) as error:
        # UnicodeDecodeError and the errors of the parser are ValueErrors.
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be parsed"
        raise _unreadable(path, f"the table {what}") from None
    found.index = pd.RangeIndex(1 + int(table.header), len(found) + 1 + int(table.header))
    found = found[found.notna().any(axis=1)]
    stripped = {name: found[name].astype(object).str.strip() for name in found}
    return pd.DataFrame(stripped, index=found.index)


def shifted_rows(root: Path, layout: Layout, name: str, rows: pd.DataFrame) -> np.ndarray:
    """Rows whose line has another number of fields than the header: its cells are shifted.

    The parser does not report these lines if it reads only some of the columns.

    Parameters
    ----------
    rows : DataFrame
        Result of :func:`read_table`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    table = layout.tables[name]
    path = find_table(root, table).path
    if path is None or not table.header or path.suffix.lower() in (".xlsx", ".xlsm"):
        return np.zeros(len(rows), dtype=bool)
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            separator, header = _cells(handle.readline(), table.separators)
            counts = [len(record) for record in csv.reader(handle, delimiter=separator)]
    except csv.Error:
        raise _unreadable(path, "the table cannot be parsed") from None
    faulty = pd.Series(counts, index=range(2, len(counts) + 2)) != len(header)
    return faulty.reindex(rows.index).fillna(True).to_numpy(dtype=bool)


def whole_codes(column: pd.Series) -> pd.Series:
    """Codes as text, ``1.0`` as ``1``: programs write columns with gaps as decimal numbers."""
    return column.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
