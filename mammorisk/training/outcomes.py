"""Follow-up as tensors."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    time: Tensor
    event: Tensor
    entry: Tensor
    weight: Tensor

    def take(self, rows: Tensor) -> Outcomes:
        return Outcomes(
            time=self.time[rows],
            event=self.event[rows],
            entry=self.entry[rows],
            weight=self.weight[rows],
        )


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
    return Outcomes(**values)
