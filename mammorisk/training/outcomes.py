"""Follow-up as tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk.errors import EvaluationError, TrainingError
from mammorisk.records.frequency import COLUMN, read_counts
from mammorisk.records.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Follow-up of n women as tensors.

    Attributes
    ----------
    time, event, entry, weight : Tensor, shape (n,)
        Years; 1 for breast cancer, 2 for death from another cause, 0 censored; years; weight.
    log_sampling_ratio : Tensor, shape (n,)
        Log of the ratio of the mean weights of women without and with the event. It is the same
        for all rows.
    relative_weight : Tensor, shape (n,)
        Weight relative to the mean of women with the same event status.
    planned_time : Tensor, shape (n,)
        Follow-up without an event: that of a censored woman is her own, that of another woman is
        the mean of the censored women (or her own, if longer).
    """

    time: Tensor
    event: Tensor
    entry: Tensor
    weight: Tensor
    log_sampling_ratio: Tensor
    relative_weight: Tensor
    planned_time: Tensor

    def take(self, rows: Tensor) -> Outcomes:
        return Outcomes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def as_record(self) -> Outcome:
        """Convert the follow-up to the record used by metrics."""
        time = self.time.double().numpy()
        entry = self.entry.double().numpy()
        # In single precision an entry just before the end may be equal to it.
        late = np.where(entry > 0, np.minimum(entry, np.nextafter(time, 0.0)), 0.0)
        weight = self.weight.double().numpy()
        return Outcome(time=time, event=self.event.numpy(), entry=late, weight=weight)


def read_outcomes(table: pd.DataFrame, left_out: NDArray[np.bool_] | None = None) -> Outcomes:
    """Read the outcomes of a cohort's table.

    Parameters
    ----------
    table : DataFrame, n rows
    left_out : ndarray of bool, shape (n,), optional
        Rows that are excluded from the fit. Their weight becomes 0, so that they do not affect the
        sampling ratio.

    Returns
    -------
    Outcomes

    Raises
    ------
    TrainingError
        There is no follow-up, or a row has a missing or impossible one. The rules are those of
        :func:`mammorisk.records.follow_up.check_follow_up`.
    """
    if not {"time", "event"} <= set(table.columns):
        raise TrainingError(
            "the cohort has no outcomes", remedy="Add the columns time (years) and event (0, 1, 2)."
        )
    try:
        counts = read_counts(table[COLUMN]) if COLUMN in table.columns else np.ones(len(table))
        checked = Outcome.from_table(table.drop(columns=COLUMN, errors="ignore"))
    except EvaluationError as error:
        raise TrainingError(error.what, where=error.where, remedy=error.remedy) from None
    values = {
        name: torch.from_numpy(getattr(checked, name).astype(np.float32))
        for name in ("time", "event", "entry", "weight")
    }
    # A row that stands for several women counts as often.
    frequency = torch.from_numpy(counts.astype(np.float32))
    if left_out is not None:
        values["weight"][torch.from_numpy(left_out.copy())] = 0.0
    case, weight = values["event"] == 1, values["weight"]
    with_event, without = (
        _mean(weight, frequency, part & (weight > 0)) if part.any() else torch.ones(())
        for part in (case, ~case)
    )
    weight = values["weight"] = weight * frequency
    censored = (values["event"] == 0) & (weight > 0)
    planned = values["time"]
    if censored.any():
        mean = (weight * planned)[censored].sum() / weight[censored].sum()
        planned = torch.where(values["event"] == 0, planned, planned.clamp(min=float(mean)))
    return Outcomes(
        **values,
        planned_time=planned,
        log_sampling_ratio=torch.log(without / with_event).expand(len(weight)).clone(),
        relative_weight=torch.where(case, weight / with_event, weight / without),
    )


def _mean(weight: Tensor, frequency: Tensor, rows: Tensor) -> Tensor:
    """Mean sampling weight of the women of some rows."""
    return (weight * frequency)[rows].sum() / frequency[rows].sum()
