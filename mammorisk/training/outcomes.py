"""Follow-up as tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mammorisk.errors import TrainingError


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Follow-up of n women as tensors.

    Attributes
    ----------
    time, event, entry, weight : Tensor, shape (n,)
        Years; 1 for breast cancer, 2 for death from another cause, 0 censored; years; weight.
    log_sampling_ratio : Tensor, shape (n,)
        Log of the mean weight of women without the event over that of women with it, in all rows
        read: the same for all.
    relative_weight : Tensor, shape (n,)
        Weight over the mean of women with the same event status.
    planned_time : Tensor, shape (n,)
        Follow-up that a woman would have had without an event: her own where she was censored,
        else the mean of those (or her own, if longer).
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


def read_outcomes(table: pd.DataFrame) -> Outcomes:
    """Outcomes of a cohort's table.

    Raises
    ------
    TrainingError
        There is no follow-up, or nobody has the event.
    """
    if not {"time", "event"} <= set(table.columns):
        raise TrainingError(
            "the cohort has no outcomes", remedy="Add the columns time (years) and event (0, 1, 2)."
        )
    columns = {
        "time": table["time"],
        "event": table["event"],
        "entry": table.get("entry", pd.Series(0.0, index=table.index)),
        "weight": table.get("weight", pd.Series(1.0, index=table.index)),
    }
    values = {
        name: torch.from_numpy(pd.to_numeric(column).to_numpy(dtype=np.float32).copy())
        for name, column in columns.items()
    }
    missing = {name: int(value.isnan().sum()) for name, value in values.items()}
    if any(missing.values()):
        told = ", ".join(f"{name} of {count} rows" for name, count in missing.items() if count)
        raise TrainingError(f"outcomes are missing: {told}", remedy="Leave such rows out.")
    case, weight = values["event"] == 1, values["weight"]
    with_event, without = (
        weight[part & (weight > 0)].mean() if part.any() else torch.ones(())
        for part in (case, ~case)
    )
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
