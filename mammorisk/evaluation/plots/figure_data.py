"""Data from which a figure is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mammorisk.evaluation.plot_data import PlotSource
from mammorisk.evaluation.plots.look import Look
from mammorisk.evaluation.rounding import decimals_for, rounded

Frames = pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False)
class FigureData:
    """Data of one figure.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Tables of the report by name.
    source : PlotSource
    models : sequence of str
        Models that are drawn.
    horizon : float
        Years.
    looks : dict of str to Look
        By model.
    options : dict
        Further options of this figure.
    simulated : bool
        Whether the women are simulated.
    """

    tables: Mapping[str, pd.DataFrame]
    source: PlotSource
    models: Sequence[str]
    horizon: float
    looks: Mapping[str, Look]
    options: Mapping[str, Any] = field(default_factory=dict)
    simulated: bool = False

    def title(self, text: str = "") -> str:
        """Title of axes; it states if the women are simulated."""
        if not self.simulated:
            return text
        return f"{text} (simulated)" if text else "simulated women"

    def estimate(self, table: str, model: str, measure: str) -> str | None:
        """Estimate of a model at the horizon, with its interval, as text."""
        rows = self.tables[table]
        if rows.empty:
            return None
        rows = rows[
            (rows["model"] == model)
            & (rows["measure"] == measure)
            & (rows["horizon"] == self.horizon)
            & rows["value"].notna()
        ]
        if rows.empty:
            return None
        digits = decimals_for(*(rows[name].to_numpy(float) for name in ("value", "lower", "upper")))
        digits = min(digits, 2)
        value, low, high = (
            rounded(float(rows[n].iloc[0]), digits) for n in ("value", "lower", "upper")
        )
        return f"{value} ({low} to {high})" if low else value

    def size(self, model: str) -> tuple[int, int]:
        """Number of exams and of cancers within the horizon, of a model."""
        risks = self.source.risks[model][self.horizon]
        there = risks.notna().to_numpy() & (self.source.outcome.weight > 0)
        return int(there.sum()), int((self.source.outcome.is_case(self.horizon) & there).sum())
