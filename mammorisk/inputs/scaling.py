"""Standardised numbers with missing indicators, and categories as indicator columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Standardised numbers are clipped to this, so that one unusual value cannot dominate a risk.
_LIMIT = 4.0


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Conversion of columns to numbers, fitted to training data and saved with the model.

    Attributes
    ----------
    mean, sd : dict of str to float
        Values by numeric column.
    categories : dict of str to list of str
        Categories by categorical column.
    """

    mean: dict[str, float]
    sd: dict[str, float]
    categories: dict[str, list[str]]

    @classmethod
    def fit(cls, frame: pd.DataFrame, numbers: list[str], categories: list[str]) -> Scaling:
        """Fit means, SDs and categories. A column without values is omitted."""
        mean, sd, seen = {}, {}, {}
        for name in numbers:
            values = pd.to_numeric(frame[name], errors="coerce") if name in frame else pd.Series([])
            if values.notna().any():
                mean[name] = float(values.mean())
                spread = float(values.std()) if values.notna().sum() > 1 else 0.0
                sd[name] = spread if spread > 0 else 1.0
        for name in categories:
            if name in frame and frame[name].notna().any():
                seen[name] = sorted(str(value) for value in frame[name].dropna().unique())
        return cls(mean=mean, sd=sd, categories=seen)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of :meth:`transform`."""
        names = []
        for name in self.mean:
            names += [name, f"{name} unknown"]
        for name, values in self.categories.items():
            names += [f"{name} {value}" for value in values]
            names.append(f"{name} unknown")
        return names

    @property
    def varied(self) -> frozenset[str]:
        """Columns with more than one value in the training data."""
        # A column with a single value has an SD of exactly 1, see fit().
        numbers = {name for name, spread in self.sd.items() if spread != 1.0}
        return frozenset(
            numbers | {name for name, seen in self.categories.items() if len(seen) > 1}
        )

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Convert the columns to numbers.

        Parameters
        ----------
        frame : DataFrame, n rows

        Returns
        -------
        ndarray of float32, shape (n, len(columns))
            A missing number is 0, and its indicator is 1. A category that was not in the training
            counts as unknown.
        """
        parts = []
        for name, mean in self.mean.items():
            values = (
                pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float)
                if name in frame
                else np.full(len(frame), np.nan)
            )
            missing = np.isnan(values)
            scaled = np.clip((values - mean) / self.sd[name], -_LIMIT, _LIMIT)
            parts += [np.where(missing, 0.0, scaled), missing.astype(float)]
        for name, seen in self.categories.items():
            given = frame[name].astype(object) if name in frame else pd.Series([None] * len(frame))
            text = given.map(lambda value: None if pd.isna(value) else str(value)).to_numpy()
            hits = [(text == value).astype(float) for value in seen]
            parts += [*hits, 1.0 - np.sum(hits, axis=0)]
        if not parts:
            return np.zeros((len(frame), 0), dtype=np.float32)
        return np.stack(parts, axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "sd": self.sd, "categories": self.categories}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Scaling:
        return cls(mean=data["mean"], sd=data["sd"], categories=data["categories"])
