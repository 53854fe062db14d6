"""Performance in groups of women, and tests for differences between groups."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_slope
from mammorisk.metrics.delong import auc
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    normal_quantile,
    standard_error,
)
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.links import logit
from mammorisk.metrics.proportions import adjust_p_values
from mammorisk.metrics.regression import fit_glm
from mammorisk.metrics.thresholds import classification_measure
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Shown with every comparison of groups.
MULTIPLICITY = (
    "p values compare each group with the rest of the column's groups; adjusted ones are Holm's "
    "over all groups of the table and measure."
)


def group_labels(values: pd.Series, *, bins: list[float] | None = None) -> pd.Series:
    """Return the groups of a column: its categories, or left-closed bins of its numbers.

    Parameters
    ----------
    values : Series
    bins : list of float, optional
        Inner borders. By default, a column with more than ten distinct numbers is divided at its
        quartiles.

    Returns
    -------
    Series of str
        ``"missing"`` if there is no value.
    """
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.astype(float)
        if bins is None and numbers.nunique() > 10:
            bins = sorted({float(q) for q in numbers.quantile([0.25, 0.5, 0.75]).dropna()})
        if bins is not None:
            edges = [-np.inf, *bins, np.inf]
            names = [f"under {bins[0]:g}"]
            names += [f"{a:g} to {b:g}" for a, b in itertools.pairwise(bins)]
            names += [f"{bins[-1]:g} and over"]
            cut = pd.cut(numbers, edges, right=False, labels=names)
            return cut.astype(object).where(numbers.notna(), "missing").astype(str)
    return values.astype(object).where(values.notna(), "missing").astype(str)


def subgroup_table(
    outcome: Outcome,
    risk: Floats,
    labels: pd.Series,
    horizon: float | None = None,
    *,
    threshold: float | None = None,
    fewest_cancers: int = 20,
    level: float = 0.95,
) -> pd.DataFrame:
    """AUC, calibration, Brier score and error rates in each group of a column.

    Parameters
    ----------
    outcome, risk, horizon
    labels : Series of str, length n
        See :func:`group_labels`.
    threshold : float, optional
        Adds sensitivity, specificity and share positive.
    fewest_cancers : int
        Groups with fewer cancers are listed with their size only.
    level : float

    Returns
    -------
    DataFrame
        Columns ``column``, ``group``, ``n``, ``cancers``, ``measure``, ``value``, ``se``,
        ``lower``, ``upper``, ``difference`` from the other groups with ``difference_lower``,
        ``difference_upper``, ``p`` and ``p_adjusted`` (see :data:`MULTIPLICITY`), ``reason``.
    """
    values, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    if len(labels) != len(outcome):
        raise EvaluationError("there are not as many labels as rows", where="labels")
    names = labels.to_numpy()
    rows: list[dict[str, object]] = []
    for group in sorted(set(names)):
        inside = (names == group) & (outcome.weight > 0)
        cancers = int(outcome.is_case(year)[inside].sum())
        head: dict[str, object] = {
            "column": labels.name,
            "group": group,
            "n": int(inside.sum()),
            "cancers": cancers,
        }
        if cancers < fewest_cancers:
            why = f"fewer than {fewest_cancers} cancers: suppressed"
            rows.append(head | {"measure": "all", "reason": why})
            continue
        others = (names != group) & (outcome.weight > 0)
        shared = _shares_women(outcome, inside, others)
        for measure, compute in _measures(threshold, year, level).items():
            here = compute(*_part(outcome, values, inside, whole=shared))
            row = head | {
                "measure": measure,
                "value": here.value,
                "se": here.se,
                "lower": here.lower,
                "upper": here.upper,
                "reason": here.reason,
            }
            if outcome.is_case(year)[others].sum() >= fewest_cancers:
                there = compute(*_part(outcome, values, others, whole=shared))
                row |= (
                    _difference_of_shared(here, there, outcome, level)
                    if shared
                    else _difference_of_separate(here, there, level)
                )
            rows.append(row)
    table = pd.DataFrame(rows)
    if "p" in table:
        table["p_adjusted"] = np.nan
        for _, part in table.groupby("measure"):
            table.loc[part.index, "p_adjusted"] = adjust_p_values(part["p"].to_numpy(dtype=float))
    return table


def _shares_women(outcome: Outcome, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """Whether any woman has exams in both groups."""
    if not outcome.is_clustered:
        return False
    return bool(np.isin(outcome.cluster[first], outcome.cluster[second]).any())


def _part(
    outcome: Outcome, values: Floats, rows: NDArray[np.bool_], *, whole: bool
) -> tuple[Outcome, Floats]:
    """Return the rows of a group; with ``whole``, all rows, with weight zero outside the group.

    The latter keeps influence values for all rows, so that exams of one woman can be matched.
    """
    if whole:
        return outcome.with_weight(np.where(rows, outcome.weight, 0.0)), values
    return outcome.take(np.flatnonzero(rows)), values[rows]


def _difference_of_separate(here: Estimate, there: Estimate, level: float) -> dict[str, float]:
    """Difference between independent groups of women."""
    return _limits(here.value - there.value, float(np.hypot(here.se, there.se)), level)


def _difference_of_shared(
    here: Estimate, there: Estimate, outcome: Outcome, level: float
) -> dict[str, float]:
    """Difference between groups with common women, from influence values summed by woman."""
    difference = here.value - there.value
    if here.influence is None or there.influence is None:
        return _limits(difference, float("nan"), level)
    if not (np.isfinite(here.se) and np.isfinite(there.se)):
        return _limits(difference, float("nan"), level)
    apart = here.influence - there.influence
    return _limits(difference, standard_error(apart, outcome, ddof=here.ddof), level)


def _limits(difference: float, se: float, level: float) -> dict[str, float]:
    z = normal_quantile(level)
    return {
        "difference": difference,
        "difference_lower": difference - z * se,
        "difference_upper": difference + z * se,
        "p": float(2 * stats.norm.sf(abs(difference) / se)) if se > 0 else float("nan"),
    }


def _measures(
    threshold: float | None, year: float, level: float
) -> dict[str, Callable[[Outcome, NDArray[np.float64]], Estimate]]:
    found: dict[str, Callable[[Outcome, NDArray[np.float64]], Estimate]] = {
        "AUC": lambda o, r: auc(o, r, year, level=level),
        "E/O": lambda o, r: expected_observed_ratio(o, r, year, level=level),
        "calibration slope": lambda o, r: calibration_slope(o, r, year, level=level),
        "Brier score": lambda o, r: brier_score(o, r, year, level=level),
    }
    if threshold is not None:
        cut = threshold
        found |= {
            "sensitivity": lambda o, r: classification_measure(
                o, r, cut, "sensitivity", year, level=level
            ),
            "specificity": lambda o, r: classification_measure(
                o, r, cut, "specificity", year, level=level
            ),
            "share positive": lambda o, r: classification_measure(
                o, r, cut, "share positive", year, level=level
            ),
        }
    return found


def calibration_heterogeneity(
    outcome: Outcome, risk: Floats, labels: pd.Series, horizon: float | None = None
) -> pd.DataFrame:
    """Likelihood-ratio tests of equal calibration intercepts and slopes in all groups.

    Logistic regression on the logit of risk, for outcomes that are known for all.

    Returns
    -------
    DataFrame
        Rows ``intercept`` and ``slope``: ``chi2``, ``df``, ``p``.
    """
    values, year = check_risk(outcome, risk, probability=True), check_horizon(horizon, outcome)
    if not outcome.is_complete(year) or outcome.is_weighted or outcome.is_clustered:
        raise EvaluationError(
            "likelihood-ratio tests need independent, unweighted outcomes known for all",
            where="outcome",
        )
    case = outcome.is_case(year).astype(float)
    predictor = logit(values)
    groups = pd.get_dummies(labels, drop_first=True).to_numpy(dtype=float)
    one = np.ones((len(case), 1))
    # Intercepts are tested with a slope of 1, slopes with free intercepts.
    alike = fit_glm(case, one, outcome, "logistic", predictor)
    moved = fit_glm(case, np.column_stack([one, groups]), outcome, "logistic", predictor)
    shifted = fit_glm(case, np.column_stack([one, predictor, groups]), outcome, "logistic")
    turned = fit_glm(
        case,
        np.column_stack([one, predictor, groups, groups * predictor[:, None]]),
        outcome,
        "logistic",
    )
    k = groups.shape[1]
    rows = []
    for name, small, large in (("intercept", alike, moved), ("slope", shifted, turned)):
        chi2 = 2 * (large.log_likelihood - small.log_likelihood)
        rows.append({"test": name, "chi2": chi2, "df": k, "p": float(stats.chi2.sf(chi2, k))})
    return pd.DataFrame(rows)
