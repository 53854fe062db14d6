"""Estimators of scikit-survival, converted to arrays of this package."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.optional import require
from mammorisk._utils.parallel import usable_cores
from mammorisk._utils.typing import Floats
from mammorisk.errors import TrainingError
from mammorisk.risk_models.recipe import SurvivalOptions
from mammorisk.risk_models.survival.predictors import YEARS
from mammorisk.risk_models.survival.trees import Trees

#: The extra of this package with scikit-survival.
SURVIVAL = "survival"
#: Times of a survival forest are rounded up to this, because a tree keeps a curve in each leaf.
FOREST_YEARS = 0.25
#: Smallest penalty on the path, relative to the one at which all coefficients are 0. The next one
#: is tried if the solver diverges, as with few cancers.
_SMALLEST_PENALTIES = (0.02, 0.05, 0.1, 0.2, 0.5)
#: Expected number of cancers in the smallest leaf of gradient boosting.
_CANCERS_IN_A_LEAF = 2
#: Penalty of age, relative to that of other columns.
_PENALTY_OF_AGE = 0.1


def structured(event: NDArray[np.bool_], time: Floats) -> NDArray[Any]:
    """Outcome as scikit-survival expects it."""
    made = np.empty(len(time), dtype=[("event", "?"), ("time", "f8")])
    made["event"], made["time"] = event, time
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings about penalties with which all coefficients are 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def coxnet_path(
    matrix: Floats,
    event: NDArray[np.bool_],
    time: Floats,
    options: SurvivalOptions,
    *,
    age_columns: Sequence[int],
    adverse_columns: Sequence[int],
    penalties: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Fit Cox regressions with a path of elastic-net penalties.

    A column of an adverse answer whose coefficient is negative is left out and the others are
    fitted again, so that no coefficient of an adverse answer is negative.

    Parameters
    ----------
    matrix : ndarray, shape (n, n_columns)
    event : ndarray of bool, shape (n,)
    time : ndarray, shape (n,)
    options : SurvivalOptions
    age_columns, adverse_columns : sequence of int
    penalties : ndarray, optional
        From the largest to the smallest. By default a path for these data.

    Returns
    -------
    penalties : ndarray, shape (k,)
    coefficients : ndarray, shape (n_columns, k)

    Raises
    ------
    TrainingError
        The regression cannot be solved.
    """
    require("sksurv", SURVIVAL, what="the recipe coxnet")
    from sksurv.linear_model import CoxnetSurvivalAnalysis

    varied = np.flatnonzero(matrix.std(axis=0) > 0)
    adverse = set(adverse_columns)
    factors = np.ones(matrix.shape[1])
    factors[list(age_columns)] = _PENALTY_OF_AGE

    def solve(
        columns: NDArray[np.int64], wanted: Floats | None, ratio: float = _SMALLEST_PENALTIES[0]
    ) -> tuple[Floats, Floats]:
        model = CoxnetSurvivalAnalysis(
            n_alphas=options.penalties,
            alphas=wanted,
            alpha_min_ratio=ratio,
            l1_ratio=options.l1_ratio,
            penalty_factor=factors[columns],
        )
        with _quiet():
            model.fit(matrix[:, columns], structured(event, time))
        found = np.zeros((matrix.shape[1], len(model.alphas_)))
        found[columns] = model.coef_
        return model.alphas_, found

    def fit(columns: NDArray[np.int64], wanted: Floats) -> Floats:
        """Coefficients of every penalty; NaN where the solver diverges."""
        try:
            solved, found = solve(columns, wanted)
        except ArithmeticError:
            if len(wanted) == 1:
                return np.full((matrix.shape[1], 1), np.nan)
            half = len(wanted) // 2
            parts = [fit(columns, wanted[:half]), fit(columns, wanted[half:])]
            return np.concatenate(parts, axis=1)
        if len(solved) == len(wanted):
            return found
        # The solver stops where two penalties in a row give the same fit, as at the start of a
        # path on which all coefficients are still 0.
        return np.concatenate([found, fit(columns, wanted[len(solved) :])], axis=1)

    path = penalties if penalties is not None else _path(solve, varied)
    coefficients = _filled(fit(varied, path))
    columns = varied
    waiting = np.arange(len(path))
    while len(waiting):
        negative = [c for c in columns if c in adverse and (coefficients[c, waiting] < 0).any()]
        waiting = waiting[(coefficients[negative][:, waiting] < 0).any(axis=0)]
        if not len(waiting):
            break
        columns = np.setdiff1d(columns, negative)
        coefficients[:, waiting] = _filled(fit(columns, path[waiting]))
    return path, coefficients


def _path(
    solve: Callable[[NDArray[np.int64], None, float], tuple[Floats, Floats]],
    columns: NDArray[np.int64],
) -> Floats:
    """The penalties of a path for these data, as far down as the solver converges."""
    for ratio in _SMALLEST_PENALTIES:
        try:
            return solve(columns, None, ratio)[0]
        except ArithmeticError:
            continue
    raise TrainingError(
        "the penalised Cox regression cannot be solved with any penalty",
        remedy="Check the embeddings for columns of extreme values.",
    )


def _filled(coefficients: Floats) -> Floats:
    """Replace the coefficients of a penalty without a solution by those of the next larger one."""
    made = coefficients.copy()
    for i in range(made.shape[1]):
        if np.isnan(made[:, i]).any():
            made[:, i] = made[:, i - 1] if i else 0.0
    return made


