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
        Rows of one woman have the same value and are then not treated as independent. Stored as
        codes.

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

    def __init__(
        self,
        *,
        time: ArrayLike,
        event: ArrayLike,
        weight: ArrayLike | None = None,
        entry: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
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
        values: dict[str, Any] = {
            "time": checked.values["time"],
            "event": checked.values["event"].astype(np.int64),
            "weight": weights,
            "entry": entries,
            "cluster": np.arange(n) if cluster is None else _codes(cluster, n),
            "is_weighted": bool((weights != weights[0]).any()),
            "has_entry": bool((entries > 0).any()),
            "is_binary": False,
        }
        values["is_clustered"] = cluster is not None and values["cluster"].max() + 1 < n
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def binary(
        cls, case: ArrayLike, *, weight: ArrayLike | None = None, cluster: ArrayLike | None = None
    ) -> Outcome:
        """Create an outcome from yes or no, without times. Metrics then need no horizon.

        Cases get the time 1. All others are known to be free of cancer at time 2.

        Parameters
        ----------
        case : array_like of bool or 0/1, shape (n,)
        weight, cluster : array_like, shape (n,), optional
        """
        is_case, _ = as_numbers(_column("case", case))
        _refuse("case", ~np.isin(is_case, (0, 1)), "neither 0 nor 1")
        made = cls(time=2 - is_case, event=is_case, weight=weight, cluster=cluster)
        return made._marked(binary=True)

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> Outcome:
        """Read ``time``, ``event`` and, if present, ``weight``, ``entry`` and ``patient_id``.

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
        )

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[Any] | Sequence[int]) -> Outcome:
        """Select rows by position or boolean mask. A row may be selected several times."""
        return Outcome(
            time=self.time[rows],
            event=self.event[rows],
            weight=self.weight[rows],
            entry=self.entry[rows],
            cluster=self.cluster[rows] if self.is_clustered else None,
        )._marked(binary=self.is_binary)

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
        """Number of women (or rows, without clusters) with positive weight."""
        return len(np.unique(self.cluster[self.weight > 0]))

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


def _codes(cluster: ArrayLike, n: int) -> NDArray[np.int64]:
    import pandas as pd

    codes, _ = pd.factorize(np.asarray(cluster), sort=False)
    if len(codes) != n:
        raise EvaluationError(f"{len(codes)} values where there are {n} rows", where="cluster")
    _refuse("cluster", codes < 0, "missing")
    return codes.astype(np.int64)
