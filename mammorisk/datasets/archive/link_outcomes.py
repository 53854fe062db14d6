"""link_outcomes(): outcomes of a cancer registry for the exams of a manifest, by id and side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mammorisk.datasets.archive.pseudonyms import MOST_DAYS, Pseudonyms
from mammorisk.errors import DatasetError, ManifestError
from mammorisk.io.table_files import id_text, read_table_file
from mammorisk.records.frames import as_frame

_DAYS = 365.25
_KEYS = ("patient_id", "exam_id")


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedOutcomes:
    """Result of :func:`link_outcomes`.

    Attributes
    ----------
    table : DataFrame
        The rows of the manifest with ``time``, ``event``, ``detection``, ``cancer_side``, and
        ``time_L``, ``event_L``, ``time_R``, ``event_R`` of each breast.
    excluded : DataFrame
        Rows of the manifest that have no outcome, with ``reason``.
    n_unmatched : int
        Women of the registry who are not in the manifest.

    See Also
    --------
    link_outcomes : Makes them.
    """

    table: pd.DataFrame
    excluded: pd.DataFrame
    n_unmatched: int

    def __repr__(self) -> str:
        exams = self.table.drop_duplicates(list(_KEYS))
        return (
            f"<LinkedOutcomes: {len(exams):,} exams, {int((exams['event'] == 1).sum()):,} cancers; "
            f"{len(self.excluded):,} rows excluded>"
        )


def link_outcomes(
    manifest: pd.DataFrame | str | Path,
    registry: pd.DataFrame | str | Path,
    *,
    follow_up_end: str | pd.Timestamp,
    lead_time_days: int = 0,
    at_exam_days: int = 90,
    interval_days: int = 730,
    hash_key: str | None = None,
) -> LinkedOutcomes:
    """Add outcomes from a cancer registry to the exams of a manifest.

    Parameters
    ----------
    manifest : DataFrame or path
        ``patient_id``, ``exam_id`` and ``exam_date``; one row per exam or image.
    registry : DataFrame or path
        One row for each tumour: ``patient_id``, ``diagnosis_date``; optionally ``laterality`` (L,
        R or B), ``death_date`` and ``last_follow_up``. A woman without a tumour may have a row
        without ``diagnosis_date``.
    follow_up_end : date
        Day until which the registry is complete. Women who are not in it are free of cancer
        until then.
    lead_time_days : int
        Exams with a diagnosis within this many days after them are excluded: the cancer may have
        been seen at the exam. 0 excludes none.
    at_exam_days, interval_days : int
        ``detection`` is ``"at exam"`` up to ``at_exam_days``, ``"interval"`` up to
        ``interval_days``, and ``"later"`` beyond.
    hash_key : str, optional
        Key of a manifest with pseudonyms; the ids and dates of the registry are then turned into
        pseudonyms too.

    Returns
    -------
    LinkedOutcomes

    Raises
    ------
    DatasetError
        A column is missing, a date cannot be read, or a number of days is negative.

    See Also
    --------
    mammorisk.datasets.scan_archive : Makes the manifest of an archive.

    Notes
    -----
    ``event`` is 1 for breast cancer, 2 for death without it, and 0 at the end of follow-up. A
    tumour without a side has no ``event_L`` and ``event_R``, because it may be in either breast.
    Exams after the day of a diagnosis are excluded.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> manifest = pd.DataFrame(
    ...     {"patient_id": ["a", "b"], "exam_id": ["1", "2"], "exam_date": ["2015-01-01"] * 2}
    ... )
    >>> registry = pd.DataFrame(
    ...     {"patient_id": ["a"], "diagnosis_date": ["2016-07-01"], "laterality": ["L"]}
    ... )
    >>> linked = mr.datasets.link_outcomes(manifest, registry, follow_up_end="2020-01-01")
    >>> linked.table[["patient_id", "time", "event", "detection", "event_L", "event_R"]].round(2)
      patient_id  time  event detection  event_L  event_R
    0          a   1.5      1  interval      1.0      0.0
    1          b   5.0      0      None      0.0      0.0
    """
    for name, days in (
        ("lead_time_days", lead_time_days),
        ("at_exam_days", at_exam_days),
        ("interval_days", interval_days),
    ):
        if days < 0:
            raise DatasetError(f"{days} days are negative", where=name)
    end = pd.to_datetime(follow_up_end, errors="coerce")
    if pd.isna(end):
        raise DatasetError("that is no date", where="follow_up_end")
    exams = _table(manifest, "manifest", (*_KEYS, "exam_date"))
    tumours = _table(registry, "registry", ("patient_id", "diagnosis_date"))
    exams["exam_date"] = _dates(exams["exam_date"], "manifest, exam_date")
    for name in ("diagnosis_date", "death_date", "last_follow_up"):
        column = tumours[name] if name in tumours else pd.Series(pd.NaT, index=tumours.index)
        tumours[name] = _dates(column, f"registry, {name}")
    ends = pd.Series(end, index=exams.index)
    if hash_key is not None:
        pseudonyms = Pseudonyms(hash_key)
        woman = tumours["patient_id"]
        for name in ("diagnosis_date", "death_date", "last_follow_up"):
            tumours[name] = pseudonyms.shifted(tumours[name], woman)
        tumours["patient_id"] = woman.map(pseudonyms.of, na_action="ignore")
        # The shift of a woman who is not in the registry is unknown, so the earliest end is used.
        shift = pd.Series(woman.map(pseudonyms.days, na_action="ignore").to_numpy(), dtype=float)
        by_woman = shift.groupby(tumours["patient_id"].to_numpy()).first()
        offset = exams["patient_id"].map(by_woman).fillna(-MOST_DAYS)
        ends = ends + pd.to_timedelta(offset, unit="D")
    excluded: list[pd.DataFrame] = []

    def drop(rows: pd.DataFrame, out: pd.Series, reason: str) -> pd.DataFrame:
        if out.any():
            excluded.append(rows[out].assign(reason=reason))
        return rows[~out]

    table = exams.assign(follow_up_end=ends)
    table = drop(table, table["exam_date"].isna(), "the exam has no date")
    outcome = _outcomes(table, tumours, at_exam_days, interval_days)
    table = table.join(outcome)
    table = drop(table, table["is_after"], "after a diagnosis of cancer")
    early = (table["event"] == 1) & (table["time"] * _DAYS <= lead_time_days)
    if lead_time_days:
        table = drop(table, early, f"a diagnosis within {lead_time_days} days of the exam")
    table = drop(table, table["time"] < 0, "after the end of follow-up")
    known = set(exams["patient_id"])
    helpers = ["is_after", "follow_up_end"]
    gone = pd.concat(excluded) if excluded else exams.iloc[:0].assign(reason=None)
    columns = [*exams.columns, "reason"]
    return LinkedOutcomes(
        table=table.drop(columns=helpers).reset_index(drop=True),
        excluded=gone[columns].reset_index(drop=True),
        n_unmatched=int((~tumours.drop_duplicates("patient_id")["patient_id"].isin(known)).sum()),
    )


def _table(given: Any, where: str, columns: tuple[str, ...]) -> pd.DataFrame:
    if isinstance(given, (str, Path)):
        try:
            table = read_table_file(Path(given), _KEYS).table
        except ManifestError as error:
            raise DatasetError(error.what, where=where, remedy=error.remedy) from None
    else:
        found = as_frame(given)
        if found is None:
            raise DatasetError(f"a {type(given).__name__} is no table", where=where)
        table = found.copy()
    missing = [name for name in columns if name not in table]
    if missing:
        raise DatasetError(f"the table has no column {', '.join(missing)}", where=where)
    for key in _KEYS:
        if key in table:
            table[key] = id_text(table[key])
    return table.reset_index(drop=True)


def _dates(column: pd.Series, where: str) -> pd.Series:
    """Dates; text must have the unambiguous form 2015-01-31."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.astype("datetime64[ns]")
    text = column.astype(object).where(column.notna(), None)
    text = text.map(lambda one: None if one is None else str(one)[:10])
    found = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    wrong = found.isna() & text.notna()
    if wrong.any():
        raise DatasetError(
            f"{int(wrong.sum()):,} values are no dates, the first at row {np.argmax(wrong)}",
            where=where,
            remedy="Write dates as 2015-01-31.",
        )
    return found.astype("datetime64[ns]")