def forest(
    matrix: Floats,
    event: NDArray[np.bool_],
    time: Floats,
    weight: Floats,
    options: SurvivalOptions,
    *,
    leaf_size: int,
    seed: int,
) -> Trees:
    """Fit a random survival forest.

    Parameters
    ----------
    matrix : ndarray, shape (n, n_columns)
    event : ndarray of bool, shape (n,)
    time : ndarray, shape (n,)
    weight : ndarray, shape (n,)
        Sampling weights, as numbers of women for whom a woman stands.
    options : SurvivalOptions
    leaf_size : int
        Smallest number of training women in a leaf.
    seed : int

    Returns
    -------
    Trees
        A leaf has the cumulative hazard by the end of each year.
    """
    require("sksurv", SURVIVAL, what="the recipe survival-forest")
    from sksurv.ensemble import RandomSurvivalForest

    relative = weight / weight.min()
    weighted = bool((relative != 1).any())
    model = RandomSurvivalForest(
        n_estimators=options.trees,
        min_samples_leaf=leaf_size,
        min_samples_split=2 * leaf_size,
        # As many draws as women for whom the sample stands: a bootstrap of the population.
        max_samples=round(float(relative.sum())) if weighted else None,
        n_jobs=usable_cores(),
        random_state=seed,
    )
    rounded = np.ceil(time / FOREST_YEARS) * FOREST_YEARS
    model.fit(matrix, structured(event, rounded), sample_weight=relative if weighted else None)
    return forest_arrays(model)


def forest_arrays(model: Any) -> Trees:
    """Convert a fitted RandomSurvivalForest.

    Parameters
    ----------
    model : RandomSurvivalForest
        Fitted with ``low_memory=False``.
    """
    times = model.unique_times_
    at = np.searchsorted(times, np.arange(1, YEARS + 1), side="right") - 1

    def hazards(value: Floats) -> Floats:
        return np.where(at >= 0, value[:, np.maximum(at, 0), 0], 0.0)

    return _joined([one.tree_ for one in model.estimators_], hazards)


def boosting(
    matrix: Floats,
    event: NDArray[np.bool_],
    time: Floats,
    options: SurvivalOptions,
    *,
    seed: int,
) -> tuple[Trees, float]:
    """Fit gradient boosting of the Cox partial likelihood.

    Parameters
    ----------
    matrix : ndarray, shape (n, n_columns)
    event : ndarray of bool, shape (n,)
    time : ndarray, shape (n,)
    options : SurvivalOptions
    seed : int

    Returns
    -------
    trees : Trees
        A leaf has its log hazard ratio before the learning rate.
    learning_rate : float

    Notes
    -----
    A leaf of scikit-survival has the mean martingale residual of its women, which is of the size of
    the share of cancers. The learning rate of the recipe is divided by that share, so that it is
    one of a Newton step at any share.
    """
    require("sksurv", SURVIVAL, what="the recipe gradient-boosting")
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis

    n, cancers = len(matrix), max(int(event.sum()), 1)
    rate = options.learning_rate * n / cancers
    model = GradientBoostingSurvivalAnalysis(
        loss="coxph",
        n_estimators=options.trees,
        learning_rate=rate,
        max_depth=options.depth,
        subsample=options.subsample,
        min_samples_leaf=max(1, min(max(10, _CANCERS_IN_A_LEAF * n // cancers), n // 4)),
        max_features="sqrt",
        random_state=seed,
    )
    model.fit(matrix, structured(event, time))
    return boosting_arrays(model), rate


def boosting_arrays(model: Any) -> Trees:
    """Convert the trees of a fitted GradientBoostingSurvivalAnalysis."""
    return _joined([one.tree_ for one in model.estimators_[:, 0]], lambda value: value[:, 0])


def _joined(trees: Sequence[Any], values: Any) -> Trees:
    sizes = [one.node_count for one in trees]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    left, right, column, threshold, value = [], [], [], [], []
    for one, start in zip(trees, first, strict=True):
        inside = one.children_left >= 0
        left.append(np.where(inside, one.children_left + start, -1))
        right.append(np.where(inside, one.children_right + start, -1))
        column.append(np.where(inside, one.feature, 0))
        threshold.append(np.where(inside, one.threshold, 0.0))
        value.append(values(one.value))
    return Trees(
        first=first,
        left=np.concatenate(left).astype(np.int64),
        right=np.concatenate(right).astype(np.int64),
        column=np.concatenate(column).astype(np.int64),
        threshold=np.concatenate(threshold).astype(np.float64),
        value=np.concatenate(value).astype(np.float64),
    )


def breslow(event: NDArray[np.bool_], time: Floats, weight: Floats, linear: Floats) -> Floats:
    """Weighted Breslow estimate of the cumulative baseline hazard by the end of each year.

    Parameters
    ----------
    event : ndarray of bool, shape (n,)
    time, weight : ndarray, shape (n,)
    linear : ndarray, shape (n,)
        Log hazard ratios.

    Returns
    -------
    ndarray, shape (years,)
    """
    order = np.argsort(-time, kind="stable")
    at_risk = np.cumsum((weight * np.exp(linear))[order])
    # Women with the same time are all at risk at it.
    last = np.searchsorted(-time[order], -time, side="right") - 1
    steps = np.where(event, weight / at_risk[last], 0.0)
    return np.array([steps[time <= year].sum() for year in range(1, YEARS + 1)])
