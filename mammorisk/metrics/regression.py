"""Regressions behind calibration and effect sizes, with weights and clusters; no formulae."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.metrics.risk_sets import Deaths, sums_from
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome

Family = Literal["logistic", "cloglog", "poisson", "pseudo"]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted regression.

    Attributes
    ----------
    coef : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)
    log_likelihood : float
    converged : bool
        False where the coefficients are not to be used.
    influence : ndarray, shape (n, p), or None
        Influence values of every row of the outcome, zero for those that were not used.
    """

    coef: Floats
    covariance: Floats
    log_likelihood: float
    converged: bool = True
    influence: Floats | None = None

    @property
    def se(self) -> Floats:
        return np.sqrt(np.diag(self.covariance))


def fit_glm(
    response: Floats,
    design: Floats,
    outcome: Outcome,
    family: Family,
    offset: Floats | None = None,
) -> Fit:
    """Generalised linear model; robust errors where rows are weighted or clustered.

    Parameters
    ----------
    response : ndarray, shape (n,)
    design : ndarray, shape (n, p)
    outcome : Outcome
        For its weights and clusters.
    family : {"logistic", "cloglog", "poisson", "pseudo"}
        ``"pseudo"``: Gaussian with complementary log-log link, always with robust errors.
    offset : ndarray, optional
    """
    import warnings

    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import DomainWarning, PerfectSeparationWarning

    links: dict[str, Any] = {
        "logistic": sm.families.Binomial(),
        "cloglog": sm.families.Binomial(link=sm.families.links.CLogLog()),
        "poisson": sm.families.Poisson(),
        # Not a usual pair; the pseudo-values themselves never enter the link.
        "pseudo": sm.families.Gaussian(link=sm.families.links.CLogLog(), check_link=False),
    }
    used = np.flatnonzero((outcome.weight > 0) & np.isfinite(response))
    weights = outcome.weight[used] if outcome.is_weighted else None
    options: dict[str, Any] = {"maxiter": 200, "tol": 1e-13}
    if family == "pseudo":
        # Pseudo-values lie outside [0, 1]: begin from the mean risk, not from them.
        mean = np.clip(np.average(response[used], weights=weights), 1e-6, 1 - 1e-6)
        begin = np.zeros(design.shape[1])
        begin[0] = np.log(-np.log1p(-mean)) - (0.0 if offset is None else offset[used].mean())
        options |= {"start_params": begin}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", DomainWarning)
        model = sm.GLM(
            response[used],
            design[used],
            family=links[family],
            offset=None if offset is None else offset[used],
            freq_weights=None if weights is None else weights * len(used) / weights.sum(),
        )
        try:
            fitted = model.fit(**options)
        except ValueError:
            # The starting value is on the boundary, for example where nobody has the event.
            return _unsolved(design.shape[1])
    scores = _scores(fitted, response[used], design[used], weights)
    bread = np.linalg.pinv(_information(fitted, design[used], weights))
    if outcome.is_weighted or outcome.is_clustered or family == "pseudo":
        sums = _by_cluster(scores, outcome.cluster[used]) if outcome.is_clustered else scores
        covariance = bread @ (sums.T @ sums) @ bread
        if family != "pseudo":
            m = len(sums)
            covariance = covariance * m / (m - 1)
    else:
        covariance = np.asarray(fitted.cov_params())
    influence = np.zeros((len(response), design.shape[1]))
    influence[used] = scores @ bread
    return Fit(
        influence=influence,
        coef=np.asarray(fitted.params),
        covariance=covariance,
        log_likelihood=float(fitted.llf),
        converged=bool(np.isfinite(fitted.params).all() and np.abs(fitted.params).max() < 50),
    )


def _unsolved(p: int) -> Fit:
    return Fit(
        coef=np.full(p, np.nan),
        covariance=np.full((p, p), np.nan),
        log_likelihood=np.nan,
        converged=False,
    )


def _scores(fitted: Any, response: Floats, design: Floats, weights: Floats | None) -> Floats:
    """Score of each row: weight x residual x slope of the mean over the variance x design."""
    family = fitted.model.family
    mean = fitted.fittedvalues
    slope = 1 / family.link.deriv(mean)
    factor = (response - mean) * slope / family.variance(mean)
    if weights is not None:
        factor = factor * weights * len(weights) / weights.sum()
    return np.asarray(factor[:, None] * design)


def _information(fitted: Any, design: Floats, weights: Floats | None) -> Floats:
    family = fitted.model.family
    mean = fitted.fittedvalues
    factor = (1 / family.link.deriv(mean)) ** 2 / family.variance(mean)
    if weights is not None:
        factor = factor * weights * len(weights) / weights.sum()
    return np.asarray(design.T @ (factor[:, None] * design))


