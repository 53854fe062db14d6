"""omop(): questionnaires and outcomes from a database in the OMOP common data model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk.datasets.dataset_cohort import DatasetCohort, build_cohort
from mammorisk.datasets.exclusions import Exclusions
from mammorisk.datasets.hospital.mapping import merge_mapping
from mammorisk.datasets.hospital.omop_concepts import ConceptSet, OmopMapping
from mammorisk.datasets.hospital.omop_database import OmopDatabase
from mammorisk.datasets.layout import load_layout
from mammorisk.datasets.questionnaire_mapping import UNITS
from mammorisk.errors import DatasetError
from mammorisk.io.table_files import id_text
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

_DAYS = 365.25
#: Table -> its column of the concept and its column of the date.
_COLUMNS: dict[str, tuple[str, str]] = {
    "condition_occurrence": ("condition_concept_id", "condition_start_date"),
    "procedure_occurrence": ("procedure_concept_id", "procedure_date"),
    "measurement": ("measurement_concept_id", "measurement_date"),
    "observation": ("observation_concept_id", "observation_date"),
}
_VALUED = ("measurement", "observation")


def omop(
    connection: Any,
    *,
    mapping: Mapping[str, Any] | str | Path | None = None,
    schema: str | None = None,
    index: pd.DataFrame | None = None,
) -> DatasetCohort:
    """Read questionnaires and outcomes from a database in the OMOP common data model.

    Parameters
    ----------
    connection : object
        Connection of DuckDB, sqlite3 or any other driver with cursors (DB-API 2.0), or of
        SQLAlchemy. Nothing is written.
    mapping : dict or path, optional
        Changes to the mapping: a dictionary or YAML file with any of ``female``, ``index``,
        ``cancer`` and ``fields``. An entry of ``fields`` replaces that of the same field.
    schema : str, optional
        Schema of the tables.
    index : DataFrame, optional
        ``person_id`` and ``date`` of each exam. Default: the first mammogram within an observation
        period.

    Returns
    -------
    DatasetCohort
        One row for each exam: ``age``, the fields of the mapping, ``prior_breast_cancer`` (True for
        women with a cancer on record before the exam, else unknown), ``time`` (years to the first
        breast cancer after the exam, death or the end of observation) and ``event``.

    Raises
    ------
    DatasetError
        A table or column is missing, or the mapping is wrong.

    See Also
    --------
    mammorisk.datasets.fhir : The same from resources of FHIR.
    mammorisk.datasets.redcap : The same from an export of REDCap.

    Notes
    -----
    A condition without a record may still be present. Therefore ``prior_breast_cancer`` is unknown
    for women without a record of cancer before the exam. Units are those that the database
    states; values in units that the mapping does not name count as unknown, and a warning states
    their number.

    Examples
    --------
    >>> import sqlite3
    >>> import mammorisk as mr
    >>> database = sqlite3.connect(":memory:")
    >>> try:
    ...     mr.datasets.omop(database)
    ... except mr.MammoriskError as error:
    ...     print(error.what)
    the database has no table person with the expected columns
    """
    layout = load_layout("omop")
    wanted = merge_mapping(OmopMapping, layout.codes, mapping)
    database = OmopDatabase(connection, schema)
    exclusions, warnings = Exclusions(), []

    def say(code: str, text: str) -> None:
        warnings.append(TableWarning(warning=make_warning(code, text)))

    people = database.read(
        "person",
        ("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth"),
    ).set_index("person_id")
    periods = database.read(
        "observation_period",
        ("person_id", "observation_period_start_date", "observation_period_end_date"),
    )
    periods.columns = pd.Index(["person_id", "start", "end"])
    for name in ("start", "end"):
        periods[name] = _dates(periods[name])
    exams = _index(database, wanted.index, index)
    exams["patient_id"] = id_text(exams["person_id"])
    exams["exam_id"] = exams["patient_id"] + "-" + exams["date"].dt.strftime("%Y%m%d")
    exclusions.start("exams", exams)
    exams = exclusions.drop("exams", exams, exams["date"].isna(), "the exam has no date")
    known = exams["person_id"].isin(people.index)
    exams = exclusions.drop("exams", exams, ~known, "no such person")
    gender = people["gender_concept_id"].reindex(exams["person_id"]).to_numpy()
    is_woman = pd.Series(gender, index=exams.index).isin(wanted.female)
    exams = exclusions.drop("exams", exams, ~is_woman, "not recorded as a woman")
    joined = exams.reset_index().merge(periods, on="person_id", how="left")
    inside = joined[(joined["start"] <= joined["date"]) & (joined["date"] <= joined["end"])]
    end = inside.groupby("index")["end"].max().reindex(exams.index)
    exams = exams.assign(observed_until=end)
    reason = "outside of the observation periods"
    exams = exclusions.drop("exams", exams, end.isna(), reason)
    if index is None:
        later = exams.sort_values("date").duplicated("person_id").reindex(exams.index)
        exams = exclusions.drop("exams", exams, later, "not the first exam of the woman")

    exams["age"] = _ages(people, exams)
    for field, concepts in wanted.fields.items():
        found, n_unread = _field(database, field, concepts, exams)
        exams[field] = found
        if n_unread:
            text = f"{field}: {n_unread:,} values in units or codes that the mapping does not name"
            say("value-not-read", text)
    exams = _outcome(database, wanted.cancer, exams)
    counts = exclusions.counts()
    for reason, n in counts.loc[counts["reason"] != "kept", ["reason", "rows"]].to_numpy():
        say("rows-excluded", f"{n:,} exams are excluded: {reason}")
    table = exams.drop(columns=["person_id", "observed_until"]).rename(
        columns={"date": "exam_date"}
    )
    return build_cohort(layout.card, table, None, exclusions, warnings, root=Path())


def _dates(column: pd.Series) -> pd.Series:
    """Dates of a driver, which may be text, dates or times."""
    return pd.to_datetime(column.astype(str).str.slice(0, 10), format="%Y-%m-%d", errors="coerce")


def _records(database: OmopDatabase, concepts: ConceptSet) -> pd.DataFrame:
    """Person, date and value of each record of a set."""
    ids = database.resolve(concepts)
    parts = []
    for table in concepts.table:
        concept, date = _COLUMNS[table]
        columns = ["person_id", date]
        if table in _VALUED and concepts.count is None:
            columns += ["value_as_number", "value_as_concept_id", "unit_concept_id"]
        rows = database.of_concepts(table, columns, concept, ids).rename(columns={date: "date"})
        parts.append(rows)
    found = pd.concat(parts, ignore_index=True)
    return found.assign(date=_dates(found["date"]))


def _index(
    database: OmopDatabase, concepts: ConceptSet, given: pd.DataFrame | None
) -> pd.DataFrame:
    if given is None:
        rows = _records(database, concepts)[["person_id", "date"]].drop_duplicates()
        if rows.empty:
            raise DatasetError(
                "the database has no mammogram",
                where="index",
                remedy="Pass index= with person_id and date, or the concepts in mapping=.",
            )
        return rows.reset_index(drop=True)
    # Databases return names in upper or lower case.
    given = given.rename(columns={name: str(name).lower() for name in given.columns})
    missing = [name for name in ("person_id", "date") if name not in given]
    if missing:
        raise DatasetError(f"the table has no column {', '.join(missing)}", where="index")
    rows = given[["person_id", "date"]].drop_duplicates().reset_index(drop=True)
    return rows.assign(date=_dates(rows["date"]))


def _ages(people: pd.DataFrame, exams: pd.DataFrame) -> pd.Series:
    """Age at the exam in years; a birthday that is not known is taken as the middle of the year or
    month."""
    of_exam = people.reindex(exams["person_id"]).set_index(exams.index)
    year = pd.to_numeric(of_exam["year_of_birth"], errors="coerce")
    month = pd.to_numeric(of_exam["month_of_birth"], errors="coerce")
    day = pd.to_numeric(of_exam["day_of_birth"], errors="coerce").fillna(15).where(month.notna(), 1)
    text = (
        year.map("{:04.0f}".format)
        + "-"
        + month.fillna(7).map("{:02.0f}".format)
        + "-"
        + day.map("{:02.0f}".format)
    )
    born = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    return ((exams["date"] - born).dt.days / _DAYS).round(2)


def _field(
    database: OmopDatabase, field: str, concepts: ConceptSet, exams: pd.DataFrame
) -> tuple[pd.Series, int]:
    """The latest value on or before the day of each exam, and the number that were not read."""
    rows = _records(database, concepts)
    joined = exams.reset_index()[["index", "person_id", "date"]].merge(
        rows, on="person_id", suffixes=("", "_of")
    )
    before = joined[joined["date_of"] <= joined["date"]]
    if concepts.count == "days":
        days = before[before["date_of"] < before["date"]].groupby("index")["date_of"].nunique()
        # Without a record the number is unknown; 0 needs a record of an examination.
        return days.reindex(exams.index).astype(float), 0
    value, unread = _values(field, concepts, before)
    read = before.assign(value=value)
    latest = read[read["value"].notna()].sort_values("date_of").groupby("index")["value"].last()
    return latest.reindex(exams.index), int(unread.sum())


def _values(field: str, concepts: ConceptSet, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    if concepts.values:
        found = rows["value_as_concept_id"].map(concepts.values)
        return found, found.isna() & rows["value_as_concept_id"].notna()
    number = pd.to_numeric(rows["value_as_number"], errors="coerce").astype(float)
    if not concepts.units:
        return number, pd.Series(False, index=rows.index)
    unit = pd.to_numeric(rows["unit_concept_id"], errors="coerce")
    unit_name = unit.map(concepts.units).astype(object)
    stated = unit.notna() & (unit != 0)
    unit_name = unit_name.where(stated, concepts.unit_if_none)
    factor = unit_name.map(UNITS[field]).astype(float)
    return number * factor, number.notna() & factor.isna()


def _outcome(database: OmopDatabase, concepts: ConceptSet, exams: pd.DataFrame) -> pd.DataFrame:
    cancers = _records(database, concepts)
    joined = exams.reset_index()[["index", "person_id", "date"]].merge(
        cancers, on="person_id", suffixes=("", "_of")
    )
    first = joined[joined["date_of"] > joined["date"]].groupby("index")["date_of"].min()
    before = joined.loc[joined["date_of"] <= joined["date"], "index"].unique()
    died = database.read("death", ("person_id", "death_date"))
    death = _dates(died["death_date"]).groupby(died["person_id"]).min()
    cancer = first.reindex(exams.index)
    dead = pd.Series(death.reindex(exams["person_id"]).to_numpy(), index=exams.index)
    end = exams["observed_until"]
    # Observation often ends some days after a death, and sometimes before it is recorded.
    is_cancer = cancer.notna() & (cancer <= end)
    is_dead = ~is_cancer & dead.notna() & (dead <= end + pd.Timedelta(days=31))
    stop = cancer.where(is_cancer, dead.where(is_dead, end))
    prior = pd.Series(exams.index.isin(before), index=exams.index)
    return exams.assign(
        time=(stop - exams["date"]).dt.days / _DAYS,
        event=is_cancer.astype(int) + 2 * is_dead.astype(int),
        prior_breast_cancer=prior.map({True: True, False: None}),
    )