def _outcomes(
    exams: pd.DataFrame, tumours: pd.DataFrame, at_exam: int, interval: int
) -> pd.DataFrame:
    """Outcome of each row of the manifest, with the index of ``exams``."""
    side = tumours["laterality"] if "laterality" in tumours else pd.Series(None, tumours.index)
    side = side.astype(object).map(lambda one: str(one).strip().upper()[:1] if one else None)
    ill = tumours.assign(side=side.where(side.isin(["L", "R", "B"])))
    ill = ill[ill["diagnosis_date"].notna()][["patient_id", "diagnosis_date", "side"]]
    by_woman = tumours.groupby("patient_id")
    death = exams["patient_id"].map(by_woman["death_date"].min())
    seen = exams["patient_id"].map(by_woman["last_follow_up"].max())
    end = pd.concat([exams["follow_up_end"], seen], axis=1).min(axis=1)
    joined = exams[["patient_id", "exam_date"]].reset_index().merge(ill, on="patient_id")
    before = joined.loc[joined["diagnosis_date"] < joined["exam_date"], "index"].unique()
    after = joined[joined["diagnosis_date"] >= joined["exam_date"]]

    def timed(first: pd.Series) -> tuple[pd.Series, pd.Series]:
        date = first.reindex(exams.index)
        is_ill = date.notna() & (date <= end)
        is_dead = ~is_ill & death.notna() & (death <= end)
        stop = date.where(is_ill, death.where(is_dead, end))
        years = (stop - exams["exam_date"]).dt.days / _DAYS
        return years, is_ill.astype(int) + 2 * is_dead.astype(int)

    time, event = timed(after.groupby("index")["diagnosis_date"].min())
    days = time * _DAYS
    words = np.select([days <= at_exam, days <= interval], ["at exam", "interval"], "later")
    detection = pd.Series(words, index=exams.index, dtype=object).where(event == 1, None)
    first = after.sort_values("diagnosis_date").groupby("index")
    found = pd.DataFrame(
        {
            "time": time,
            "event": event,
            "detection": detection,
            "cancer_side": first["side"].first().reindex(exams.index).where(event == 1, None),
            "is_after": exams.index.isin(before),
        },
        index=exams.index,
    )
    unknown = after[after["side"].isna()].groupby("index")["diagnosis_date"].min()
    for letter in "LR":
        of_side = after[after["side"].isin([letter, "B"])]
        years, happened = timed(of_side.groupby("index")["diagnosis_date"].min())
        # A tumour of an unknown side may be of this breast.
        vague = unknown.reindex(exams.index)
        is_vague = vague.notna() & ((exams["exam_date"] + _span(years)) >= vague)
        found[f"time_{letter}"] = years
        found[f"event_{letter}"] = happened.astype(float).mask(is_vague)
    return found


def _span(years: pd.Series) -> pd.Series:
    return pd.to_timedelta((years * _DAYS).round(), unit="D")
