"""Follow-up that is possible but improbable: months or ages as years, other codes of events, body
weights as sampling weights.

No value is changed. Each warning states the evidence and what the user can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.records.follow_up import CANCER, CENSORED, COMPETING, MOST_YEARS, as_numbers
from mammorisk.records.questionnaire_fields import blank_to_none
from mammorisk.records.table_warning import TableWarning
from mammorisk.warnings import make_warning

if TYPE_CHECKING:
    import pandas as pd

#: Words for events in exports, in lower case.
EVENT_WORDS: dict[str, int] = {
    **dict.fromkeys(("censored", "no", "false", "none", "no event", "event-free", "n"), CENSORED),
    **dict.fromkeys(("cancer", "breast cancer", "yes", "true", "y"), CANCER),
    **dict.fromkeys(
        ("competing", "competing event", "competing death", "death", "other death"), COMPETING
    ),
}
#: Longest plausible follow-up of a cohort with mammograms, years.
LONGEST_YEARS = 45.0
#: Smallest number of rows for a warning about the coding.
FEWEST_ROWS = 10
#: Range of body weights of women in kg and pounds, and range of their median.
_BODY_WEIGHTS, _BODY_MEDIANS = (30.0, 400.0), (50.0, 190.0)


def read_events(column: pd.Series) -> pd.Series:
    """Convert words for events to 0, 1 and 2. Other values are not changed."""
    if column.dtype.kind in "iufb":
        return column

    def read(value: Any) -> Any:
        value = blank_to_none(value)
        if isinstance(value, str):
            word = value.strip().lower().replace("_", " ")
            return EVENT_WORDS.get(word, value)
        return value

    return column.astype(object).map(read)


def read_years(column: pd.Series) -> pd.Series:
    """Replace words for "not known" in a column of numbers by empty cells."""
    if column.dtype.kind in "iufmM":
        return column
    return column.astype(object).map(blank_to_none)


def doubt_follow_up(table: pd.DataFrame) -> list[TableWarning]:
    """Find improbable values in the columns ``time``, ``event`` and ``weight``.

    Parameters
    ----------
    table : DataFrame
        Table with any of these columns, and with ``age`` and ``weight_kg`` if available.

    Returns
    -------
    list of TableWarning

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.follow_up_doubts import doubt_follow_up
    >>> months = pd.DataFrame({"time": [12.0, 60, 96], "event": [1, 0, 0]})
    >>> doubt_follow_up(months)[0].warning.text
    'the longest follow-up is 96 years: divide time by 12 if it is in months'
    """
    numbers = {
        name: as_numbers(table[name])[0]
        for name in ("time", "event", "weight", "age")
        if name in table
    }
    found = []
    if "time" in numbers:
        found += _doubt_time(numbers["time"], numbers.get("age"))
    if "event" in numbers and (text := doubt_censoring(numbers["event"])) is not None:
        found.append(make_warning("follow-up-doubtful", text))
    if "weight" in numbers and "weight_kg" not in table:
        found += _doubt_weight(numbers["weight"])
    return [TableWarning(warning=one) for one in found]


def _doubt_time(time: Floats, age: Floats | None) -> list[Any]:
    known = np.isfinite(time) & (time <= MOST_YEARS)
    if not known.any() or (longest := float(time[known].max())) <= LONGEST_YEARS:
        return []
    if age is not None:
        both = known & np.isfinite(age)
        years = time[both] - age[both]
        if both.any() and (years >= 0).all() and np.median(years) < LONGEST_YEARS:
            text = (
                f"time is at least age in all {int(both.sum()):,} rows (median difference "
                f"{np.median(years):.1f} years): subtract age if it is the age at the end"
            )
            return [make_warning("follow-up-doubtful", text)]
    text = f"the longest follow-up is {longest:g} years: divide time by 12 if it is in months"
    return [make_warning("follow-up-doubtful", text)]


def doubt_censoring(event: Floats) -> str | None:
    """Return a text if nobody is censored, which usually means another coding of events.

    Parameters
    ----------
    event : ndarray, shape (n,)
        NaN is unknown.
    """
    known = np.isfinite(event)
    n = int(known.sum())
    if len(event) < FEWEST_ROWS or not n or (event[known] == CENSORED).any():
        return None
    cancers, others = (int((event == code).sum()) for code in (CANCER, COMPETING))
    empty = len(event) - n
    if empty > n and cancers + others == n:
        return (
            f"nobody is censored: event is 1 in {cancers:,} and 2 in {others:,} rows, and empty in "
            f"{empty:,}, which counts as not known; fill in 0 if an empty cell means no event"
        )
    if n < FEWEST_ROWS:
        return None
    if cancers + others < n:
        # Other values are reported as faults of their rows.
        return None
    text = (
        f"nobody is censored: event is 1 in {cancers:,} and 2 in {others:,} of {n:,} rows; "
        "expected: 0 censored, 1 breast cancer, 2 death from another cause"
    )
    if cancers and others:
        text += " (survival in R codes 1 censored, 2 event: subtract 1)"
    return text


def _doubt_weight(weight: Floats) -> list[Any]:
    known = weight[np.isfinite(weight)]
    if len(known) < FEWEST_ROWS or len(np.unique(known)) < FEWEST_ROWS:
        return []
    low, high, median = (float(f(known)) for f in (np.min, np.max, np.median))
    inside = _BODY_WEIGHTS[0] <= low and high <= _BODY_WEIGHTS[1]
    # Sampling weights are 1 for cases, or differ by large factors.
    if not inside or not _BODY_MEDIANS[0] <= median <= _BODY_MEDIANS[1] or high > 6 * low:
        return []
    text = (
        f"weight is used as sampling weights but looks like body weights ({low:g} to {high:g}, "
        f"median {median:g}): call body weights weight_kg"
    )
    return [make_warning("weight-doubtful", text)]
