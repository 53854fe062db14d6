"""Outcome: event and time of each row, validated when it is created."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.records.follow_up import (
    CANCER,
    CENSORED,
    COMPETING,
    MOST_YEARS,
    CheckedFollowUp,
    as_numbers,
    check_follow_up,
)
from mammorisk.records.frequency import COLUMN, copies, read_counts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Follow-up of n rows (exams), possibly several of one woman.

    Parameters
    ----------
    time : array_like of float, shape (n,)
        Years from the exam to the event or to the last follow-up; finite and not negative.
    event : array_like of int, shape (n,)
        0 censored, 1 breast cancer, 2 competing event (death without breast cancer).
    weight : array_like of float, shape (n,), optional
        Sampling weight, the inverse of the probability of being in the data (case-cohort,
        case-control); finite, not negative, not all zero. Rows of weight zero are ignored.
    entry : array_like of float, shape (n,), optional
        Years from the exam to the start of observation (left truncation); less than ``time``.
    cluster : array_like, shape (n,), optional
        Rows of one woman share a value; rows are then not taken as independent. Stored as codes.
    frequency_weight : array_like of int, shape (n,), optional
        Number of equal women for whom a row stands, from 1. The row is written out as often, each
        time as another woman: estimates and standard errors are those of the long table. Metrics
        take scores either of the n rows or of the long table.

    Attributes
    ----------
    rows : ndarray of int, shape (len(outcome),)
        Position of each row among the rows given; 0 ... n - 1 without frequency weights.

    Raises
    ------
    EvaluationError
        Arrays are empty or have different lengths, or values are missing, negative or otherwise
        impossible. The message gives the number of faulty rows and the position of the first.

    See Also
    --------
    mammorisk.evaluate : Compares risks with outcomes.
    mammorisk.metrics : Metrics of an outcome and the scores of a model.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.Outcome(time=[0.5, 3.2, 6.0], event=[1, 2, 0])
    <Outcome: 3 rows, 1 cancers, 1 competing events>
    >>> mr.Outcome(time=[0.5, 6.0], event=[1, 0], frequency_weight=[2, 30])
    <Outcome: 32 rows, 2 cancers, 0 competing events, written out from 2>
    """

    time: Floats
    event: NDArray[np.int64]
    weight: Floats
    entry: Floats
    cluster: NDArray[np.int64]
    is_weighted: bool
    is_clustered: bool
    has_entry: bool
    is_binary: bool
    rows: NDArray[np.int64]
    n_given: int

    def __init__(
        self,
        *,
        time: ArrayLike,
        event: ArrayLike,
        weight: ArrayLike | None = None,
        entry: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
        frequency_weight: ArrayLike | None = None,
    ) -> None:
        given = {"time": time, "event": event, "entry": entry, "weight": weight}
        there = {
            name: _column(name, column) for name, column in given.items() if column is not None
        }
        n = len(there["time"])
        if n == 0:
            raise EvaluationError("there are no rows to evaluate", where="time")
        for name, column in there.items():
            if len(column) != n:
                raise EvaluationError(f"{len(column)} values where there are {n} rows", where=name)
        checked = check_follow_up(there)
        refuse_faults(checked)
        for name, numbers in checked.values.items():
            _refuse(name, np.isnan(numbers), "missing")
        weights = checked.values.get("weight", np.ones(n))
        if not weights.any():
            raise EvaluationError("every weight is zero", where="weight")
        entries = checked.values.get("entry", np.zeros(n))
        women = np.arange(n) if cluster is None else _codes(cluster, n)
        rows = np.arange(n) if frequency_weight is None else _rows(frequency_weight, n)
        if len(rows) > n:
            # Copies of a row are other women, each with all rows of hers.
            women = _codes_of(np.column_stack([women[rows], copies(rows)]))
        self._set(
            time=checked.values["time"][rows],
            event=checked.values["event"].astype(np.int64)[rows],
            weight=weights[rows],
            entry=entries[rows],
            cluster=women,
            is_clustered=cluster is not None and bool(women.max() + 1 < len(rows)),
            rows=rows,
            n_given=n,
        )

    def _set(
        self,
        *,
        time: Floats,
        event: NDArray[np.int64],
        weight: Floats,
        entry: Floats,
        cluster: NDArray[np.int64],
        is_clustered: bool,
        rows: NDArray[np.int64],
        n_given: int,
        is_binary: bool = False,
    ) -> None:
        """Set every attribute from values that are valid."""
        values: dict[str, Any] = {
            "time": time,
            "event": event,
            "weight": weight,
            "entry": entry,
            "cluster": cluster,
            "is_weighted": bool((weight != weight[0]).any()),
            "is_clustered": is_clustered,
            "has_entry": bool((entry > 0).any()),
            "is_binary": is_binary,
            "rows": rows,
            "n_given": n_given,
        }
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def binary(
        cls,
        case: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
        frequency_weight: ArrayLike | None = None,
    ) -> Outcome:
        """Create an outcome from yes or no, without times. Metrics then need no horizon.

        Cases get the time 1. All others are known to be free of cancer at time 2.

        Parameters
        ----------
        case : array_like of bool or 0/1, shape (n,)
        weight, cluster, frequency_weight : array_like, shape (n,), optional
        """
        is_case, _ = as_numbers(_column("case", case))
        _refuse("case", ~np.isin(is_case, (0, 1)), "neither 0 nor 1")
        made = cls(
            time=2 - is_case,
            event=is_case,
            weight=weight,
            cluster=cluster,
            frequency_weight=frequency_weight,
        )
        return made._marked(binary=True)

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> Outcome:
        """Read ``time``, ``event`` and, where present, ``weight``, ``entry``, ``patient_id``,
        ``frequency_weight``.

        Raises
        ------
        EvaluationError
            Values are impossible, or an exam of a woman appears twice (``exam_id``).
        """
        missing = [name for name in ("time", "event") if name not in table.columns]
        if missing:
            raise EvaluationError(f"the table has no column {' or '.join(missing)}", where="table")
        keys = [key for key in ("patient_id", "exam_id") if key in table.columns]
        if "exam_id" in keys and (repeated := table.duplicated(subset=keys)).any():
            raise EvaluationError(
                f"{int(repeated.sum())} rows repeat an exam, the first at position "
                f"{int(np.argmax(repeated))}",
                where="exam_id",
                remedy="Keep one row per exam; give the number of equal women as frequency_weight.",
            )
        return cls(
            time=table["time"],
            event=table["event"],
            weight=table["weight"] if "weight" in table.columns else None,
            entry=table["entry"] if "entry" in table.columns else None,
            cluster=table["patient_id"] if "patient_id" in table.columns else None,
            frequency_weight=table[COLUMN] if COLUMN in table.columns else None,
        )

    def __len__(self) -> int:
        return len(self.time)

    def written_out(self, values: Any) -> Any:
        """Values of the rows given, once for each woman.

        Parameters
        ----------
        values : ndarray, shape (n,) or (len(outcome),)
            Of the rows given, or already of the long table.

        Returns
        -------
        ndarray, shape (len(outcome),)
            Values of any other shape are returned as they are.
        """
        is_short = len(self) > self.n_given and np.shape(values)[:1] == (self.n_given,)
        return np.asarray(values)[self.rows] if is_short else values

    def take(self, rows: NDArray[Any] | Sequence[int]) -> Outcome:
        """The outcome of some rows, by position or boolean mask; a row may be taken repeatedly."""
        weight = self.weight[rows]
        if len(weight) == 0:
            raise EvaluationError("there are no rows to evaluate", where="time")
        if not weight.any():
            raise EvaluationError("every weight is zero", where="weight")
        # Rows of a valid outcome are valid: reports take parts of a million rows many times.
        n = len(weight)
        cluster = _codes(self.cluster[rows], n) if self.is_clustered else np.arange(n)
        made = object.__new__(Outcome)
        made._set(
            time=self.time[rows],
            event=self.event[rows],
            weight=weight,
            entry=self.entry[rows],
            cluster=cluster,
            is_clustered=self.is_clustered and bool(cluster.max() + 1 < n),
            rows=np.arange(n),
            n_given=n,
            is_binary=self.is_binary,
        )
        return made

    def _marked(self, *, binary: bool) -> Outcome:
        object.__setattr__(self, "is_binary", binary)
        return self

    def with_weight(self, weight: ArrayLike) -> Outcome:
        """Return the same follow-up with other weights."""
        return Outcome(
            time=self.time,
            event=self.event,
            weight=weight,
            entry=self.entry,
            cluster=self.cluster if self.is_clustered else None,
        )._marked(binary=self.is_binary)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Return the order of rows by time, with events before censorings at equal times."""
        return np.lexsort((self.event == CENSORED, self.time))

    @cached_property
    def n_independent(self) -> int:
        """Number of women (of rows, where rows are not clustered) of positive weight."""
        used = self.weight > 0
        if not self.is_clustered:
            return int(used.sum())
        return int((np.bincount(self.cluster, used) > 0).sum())

    def is_case(self, horizon: float) -> NDArray[np.bool_]:
        """Return the rows with breast cancer within the horizon (years)."""
        return np.asarray((self.event == CANCER) & (self.time <= horizon))

    def is_competing(self, horizon: float) -> NDArray[np.bool_]:
        """Return the rows with a competing event within the horizon (years)."""
        return np.asarray((self.event == COMPETING) & (self.time <= horizon))

    def is_event_free(self, horizon: float) -> NDArray[np.bool_]:
        """Return the rows under observation and without event at the horizon (years).

        These are rows followed beyond the horizon and, if :meth:`ends_at_horizon`, rows censored
        exactly at the horizon.
        """
        if self.ends_at_horizon(horizon):
            until = (self.time > horizon) | self._is_censored_at(horizon)
            return np.asarray(until & (self.entry < horizon))
        return np.asarray((self.time > horizon) & (self.entry <= horizon))

    def ends_at_horizon(self, horizon: float) -> bool:
        """Whether follow-up ends administratively at the horizon (years).

        True if more weight is censored exactly at the horizon than is followed beyond it, as with
        follow-up cut at five years or times in completed years. Women censored at this time then
        count as free of events at the horizon. Otherwise they count as censored before it, as in
        riskRegression. Both rules are consistent, but the latter uses only the women followed
        beyond the horizon.
        """
        at = float(self.weight[self._is_censored_at(horizon)].sum())
        return at > 0 and at > float(self.weight[self.time > horizon].sum())

    def _is_censored_at(self, horizon: float) -> NDArray[np.bool_]:
        return np.asarray((self.event == CENSORED) & (self.time == horizon))

    def is_complete(self, horizon: float) -> bool:
        """Whether the outcome by the horizon (years) is known for every row of positive weight.

        False with late entry, because women with an earlier end are not in the data.
        """
        known = (self.event != CENSORED) | (self.time > horizon)
        if self.ends_at_horizon(horizon):
            known = known | self._is_censored_at(horizon)
        return bool(known[self.weight > 0].all()) and not self.has_entry

    def __repr__(self) -> str:
        parts = [
            f"{len(self)} rows",
            f"{self.cluster.max() + 1} women" if self.is_clustered else None,
            f"{int((self.event == CANCER).sum())} cancers",
            f"{int((self.event == COMPETING).sum())} competing events",
            "weighted" if self.is_weighted else None,
            "late entry" if self.has_entry else None,
            f"written out from {self.n_given}" if len(self) > self.n_given else None,
        ]
        return f"<Outcome: {', '.join(part for part in parts if part)}>"


def _column(name: str, values: ArrayLike) -> Any:
    """Return the values if they are one-dimensional."""
    if hasattr(values, "dtype") and getattr(values, "ndim", 1) == 1:
        return values
    array = np.asarray(values)
    if array.ndim != 1:
        raise EvaluationError(
            f"the array has shape {array.shape}, one dimension is required", where=name
        )
    return array


def refuse_faults(checked: CheckedFollowUp) -> None:
    """Raise EvaluationError if there are impossible values."""
    for fault in checked.faults:
        _refuse(fault.column, fault.rows, fault.what)


_REMEDIES = {
    "not a number": "Give numbers of years, such as (end - start).dt.days / 365.25.",
    f"over {MOST_YEARS} years": "Give years, not days, months or ages.",
}


def _refuse(name: str, faulty: NDArray[np.bool_], fault: str) -> None:
    if faulty.any():
        raise EvaluationError(
            f"{int(faulty.sum())} values are {fault}, the first at position "
            f"{int(np.argmax(faulty))}",
            where=name,
            remedy=_REMEDIES.get(fault, "Correct or leave out these rows."),
        )


def _rows(frequency_weight: ArrayLike, n: int) -> NDArray[np.int64]:
    """Positions, each as often as its row stands for women."""
    counts = read_counts(_column(COLUMN, frequency_weight))
    if len(counts) != n:
        raise EvaluationError(f"{len(counts)} values where there are {n} rows", where=COLUMN)
    _refuse(COLUMN, counts == 0, "0")
    return np.repeat(np.arange(n), counts)


def _codes_of(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes of distinct rows of a table of keys."""
    return np.unique(keys, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _codes(cluster: ArrayLike, n: int) -> NDArray[np.int64]:
    import pandas as pd

    codes, _ = pd.factorize(np.asarray(cluster), sort=False)
    if len(codes) != n:
        raise EvaluationError(f"{len(codes)} values where there are {n} rows", where="cluster")
    _refuse("cluster", codes < 0, "missing")
    return codes.astype(np.int64)
