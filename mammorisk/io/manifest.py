"""read_cohort(): read the manifest of a cohort, a table with one row per exam or per view.

Mirai's own CSV is read without changes. All faults of all rows are collected and reported together,
each with its line number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mammorisk.errors import ExamError, ManifestError, QuestionnaireError
from mammorisk.io.limits import Limits
from mammorisk.io.remote import Place, fetch, is_remote
from mammorisk.io.table_files import TableFile, as_read, read_table_file
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS, Cohort
from mammorisk.records.exam import Exam
from mammorisk.records.follow_up import check_follow_up
from mammorisk.records.frames import as_frame
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.records.read_answers import MissingCodes, read_answers
from mammorisk.records.table_warning import TableWarning, take_rows
from mammorisk.warnings import make_warning

#: Largest number of faulty rows in an error message. Of more, only their number is given.
ROWS_NAMED = 50
#: Largest number of columns in an error message about a missing column.
COLUMNS_NAMED = 12

#: Mirai writes 100 for "no cancer" (see its README). Its years are completed years.
_MIRAI_NO_CANCER = 100
_MIRAI_COLUMNS = {"years_to_cancer", "years_to_last_followup"}


def read_cohort(
    path: str | Path | pd.DataFrame,
    *,
    root: str | Path | None = None,
    errors: Literal["raise", "flag"] = "raise",
    allow_missing_views: bool = False,
    missing: MissingCodes | None = None,
) -> Cohort:
    """Read a cohort from its manifest.

    Parameters
    ----------
    path : path or DataFrame
        A ``.csv`` or ``.parquet`` file, local or a URL of fsspec, or a folder that holds
        ``manifest.parquet`` or ``manifest.csv``. With ``mammorisk[tables]`` also ``.xlsx``,
        ``.dta``, ``.sas7bdat``, ``.xpt`` and ``.sav``. Either one row per exam: ``patient_id``,
        ``exam_id``, and any of ``path`` (folder of the exam), Questionnaire fields, ``time``,
        ``event``, ``entry``, ``weight``, ``frequency_weight``, ``split``; or one row per view:
        also ``laterality``, ``view`` and ``file_path``. Other columns are kept. Or such a table of
        pandas, polars or pyarrow; messages count its rows as lines of a file with a header.
    root : path, optional
        Folder or URL that contains all images. Image paths are relative to it. Default: the folder
        of the manifest; for a table, the current folder. A path may be that of a zip file with one
        exam.
    errors : {"raise", "flag"}
        What to do with faulty rows. ``"raise"``: raise one error with all faults. ``"flag"``: keep
        the rows without a risk, with the fault as a warning and in ``Cohort.errors``.
    allow_missing_views : bool
        Passed to :func:`mammorisk.read_exam` when an exam is opened.
    missing : dict of str to list, optional
        Values that mean "not known" by column, such as ``{"first_degree_relatives": [9]}``.

    Returns
    -------
    Cohort
        Image files are not opened until an exam is used. ``warnings`` names columns that were read
        although their name differs slightly, columns that look like a field and were not read, and
        values that look like a code for "not known" or like another unit.

    Raises
    ------
    ManifestError
        The table cannot be read, has no keys, or has faulty rows (with ``errors="raise"``).

    See Also
    --------
    mammorisk.Cohort : The result.
    mammorisk.read_exam : Reads a single exam.
    mammorisk.predict : Predicts the risks of a cohort.

    Notes
    -----
    Mirai's CSV (``years_to_cancer``, ``years_to_last_followup``, ``split_group``) counts completed
    years: cancer in year y after the exam becomes ``time = y + 0.5`` (mid-year, an assumption),
    no cancer becomes ``time = years_to_last_followup`` with event 0.

    Other separators than a comma, decimal commas, a first line ``sep=;`` and a byte order mark are
    supported. A row with more fields than the header is an error with the line number.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import mammorisk as mr
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = "patient_id;exam_id;Age;biopsies\\nw1;1;54,5;9\\nw2;1;61,0;unknown\\n"
    >>> _ = (folder / "cohort.csv").write_text(text)
    >>> mr.read_cohort(folder / "cohort.csv", missing={"biopsies": [9]})
    <Cohort: 2 exams of 2 women, without images>
      info: the column 'Age' was read as age
    """
    read, name, folder = _read(path)
    lines = read.lines
    try:
        table, warnings = read_answers(read.table, missing)
    except QuestionnaireError as error:
        raise ManifestError(error.what, where=error.where or name, remedy=error.remedy) from None
    warnings = (*_tell_short_rows(read), *warnings)
    for key in ("patient_id", "exam_id"):
        if key not in table.columns:
            raise ManifestError(
                f"the manifest has no column {key}",
                where=name,
                remedy="Every row needs patient_id and exam_id; the columns are "
                f"{', '.join(map(str, table.columns[:COLUMNS_NAMED]))}.",
            )
    if len(table) == 0:
        raise ManifestError("the manifest has no rows", where=name)
    faults = _Faults(lines)
    _check_keys(table, faults)
    table = _mirai_outcome(table, faults)
    _check_outcome(table, faults)
    base = Place.of(folder if root is None else root)

    views = None
    if {"laterality", "view", "file_path"} <= set(table.columns):
        _check_paths(table["file_path"], base, faults)
        places, views, table, faults = _fold_views(table, faults)
        warnings = take_rows(warnings, places)
        paths = None
    elif "path" in table.columns:
        _check_paths(table["path"], base, faults)
        paths = table["path"]
    else:
        paths = None
    _check_questionnaires(table, faults)
    if errors == "raise":
        faults.raise_all(name)
    return Cohort(
        exams=table,
        errors=faults.as_series(),
        views=views,
        open_exam=_opener(table, paths, views, base, allow_missing_views),
        open_prior=_prior_opener(table, base, allow_missing_views),
        has_prior=_prior_test(table),
        table_warnings=warnings,
        lines=faults.lines,
    )


def _read(path: object) -> tuple[TableFile, str, str | Path]:
    """The table, its name in messages, and the folder of its images."""
    table = as_frame(path)
    if table is not None:
        return as_read(table, KEYS, where="table"), "table", Path()
    if not isinstance(path, (str, Path)):
        raise ManifestError(
            f"a {type(path).__name__} is neither a path nor a table",
            where="path",
            remedy="Pass the path of a manifest, or a DataFrame with patient_id and exam_id.",
        )
    if is_remote(path):
        fetched = fetch(path, Limits(), one_file=True)
        manifest = _find(_only_file(fetched.name, path))
        return read_table_file(manifest, KEYS), manifest.name, str(path).rpartition("/")[0]
    manifest = _find(Path(path))
    return read_table_file(manifest, KEYS), manifest.name, manifest.parent


def _tell_short_rows(read: TableFile) -> list[TableWarning]:
    if not read.short.any():
        return []
    text = (
        f"{int(read.short.sum()):,} lines have fewer fields than the header, the first is line "
        f"{read.lines[np.argmax(read.short)]}: the last columns count as unknown"
    )
    return [TableWarning(warning=make_warning("row-short", text), rows=read.short)]


class _Faults:
    """Faults by row, collected to be reported together."""

    def __init__(self, lines: np.ndarray) -> None:
        self.lines = np.asarray(lines, dtype=np.int64)
        self.by_row: dict[int, list[str]] = {}

    def add(self, rows: np.ndarray, message: str) -> None:
        for row in np.flatnonzero(np.asarray(rows)):
            self.by_row.setdefault(int(row), []).append(message)

    def as_series(self) -> pd.Series:
        text = ["; ".join(self.by_row.get(row, [])) for row in range(len(self.lines))]
        return pd.Series(text, dtype=object)

    def raise_all(self, name: str) -> None:
        if not self.by_row:
            return
        rows = sorted(self.by_row)
        told = [f"line {self.lines[row]}: {'; '.join(self.by_row[row])}" for row in rows]
        more = f" ... and {len(rows) - ROWS_NAMED} more rows" if len(rows) > ROWS_NAMED else ""
        raise ManifestError(
            f"{len(rows)} of {len(self.lines)} rows are in error:\n  "
            + "\n  ".join(told[:ROWS_NAMED])
            + more,
            where=name,
            remedy='Correct them, or pass errors="flag" to keep them without a risk.',
        )


def _only_file(folder: str, url: str | Path) -> Path:
    found = [file for file in Path(folder).rglob("*") if file.is_file()]
    if len(found) != 1:
        raise ManifestError("that is not one file", where=str(url).rpartition("/")[2])
    return found[0]


def _find(path: Path) -> Path:
    if path.is_dir():
        for name in ("manifest.parquet", "manifest.csv"):
            if (path / name).is_file():
                return path / name
        raise ManifestError(
            "the folder contains no manifest.parquet or manifest.csv",
            where=path.name,
            remedy="Pass the table itself, or mr.read_exam for a single exam.",
        )
    if not path.is_file():
        raise ManifestError("there is no such file", where=str(path))
    return path


def _check_keys(table: pd.DataFrame, faults: _Faults) -> None:
    for key in ("patient_id", "exam_id"):
        missing = table[key].isna() | (table[key].astype(str).str.strip() == "")
        faults.add(missing.to_numpy(), f"{key} is empty")
    if "file_path" not in table.columns:
        keys = table[["patient_id", "exam_id"]]
        faults.add(
            (keys.duplicated(keep="first") & keys.notna().all(axis=1)).to_numpy(),
            "patient_id and exam_id appear before",
        )


def _mirai_outcome(table: pd.DataFrame, faults: _Faults) -> pd.DataFrame:
    if not set(table.columns) >= _MIRAI_COLUMNS or "time" in table.columns:
        return table
    cancer = _numbers(table, "years_to_cancer", faults)
    followup = _numbers(table, "years_to_last_followup", faults)
    has_cancer = cancer < _MIRAI_NO_CANCER
    table = table.assign(
        time=np.where(has_cancer, cancer + 0.5, followup),
        event=np.where(np.isnan(cancer), np.nan, has_cancer.astype(float)),
    )
    if "split_group" in table.columns and "split" not in table.columns:
        table = table.assign(split=table["split_group"])
    return table


def _numbers(table: pd.DataFrame, name: str, faults: _Faults) -> np.ndarray:
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    faults.add(np.isnan(values) & table[name].notna().to_numpy(), f"{name} is not a number")
    return values


def _check_outcome(table: pd.DataFrame, faults: _Faults) -> None:
    """Convert follow-up to numbers. Unknown outcomes are allowed; impossible values are faults."""
    checked = check_follow_up({name: table[name] for name in OUTCOME_COLUMNS if name in table})
    for fault in checked.faults:
        faults.add(fault.rows, f"{fault.column} is {fault.what}")
    for name, numbers in checked.values.items():
        table[name] = numbers
    if "frequency_weight" in checked.values:
        counts = checked.values["frequency_weight"]
        wrong = (counts < 0) | (np.floor(counts) != counts)
        faults.add(wrong & ~np.isnan(counts), "frequency_weight is not a whole number of women")
    if "event" in table.columns:
        faults.add(table["event"].notna().to_numpy() & ~checked.is_known, "event without time")


def _check_paths(paths: pd.Series, base: Place, faults: _Faults) -> None:
    empty = paths.isna() | (paths.astype(str).str.strip() == "")
    faults.add(empty.to_numpy(), f"{paths.name} is empty")
    outside = [
        not skip and not base.holds(str(text)) for skip, text in zip(empty, paths, strict=True)
    ]
    faults.add(np.asarray(outside), f"{paths.name} leads out of the root folder (pass root=)")


def _fold_views(
    table: pd.DataFrame, faults: _Faults
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame, _Faults]:
    """Convert one row per view to one row per exam (its first view) and a table of views."""
    keys = ["patient_id", "exam_id"]
    side = table["laterality"].astype(str).str.strip().str.upper().str[:1]
    position = table["view"].astype(str).str.strip().str.upper()
    faults.add(~side.isin(["L", "R"]).to_numpy(), "laterality is not L or R")
    faults.add(table["view"].isna().to_numpy(), "view is empty")
    named = table.assign(laterality=side, view=position)
    repeated = named.duplicated([*keys, "laterality", "view", "file_path"])
    faults.add(repeated.to_numpy(), "the same image appears before")

    number = table.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    first = np.sort(np.unique(number, return_index=True)[1])
    views = named[[*keys, "laterality", "view", "file_path"]].assign(exam=number)
    exams = table.drop(columns=["laterality", "view", "file_path"]).iloc[first]
    folded = _Faults(faults.lines[first])
    for row, messages in faults.by_row.items():
        told = [f"{text} (line {faults.lines[row]})" for text in messages]
        folded.by_row.setdefault(int(number[row]), []).extend(told)
    return first, views.reset_index(drop=True), exams.reset_index(drop=True), folded


def _check_questionnaires(table: pd.DataFrame, faults: _Faults) -> None:
    """Find faulty answers. They are not changed in the table, so that a model that uses it later
    finds the same fault. A manifest without answers is allowed.
    """
    answers = table[[name for name in table.columns if name in FIELDS]]
    if answers.empty:
        return
    if "age" not in answers.columns:
        answers = answers.assign(age=np.nan)
    _, problems = check_frame(answers)
    for row in np.flatnonzero(problems.map(bool)):
        # The image header may state the age of a woman whose answer is unknown.
        told = [part for part in problems.iloc[row] if part != "age: unknown"]
        if told:
            faults.by_row.setdefault(int(row), []).extend(told)


def _prior_opener(
    table: pd.DataFrame, base: Place, allow_missing_views: bool
) -> Callable[[int], Exam | None] | None:
    if "prior_path" not in table.columns or table["prior_path"].isna().all():
        return None
    paths = table["prior_path"]

    def open_prior(row: int) -> Exam | None:
        from mammorisk.io.read_exam import read_exam

        text = paths.iloc[row]
        if pd.isna(text) or not str(text).strip():
            return None
        if not base.holds(str(text)):
            raise ExamError("prior_path leads out of the root folder", remedy="Pass root=.")
        with _named_as_in_the_manifest(base):
            return read_exam(base.join(str(text)), allow_missing_views=allow_missing_views)

    return open_prior


def _prior_test(table: pd.DataFrame) -> Callable[[int], bool] | None:
    if "prior_path" not in table.columns or table["prior_path"].isna().all():
        return None
    given = table["prior_path"].notna() & (table["prior_path"].astype(str).str.strip() != "")
    return given.to_numpy(dtype=bool).item


@contextmanager
def _named_as_in_the_manifest(base: Place) -> Iterator[None]:
    """Context manager that gives errors the path of the manifest as their source."""
    try:
        yield
    except ExamError as error:
        if error.source is not None:
            error.source = error.source.removeprefix(f"{base.root}/")
        raise


def _opener(
    table: pd.DataFrame,
    paths: pd.Series | None,
    views: pd.DataFrame | None,
    base: Place,
    allow_missing_views: bool,
) -> Callable[[int], Exam] | None:
    if paths is None and views is None:
        return None
    rows_of = views.groupby("exam").indices if views is not None else {}

    def open_exam(row: int) -> Exam:
        from mammorisk.io.read_exam import read_exam

        if paths is not None:
            where = base.join(str(paths.iloc[row]))
            with _named_as_in_the_manifest(base):
                return read_exam(where, allow_missing_views=allow_missing_views)
        assert views is not None
        images = views.iloc[rows_of[row]]
        files: dict[str, list[str | Path]] = {}
        for side, view, file in zip(
            images["laterality"], images["view"], images["file_path"], strict=True
        ):
            files.setdefault(f"{side}-{view}", []).append(base.join(str(file)))
        with _named_as_in_the_manifest(base):
            return read_exam(files, allow_missing_views=allow_missing_views)

    return open_exam
