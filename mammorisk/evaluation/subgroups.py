"""Performance in groups of women, and tests for differences between groups."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.evaluation.interval_methods import (
    NORMAL,
    REGRESSION,
    of_auc,
    of_observed_risk,
    of_ratio,
    of_share,
    of_share_positive,
)
from mammorisk.evaluation.rows import NO_DIFFERENCE, row
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_intercept, calibration_slope
from mammorisk.metrics.delong import auc
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    normal_quantile,
    standard_error,
    unavailable,
)
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.incidence import cumulative_incidence
from mammorisk.metrics.links import logit
from mammorisk.metrics.proportions import adjust_p_values
from mammorisk.metrics.regression import fit_glm
from mammorisk.metrics.thresholds import Measure, classification_measure
from mammorisk.records.outcome import Outcome
from mammorisk.records.questionnaire_fields import CATEGORIES

#: Note shown with every comparison of groups.
MULTIPLICITY = (
    "p values of subgroups compare a group with the rest of the column's groups; adjusted ones are "
    "Holm's over the groups of a column, by model and measure."
)


MISSING = "missing"


def check_bins(
    bins: Mapping[str, float | Sequence[float]], names: Sequence[str]
) -> dict[str, list[float]]:
    """Inner cut points by column, as lists.

    Raises
    ------
    EvaluationError
        A column is not one of ``names``, or its cut points are no ascending numbers.
    """
    if unknown := [name for name in bins if name not in names]:
        raise EvaluationError(
            f"{', '.join(map(repr, unknown))} is not a column of by",
            where="bins",
            remedy=f"Columns of by: {', '.join(names) or 'none'}.",
        )
    found = {}
    for name, given in bins.items():
        try:
            edges = np.atleast_1d(np.asarray(given, dtype=float))
        except (TypeError, ValueError):
            edges = np.array([])
        if edges.size == 0 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
            raise EvaluationError(
                f"the cut points of {name!r} are no ascending numbers",
                where="bins",
                remedy=f'Give, for example, bins={{"{name}": [50, 60]}}.',
            )
        found[name] = edges.tolist()
    return found


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
    Series of category
        Ascending for bins and numbers, in the order of the field for its categories, else
        alphabetical; ``"missing"``, where there is no value, is last.
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
            return _ordered(cut.astype(object).where(numbers.notna(), MISSING), names)
        names = [_word(one) for one in sorted(numbers.dropna().unique())]
        return _ordered(numbers.map(_word, na_action="ignore"), names)
    known = CATEGORIES.get(str(values.name), ())
    if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered:
        known = tuple(values.dtype.categories)
    words = values.astype(object).where(values.notna(), MISSING).astype(str)
    found = set(words) - {MISSING}
    first = [str(one) for one in known if str(one) in found]
    return _ordered(words, [*first, *sorted(found - set(first))])


def _word(number: float) -> str:
    return f"{number:g}"


def _ordered(labels: pd.Series, names: list[str]) -> pd.Series:
    filled = labels.astype(object).where(labels.notna(), MISSING)
    return filled.astype(pd.CategoricalDtype([*names, MISSING], ordered=True))


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
    """Discrimination, calibration, Brier score and error rates in each group of a column.

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
        ``column``, ``group``, then the columns of :func:`mammorisk.evaluation.rows.row`, and
        ``difference`` from the other groups with ``difference_lower`` and ``difference_upper``.
        ``p`` tests that difference; ``p_adjusted``: see :data:`MULTIPLICITY`.
    """
    values, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    if len(labels) != len(outcome):
        raise EvaluationError("the number of labels is not the number of rows", where="labels")
    names = labels.astype(object).to_numpy()
    rows: list[dict[str, object]] = []
    ordered = isinstance(labels.dtype, pd.CategoricalDtype)
    for group in labels.cat.categories if ordered else sorted(set(names)):
        inside = (names == group) & (outcome.weight > 0)
        if not inside.any():
            continue
        own = outcome.take(np.flatnonzero(inside))
        head: dict[str, Any] = {"column": labels.name, "group": group}
        if (cancers := int(own.is_case(year).sum())) < fewest_cancers:
            why = f"fewer than {fewest_cancers} cancers: suppressed"
            nothing = unavailable("all", why, n=len(own), events=cancers)
            rows.append(row(nothing, "all", outcome=own, horizon=year, interval="", **head))
            continue
        others = (names != group) & (outcome.weight > 0)
        shared = _shares_women(outcome, inside, others)
        for measure, (compute, method) in _measures(threshold, year, level).items():
            here = compute(*_part(outcome, values, inside, whole=shared))
            one = row(
                replace(here, p=float("nan")),
                measure,
                outcome=own,
                horizon=year,
                interval=method(own, year),
                **head,
            )
            one["threshold"] = threshold if measure in _AT_THRESHOLD else np.nan
            if outcome.is_case(year)[others].sum() >= fewest_cancers:
                there = compute(*_part(outcome, values, others, whole=shared))
                apart = (
                    _difference_of_shared(here, there, outcome, level)
                    if shared
                    else _difference_of_separate(here, there, level)
                )
                one |= apart | {"null": NO_DIFFERENCE if np.isfinite(apart["p"]) else None}
            rows.append(one)
    table = pd.DataFrame(rows)
    if "difference" in table:
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
    # Without variation, as between shares that are 1 in both groups, there is no interval.
    se = se if se > 0 else float("nan")
    return {
        "difference": difference,
        "difference_lower": difference - z * se,
        "difference_upper": difference + z * se,
        "p": float(2 * stats.norm.sf(abs(difference) / se)) if se > 0 else float("nan"),
    }


_Compute = Callable[[Outcome, NDArray[np.float64]], Estimate]
_Method = Callable[[Outcome, float], str]
_AT_THRESHOLD = ("sensitivity", "specificity", "share positive")


def _measures(
    threshold: float | None, year: float, level: float
) -> dict[str, tuple[_Compute, _Method]]:
    """Measures of a group with the method of their interval."""

    def events(outcome: Outcome) -> int:
        return int(outcome.is_case(year).sum())

    def large(outcome: Outcome, risk: NDArray[np.float64]) -> Estimate:
        return calibration_intercept(outcome, risk, year, method="in-the-large", level=level)

    found: dict[str, tuple[_Compute, _Method]] = {
        "AUC": (lambda o, r: auc(o, r, year, level=level), of_auc),
        "observed risk": (
            lambda o, r: cumulative_incidence(o, year, level=level),
            lambda o, y: of_observed_risk(events(o)),
        ),
        "E/O": (
            lambda o, r: expected_observed_ratio(o, r, year, level=level),
            lambda o, y: of_ratio(events(o)),
        ),
        "calibration in the large": (large, lambda o, y: NORMAL),
        "calibration slope": (
            lambda o, r: calibration_slope(o, r, year, level=level),
            lambda o, y: REGRESSION,
        ),
        "Brier score": (lambda o, r: brier_score(o, r, year, level=level), lambda o, y: NORMAL),
    }
    if threshold is not None:
        cut = threshold

        def share(measure: Measure) -> _Compute:
            return lambda o, r: classification_measure(o, r, cut, measure, year, level=level)

        found |= {
            "sensitivity": (share("sensitivity"), of_share),
            "specificity": (share("specificity"), of_share),
            "share positive": (share("share positive"), lambda o, y: of_share_positive(o)),
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
            "likelihood-ratio tests need independent, unweighted rows whose outcome is known",
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
