"""Standardised numbers and indicators of categories, with or without indicators of unknowns."""

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
    shares : dict of str to list of float, or None
        Shares of the categories. If they are given, indicators are centred at them and there are no
        indicators of unknowns: a woman with average or unknown answers has zeros in all columns.
    """

    mean: dict[str, float]
    sd: dict[str, float]
    categories: dict[str, list[str]]
    shares: dict[str, list[float]] | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        numbers: list[str],
        categories: list[str],
        weights: NDArray[np.float64] | None = None,
    ) -> Scaling:
        """Fit means, SDs and categories. A column without values is omitted.

        Parameters
        ----------
        frame : DataFrame, n rows
        numbers, categories : list of str
            Columns.
        weights : ndarray, shape (n,), optional
            Sampling weights, for columns without indicators of unknowns.
        """
        mean, sd, seen = {}, {}, {}
        shares: dict[str, list[float]] = {}
        every = np.ones(len(frame)) if weights is None else weights
        for name in numbers:
            values = pd.to_numeric(frame[name], errors="coerce") if name in frame else pd.Series([])
            known = values.notna().to_numpy()
            if known.any():
                mean[name] = float(np.average(values[known].to_numpy(float), weights=every[known]))
                spread = float(values.std()) if values.notna().sum() > 1 else 0.0
                sd[name] = spread if spread > 0 else 1.0
        for name in categories:
            if name in frame and frame[name].notna().any():
                known = frame[name].notna().to_numpy()
                text = frame[name][known].astype(str).to_numpy(dtype=object)
                seen[name] = sorted(set(text))
                shares[name] = [
                    float(np.average(text == value, weights=every[known])) for value in seen[name]
                ]
        return cls(mean=mean, sd=sd, categories=seen, shares=None if weights is None else shares)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of :meth:`transform`."""
        names = []
        unknown = self.shares is None
        for name in self.mean:
            names += [name, f"{name} unknown"] if unknown else [name]
        for name, values in self.categories.items():
            names += [f"{name} {value}" for value in values]
            names += [f"{name} unknown"] if unknown else []
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
            A missing number is 0, and its indicator, if there is one, is 1. A category that was not
            in the training counts as unknown.
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
            parts.append(np.where(missing, 0.0, scaled))
            if self.shares is None:
                parts.append(missing.astype(float))
        for name, seen in self.categories.items():
            given = frame[name].astype(object) if name in frame else pd.Series([None] * len(frame))
            text = given.map(lambda value: None if pd.isna(value) else str(value)).to_numpy()
            hits = [(text == value).astype(float) for value in seen]
            known = np.sum(hits, axis=0)
            if self.shares is None:
                parts += [*hits, 1.0 - known]
            else:
                parts += [
                    hit - known * share for hit, share in zip(hits, self.shares[name], strict=True)
                ]
        if not parts:
            return np.zeros((len(frame), 0), dtype=np.float32)
        return np.stack(parts, axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "sd": self.sd,
            "categories": self.categories,
            "shares": self.shares,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Scaling:
        return cls(
            mean=data["mean"],
            sd=data["sd"],
            categories=data["categories"],
            shares=data["shares"],
        )