def _by_cluster(scores: Floats, cluster: NDArray[np.int64]) -> Floats:
    return np.column_stack([np.bincount(cluster, column) for column in scores.T])


def fit_cox(outcome: Outcome, design: Floats, *, horizon: float | None = None) -> Fit:
    """Cox model of the cause-specific hazard of cancer, Efron ties; lifelines.

    Competing events are censored. Errors are robust where rows are weighted or clustered.

    Parameters
    ----------
    outcome : Outcome
    design : ndarray, shape (n, p)
    horizon : float, optional
        Follow-up is cut here.
    """
    import warnings

    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning, StatisticalWarning

    used = outcome.weight > 0
    end = np.inf if horizon is None else horizon
    names = [f"x{i}" for i in range(design.shape[1])]
    table = pd.DataFrame(design[used], columns=names)
    table["time"] = np.minimum(outcome.time[used], end)
    table["event"] = (outcome.event[used] == CANCER) & (outcome.time[used] <= end)
    options: dict[str, Any] = {}
    if outcome.is_weighted:
        table["weight"] = outcome.weight[used]
        # lifelines' own robust errors differ from survival's: ours are below.
        options |= {"weights_col": "weight", "robust": False}
    if outcome.has_entry:
        table["entry"] = np.minimum(outcome.entry[used], end)
        table = table[table["entry"] < table["time"]]
        options |= {"entry_col": "entry"}
    p = len(names)
    failed = _unsolved(p)
    if not table["event"].any():
        return failed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        # Advice on weights that are not whole numbers: the robust errors are what it asks for.
        warnings.simplefilter("ignore", StatisticalWarning)
        try:
            fitted = CoxPHFitter().fit(
                table, "time", "event", fit_options={"precision": 1e-11}, **options
            )
        except (ConvergenceError, np.linalg.LinAlgError, ValueError):
            return failed
    coef = fitted.params_.to_numpy()
    covariance = fitted.variance_matrix_.to_numpy()
    kept = outcome.take(np.flatnonzero(used))
    # lifelines stops some 1e-7 short of the solution: one more step of Newton and Raphson.
    coef = coef + kept.weight @ _cox_scores(kept, design[used], coef, end) @ covariance
    if outcome.is_weighted or outcome.is_clustered:
        moved = _cox_scores(kept, design[used], coef, end) * kept.weight[:, None] @ covariance
        if outcome.is_clustered:
            moved = _by_cluster(moved, kept.cluster)
        covariance = moved.T @ moved
    return Fit(coef=coef, covariance=covariance, log_likelihood=float(fitted.log_likelihood_))


def _cox_scores(outcome: Outcome, design: Floats, coef: Floats, end: float) -> Floats:
    """Score residuals of a Cox model with Efron's ties, as survival's, shape (n, p)."""
    time = np.minimum(outcome.time, end)
    event = (outcome.event == CANCER) & (outcome.time <= end)
    entry = np.where(outcome.entry > 0, outcome.entry, -1.0)
    centred = design - np.average(design, axis=0, weights=outcome.weight)
    hazard = np.exp(centred @ coef)
    weighted = outcome.weight * hazard
    moments = np.column_stack([weighted, weighted[:, None] * centred])
    died = np.flatnonzero(event)
    deaths = Deaths.of(time[died])
    times, place, step, share = deaths.times, deaths.place, deaths.step, deaths.share
    in_risk = sums_from(time, moments, times) - sums_from(entry, moments, times)
    in_ties = np.column_stack([np.bincount(place, column[died]) for column in moments.T])
    mean_weight = np.bincount(place, outcome.weight[died]) / deaths.counts
    left = in_risk[step] - share[:, None] * in_ties[step]
    mean = left[:, 1:] / left[:, :1]
    rate = (mean_weight[step] / left[:, 0])[:, None]
    by_time = np.column_stack(
        [np.bincount(step, column) for column in np.column_stack([rate, rate * mean]).T]
    )
    total = np.concatenate([np.zeros((1, by_time.shape[1])), np.cumsum(by_time, axis=0)])
    until = np.searchsorted(times, time, side="right")
    since = np.minimum(np.searchsorted(times, entry, side="right"), until)
    met = total[until] - total[since]
    scores = -hazard[:, None] * (centred * met[:, :1] - met[:, 1:])
    # Those who die count for less and less of their own time.
    back_terms = np.column_stack([share[:, None] * rate, share[:, None] * rate * mean])
    back = np.column_stack([np.bincount(step, column) for column in back_terms.T])[place]
    own_mean = np.column_stack([np.bincount(step, c) for c in mean.T]) / deaths.counts[:, None]
    scores[died] += centred[died] - own_mean[place]
    scores[died] += hazard[died, None] * (centred[died] * back[:, :1] - back[:, 1:])
    return np.asarray(scores)
