"""redcap(): questionnaires and outcomes from an export of REDCap and its data dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk.datasets.dataset_cohort import DatasetCohort, build_cohort
from mammorisk.datasets.exclusions import Exclusions
from mammorisk.datasets.layout import load_layout
from mammorisk.datasets.questionnaire_mapping import map_questionnaire, read_mapping
from mammorisk.errors import DatasetError, ManifestError
from mammorisk.io.table_files import id_text, read_table_file
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

_NAME, _CHOICES = "Variable / Field Name", "Choices, Calculations, OR Slider Labels"
_TYPE, _IDENTIFIER = "Field Type", "Identifier?"
#: Columns that REDCap adds to records with several rows.
_OF_ROW = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")


def redcap(
    csv: str | Path,
    mapping: Mapping[str, Any] | str | Path,
    *,
    dictionary: str | Path | None = None,
    record: str = "record_id",
    exam: str | None = None,
) -> DatasetCohort:
    """Read questionnaires and outcomes from an export of REDCap.

    Parameters
    ----------
    csv : path
        The export, raw or with labels.
    mapping : dict or path
        As in :func:`mammorisk.map_questionnaire`, with the codes of the project. It may name
        ``time`` and ``event``.
    dictionary : path, optional
        The data dictionary as CSV. With it, labels are read as their codes, codes of the mapping
        are compared with those of the project, and columns marked as identifiers are left out.
    record : str
        Column that identifies the record (the woman).
    exam : str, optional
        Column that distinguishes exams of a woman, such as ``redcap_event_name``. Default: all rows
        of a record are one exam.

    Returns
    -------
    DatasetCohort
        One row for each exam. Columns that the mapping does not name are kept, except for
        identifiers.

    Raises
    ------
    DatasetError
        A file cannot be read, a column is missing, or rows of one exam contradict each other.
    QuestionnaireError
        The mapping is wrong, or the table has codes that are not in the mapping.

    See Also
    --------
    mammorisk.map_questionnaire : The mapping of columns, values and units.
    mammorisk.datasets.omop : The same from a database.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import mammorisk as mr
    >>> path = Path(tempfile.mkdtemp()) / "export.csv"
    >>> _ = path.write_text("record_id,dem_age,fh\\n1,54,1\\n2,61,99\\n")
    >>> mapping = {
    ...     "age": "dem_age",
    ...     "first_degree_relatives": {"column": "fh", "values": {0: 0, 1: 1}, "missing": [99]},
    ... }
    >>> cohort = mr.datasets.redcap(path, mapping)
    >>> cohort.exams[["patient_id", "age", "first_degree_relatives"]]
      patient_id  age  first_degree_relatives
    0          1   54                     1.0
    1          2   61                     NaN
    """
    layout = load_layout("redcap")
    rows = _read(csv, (record,))
    for name in (record, *(() if exam is None else (exam,))):
        if name not in rows:
            raise DatasetError(
                f"the export has no column {name}",
                where=Path(csv).name,
                remedy="Name the column of the record as record=, that of the exam as exam=.",
            )
    warnings: list[TableWarning] = []
    identifiers: list[str] = []
    if dictionary is not None:
        fields = _Dictionary(dictionary)
        rows = fields.as_codes(rows)
        identifiers = [name for name in fields.identifiers if name in rows and name != record]
        _compare(mapping, fields)
    rows = rows.drop(columns=identifiers)
    rows = rows.assign(patient_id=id_text(rows[record]))
    exclusions = Exclusions()
    exclusions.start("export", rows)
    reason = f"no {record}"
    rows = exclusions.drop("export", rows, rows["patient_id"].isna(), reason)
    rows["exam_id"] = (
        rows["patient_id"]
        if exam is None
        else (rows["patient_id"] + "-" + rows[exam].astype(object).fillna("none").astype(str))
    )
    merged = _one_row_an_exam(rows, Path(csv).name)
    table = map_questionnaire(merged, mapping)
    keys = ["patient_id", "exam_id"]
    table = table[[*keys, *[name for name in table.columns if name not in keys]]]
    if identifiers:
        text = f"{len(identifiers)} columns marked as identifiers were left out"
        warnings.append(TableWarning(warning=make_warning("value-not-read", text)))
    kind = None if {"time", "event"} <= set(table.columns) else "none"
    return build_cohort(
        layout.card,
        table,
        None,
        exclusions,
        warnings,
        root=Path(),
        outcome_kind=kind,  # type: ignore[arg-type]
    )


def _read(path: str | Path, text: tuple[str, ...] = ()) -> pd.DataFrame:
    if not Path(path).is_file():
        raise DatasetError("there is no such file", where=Path(path).name)
    try:
        read = read_table_file(Path(path), text)
    except ManifestError as error:
        raise DatasetError(error.what, where=error.where, remedy=error.remedy) from None
    return read.table.set_axis(read.lines, axis=0)


class _Dictionary:
    """The data dictionary of a project: codes and labels of its fields, and its identifiers."""

    def __init__(self, path: str | Path) -> None:
        table = _read(path)
        missing = [name for name in (_NAME, _CHOICES, _TYPE) if name not in table]
        if missing:
            raise DatasetError(
                f"this is not a data dictionary: it has no column {', '.join(missing)}",
                where=Path(path).name,
                remedy="Export the data dictionary of the project as CSV.",
            )
        self.choices: dict[str, dict[str, str]] = {}
        for name, kind, text in table[[_NAME, _TYPE, _CHOICES]].itertuples(index=False):
            if kind in ("radio", "dropdown", "checkbox") and isinstance(text, str):
                self.choices[str(name)] = _choices(text)
            elif kind in ("yesno", "truefalse"):
                yes, no = ("Yes", "No") if kind == "yesno" else ("True", "False")
                self.choices[str(name)] = {"1": yes, "0": no}
        marked = table.get(_IDENTIFIER, pd.Series(index=table.index, dtype=object))
        is_marked = marked.astype(object).fillna("").astype(str).str.lower().isin(["y", "yes", "1"])
        self.identifiers = [str(name) for name in table.loc[is_marked, _NAME]]

    def as_codes(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Labels of choices as their codes; a column of codes stays as it is."""
        found = rows.copy()
        for name, choices in self.choices.items():
            if name not in found or pd.api.types.is_numeric_dtype(found[name]):
                continue
            codes = {label.strip().lower(): code for code, label in choices.items()}
            text = found[name].astype(object)
            read = text.astype(str).str.strip().str.lower().map(codes)
            found[name] = read.where(read.notna(), text)
        return found


