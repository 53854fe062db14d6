"""The three learners of survival models: candidates of a tuning parameter, and the final part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.risk_models.recipe import Recipe, SurvivalOptions
from mammorisk.risk_models.survival.adverse_answers import highest_below
from mammorisk.risk_models.survival.design import AGE, Design
from mammorisk.risk_models.survival.predictors import (
    BoostingPredictor,
    CoxPredictor,
    ForestPredictor,
    Predictor,
)
from mammorisk.training.scikit_survival import boosting, breslow, coxnet_path, forest

#: Smallest number of trees that is tried in gradient boosting; the next ones double it.
_FEWEST_TREES = 10


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Women with their columns and follow-up.

    Attributes
    ----------
    design : Design
    matrix : ndarray, shape (n, n_columns)
    answers : ndarray, shape (n, n_adverse)
        Adverse answers; NaN where unknown.
    event : ndarray of bool, shape (n,)
    time, weight : ndarray, shape (n,)
    """

    design: Design
    matrix: Floats
    answers: Floats
    event: NDArray[np.bool_]
    time: Floats
    weight: Floats


class Learner(Protocol):
    """A way to fit, with one tuning parameter."""

    #: Name of the tuning parameter.
    parameter: str
    #: Whether missing answers have indicators.
    indicators: bool

    def candidates(self, sample: Sample) -> list[float]:
        """Values of the tuning parameter, the simplest model first."""

    def predictors(self, sample: Sample, values: Sequence[float]) -> list[Predictor]:
        """Fit a model for every value."""


@dataclass(frozen=True)
class Coxnet:
    """Cox regression with an elastic-net penalty."""

    options: SurvivalOptions
    parameter = "penalty"
    indicators = False

    def candidates(self, sample: Sample) -> list[float]:
        path, _ = self._path(sample, None)
        return [float(one) for one in path]

    def predictors(self, sample: Sample, values: Sequence[float]) -> list[Predictor]:
        _, coefficients = self._path(sample, np.asarray(values))
        return [
            CoxPredictor(
                coefficients=one,
                baseline=breslow(sample.event, sample.time, sample.weight, sample.matrix @ one),
            )
            for one in coefficients.T
        ]

    def _path(self, sample: Sample, values: Floats | None) -> tuple[Floats, Floats]:
        return coxnet_path(
            sample.matrix,
            sample.event,
            sample.time,
            self.options,
            age_columns=[i for i, group in enumerate(sample.design.groups) if group == AGE],
            adverse_columns=list(sample.design.adverse().values()),
            penalties=values,
        )


@dataclass(frozen=True)
class Forest:
    """Random survival forest."""

    options: SurvivalOptions
    seed: int
    parameter = "smallest leaf"
    indicators = True

    def candidates(self, sample: Sample) -> list[float]:
        sizes = sorted({int(one) for one in self.options.leaf_sizes}, reverse=True)
        usable = [one for one in sizes if 2 * one <= len(sample.matrix)]
        return [float(one) for one in usable or sizes[-1:]]

    def predictors(self, sample: Sample, values: Sequence[float]) -> list[Predictor]:
        return [
            ForestPredictor(
                trees=forest(
                    sample.matrix,
                    sample.event,
                    sample.time,
                    sample.weight,
                    self.options,
                    leaf_size=int(value),
                    seed=self.seed,
                )
            )
            for value in values
        ]


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting of the Cox partial likelihood."""

    options: SurvivalOptions
    seed: int
    parameter = "trees"
    indicators = True

    def candidates(self, sample: Sample) -> list[float]:
        counts = [_FEWEST_TREES]
        while 2 * counts[-1] <= self.options.trees:
            counts.append(2 * counts[-1])
        return [float(one) for one in counts if one <= self.options.trees] or [
            float(self.options.trees)
        ]

    def predictors(self, sample: Sample, values: Sequence[float]) -> list[Predictor]:
        counts = np.array([int(one) for one in values])
        options = self.options.model_copy(update={"trees": int(counts.max())})
        trees, rate = boosting(sample.matrix, sample.event, sample.time, options, seed=self.seed)
        # The baseline belongs to the hazards that the model gives, see highest_below.
        sums = highest_below(
            lambda matrix: trees.sums(matrix, counts), sample.design, sample.matrix, sample.answers
        )
        return [
            BoostingPredictor(
                trees=trees.keep(int(count)),
                learning_rate=rate,
                baseline=breslow(sample.event, sample.time, sample.weight, rate * sums[:, i]),
            )
            for i, count in enumerate(counts)
        ]


def learner_of(recipe: Recipe) -> Learner:
    """The learner of a recipe."""
    options: Any = recipe.survival
    if recipe.kind == "coxnet":
        return Coxnet(options)
    if recipe.kind == "survival-forest":
        return Forest(options, recipe.seed)
    return Boosting(options, recipe.seed)
