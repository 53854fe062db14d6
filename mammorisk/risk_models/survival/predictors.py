"""The fitted parts of survival models: cumulative hazards from the columns of a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.risk_models.survival.trees import Trees

#: Whole years at which a model answers.
YEARS = 5


class Predictor(Protocol):
    """A fitted part.

    ``monotone`` says that the hazard does not fall with an adverse answer; if not, the model takes
    the highest hazard of those with and without the adverse answers.
    """

    monotone: bool

    def cumulative_hazard(self, matrix: Floats) -> Floats:
        """Cumulative hazard by the end of each year, shape (n, years)."""

    @property
    def columns_used(self) -> frozenset[int]:
        """Columns that change a hazard."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays to save."""


@dataclass(frozen=True, kw_only=True)
class CoxPredictor:
    """Proportional hazards.

    Attributes
    ----------
    coefficients : ndarray, shape (n_columns,)
        Log hazard ratios.
    baseline : ndarray, shape (years,)
        Cumulative hazard where all columns are 0.
    """

    coefficients: Floats
    baseline: Floats
    monotone = True

    def cumulative_hazard(self, matrix: Floats) -> Floats:
        return np.exp(matrix @ self.coefficients)[:, None] * self.baseline

    @property
    def columns_used(self) -> frozenset[int]:
        return frozenset(int(one) for one in np.flatnonzero(self.coefficients))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"coefficients": self.coefficients, "baseline": self.baseline}


@dataclass(frozen=True, kw_only=True)
class ForestPredictor:
    """The mean cumulative hazard of survival trees.

    Attributes
    ----------
    trees : Trees
        A leaf has the cumulative hazard by the end of each year.
    """

    trees: Trees
    monotone = False

    def cumulative_hazard(self, matrix: Floats) -> Floats:
        return self.trees.mean(matrix)

    @property
    def columns_used(self) -> frozenset[int]:
        return self.trees.columns_used

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.trees.arrays()


@dataclass(frozen=True, kw_only=True)
class BoostingPredictor:
    """Proportional hazards, with a sum of regression trees as the log hazard ratio.

    Attributes
    ----------
    trees : Trees
        A leaf has its log hazard ratio.
    learning_rate : float
        Factor of the sum.
    baseline : ndarray, shape (years,)
    """

    trees: Trees
    learning_rate: float
    baseline: Floats
    monotone = False

    def cumulative_hazard(self, matrix: Floats) -> Floats:
        total = self.trees.sums(matrix, np.array([len(self.trees)]))[:, 0]
        return np.exp(self.learning_rate * total)[:, None] * self.baseline

    @property
    def columns_used(self) -> frozenset[int]:
        return self.trees.columns_used

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            **self.trees.arrays(),
            "baseline": self.baseline,
            "learning_rate": np.array([self.learning_rate]),
        }


def predictor_from(kind: str, arrays: Mapping[str, NDArray[Any]], n_columns: int) -> Predictor:
    """Read a predictor from its arrays.

    Parameters
    ----------
    kind : {"coxnet", "survival-forest", "gradient-boosting"}
    arrays : mapping of str to ndarray
    n_columns : int
        Columns of the design.

    Raises
    ------
    KeyError, ValueError
        The arrays are damaged.
    """
    if kind == "coxnet":
        coefficients = _finite(arrays["coefficients"], (n_columns,))
        return CoxPredictor(
            coefficients=coefficients, baseline=_finite(arrays["baseline"], (YEARS,))
        )
    trees = Trees(
        first=arrays["first"],
        left=arrays["left"],
        right=arrays["right"],
        column=arrays["column"],
        threshold=arrays["threshold"],
        value=_finite(arrays["value"], arrays["value"].shape),
    )
    trees.check(n_columns)
    if kind == "survival-forest":
        if trees.value.shape[1] != YEARS:
            raise ValueError("a leaf does not have a hazard for each year")
        return ForestPredictor(trees=trees)
    if kind != "gradient-boosting":
        raise ValueError(f"unknown kind {kind!r}")
    return BoostingPredictor(
        trees=trees,
        learning_rate=float(_finite(arrays["learning_rate"], (1,))[0]),
        baseline=_finite(arrays["baseline"], (YEARS,)),
    )


def _finite(values: NDArray[Any], shape: tuple[int, ...]) -> Floats:
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError("an array has another shape, or values that are not finite")
    return np.asarray(values, dtype=np.float64)