def _choices(text: str) -> dict[str, str]:
    """``"1, Yes | 2, No"`` as a dictionary; a label may hold commas."""
    found = {}
    for part in text.split("|"):
        code, comma, label = part.partition(",")
        if comma:
            found[code.strip()] = label.strip()
    return found


def _compare(mapping: Mapping[str, Any] | str | Path, fields: _Dictionary) -> None:
    """Refuse codes of the mapping that the project does not have."""
    wrong = []
    for field, sources in read_mapping(mapping).fields.items():
        for source in sources:
            choices = fields.choices.get(source.column)
            if choices is None or source.values is None:
                continue
            known = {code.lower() for code in choices}
            unknown = [code for code in source.values if code not in known]
            if unknown:
                wrong.append(f"{source.column} ({field}) has no code {', '.join(unknown)}")
    if wrong:
        raise DatasetError(
            "; ".join(wrong), where="mapping", remedy="Compare it with the data dictionary."
        )


def _one_row_an_exam(rows: pd.DataFrame, where: str) -> pd.DataFrame:
    """Merge the rows of one exam: each instrument has its own row, with the other cells empty."""
    if rows["exam_id"].is_unique:
        return rows.reset_index(drop=True)
    groups = rows.groupby("exam_id", sort=False)
    values = [name for name in rows if name not in (*_OF_ROW, "exam_id")]
    differ = groups[values].nunique() > 1
    if differ.to_numpy().any():
        columns = [str(name) for name in values if differ[name].any()]
        n = int(differ.any(axis=1).sum())
        raise DatasetError(
            f"the rows of {n:,} records contradict each other in {', '.join(columns[:5])}"
            + (" ..." if len(columns) > 5 else ""),
            where=where,
            remedy='Distinguish their exams, for example with exam="redcap_event_name".',
        )
    found: pd.DataFrame = groups.first().reset_index()
    return found
