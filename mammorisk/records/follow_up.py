"""Check of follow-up columns: time, event, entry and weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats

CENSORED, CANCER, COMPETING = 0, 1, 2
#: Longest follow-up in years. Larger values are days, months or ages.
MOST_YEARS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class FollowUpFault:
    """Impossible values of one column.

    Attributes
    ----------
    column : str
    rows : ndarray of bool, shape (n,)
    what : str
        Description of the fault, to follow "<column> is".
    """

    column: str
    rows: NDArray[np.bool_]
    what: str


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckedFollowUp:
    """Follow-up columns as numbers, with their faults.

    Attributes
    ----------
    values : dict of str to ndarray, shape (n,)
        The given columns, in years; NaN means unknown.
    faults : list of FollowUpFault
        Impossible values. Unknown values are not faults.
    is_known : ndarray of bool, shape (n,)
        Rows with both a time and an event.
    """

    values: dict[str, Floats]
    faults: list[FollowUpFault]
    is_known: NDArray[np.bool_]


def check_follow_up(columns: Mapping[str, Any]) -> CheckedFollowUp:
    """Convert follow-up columns to numbers and find impossible values.

    Manifests, evaluations and fits all use these rules.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (n,)
        Any of ``time`` (years from the exam to the event or to the last follow-up), ``event`` (0
        censored, 1 breast cancer, 2 competing event), ``entry`` (years from the exam until the row
        came under observation) and ``weight``. All have the same length.

    Returns
    -------
    CheckedFollowUp

    Notes
    -----
    ``time`` lies in [0, 100]; ``event`` is 0, 1 or 2; ``entry`` is not negative and, unless 0, less
    than ``time``; ``weight`` is finite and not negative. Text, dates and durations are faults:
    pandas would convert a duration to nanoseconds.

    Examples
    --------
    >>> from mammorisk.records.follow_up import check_follow_up
    >>> checked = check_follow_up({"time": [2.5, -1.0, None], "event": [1, 0, 0]})
    >>> [(fault.column, fault.what, fault.rows.tolist()) for fault in checked.faults]
    [('time', 'negative', [False, True, False])]
    >>> checked.is_known.tolist()
    [True, True, False]
    """
    values: dict[str, Floats] = {}
    faults: list[FollowUpFault] = []

    def refuse(column: str, rows: NDArray[np.bool_], what: str) -> None:
        if rows.any():
            faults.append(FollowUpFault(column=column, rows=rows, what=what))

    for name, given in columns.items():
        values[name], wrong = as_numbers(given)
        refuse(name, wrong, "not a number")
    if "event" in values:
        event = values["event"]
        outside = np.isfinite(event) & ~np.isin(event, (CENSORED, CANCER, COMPETING))
        refuse("event", outside | np.isinf(event), "not 0, 1 or 2")
    for name in ("time", "entry", "weight"):
        if name in values:
            refuse(name, values[name] < 0, "negative")
            refuse(name, np.isinf(values[name]), "infinite")
    if "time" in values:
        too_long = np.isfinite(values["time"]) & (values["time"] > MOST_YEARS)
        refuse("time", too_long, f"over {MOST_YEARS} years")
    if {"time", "entry"} <= set(values):
        late = (values["entry"] > 0) & (values["entry"] >= values["time"])
        refuse("entry", late, "not before the end of follow-up")
    n = len(next(iter(values.values()), np.empty(0)))
    is_known = np.ones(n, dtype=bool)
    for name in ("time", "event"):
        is_known &= ~np.isnan(values[name]) if name in values else False
    return CheckedFollowUp(values=values, faults=faults, is_known=is_known)


def as_numbers(values: Any) -> tuple[Floats, NDArray[np.bool_]]:
    """Convert values to numbers; NaN if there is no value.

    Returns
    -------
    numbers : ndarray, shape (n,)
    is_wrong : ndarray of bool, shape (n,)
        Rows with a value that is not a number.
    """
    given = values if isinstance(values, pd.Series) else pd.Series(values, dtype=_dtype(values))
    there = given.notna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(given) or pd.api.types.is_timedelta64_dtype(given):
        return np.full(len(given), np.nan), there
    if given.dtype == object:
        # Dates and durations in a column of objects.
        dates = given.map(lambda value: hasattr(value, "year") or hasattr(value, "days"))
        given = given.mask(dates.to_numpy(dtype=bool), "date")
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, np.isnan(numbers) & there


def _dtype(values: Any) -> Any:
    return None if hasattr(values, "dtype") or len(values) else np.float64
