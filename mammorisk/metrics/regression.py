"""Regressions for calibration and effect sizes, with weights and clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
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
        False if the coefficients must not be used.
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
        Its weights and clusters are used.
    family : {"logistic", "cloglog", "poisson", "pseudo"}
        ``"pseudo"``: Gaussian with complementary log-log link, always with robust errors.
    offset : ndarray, optional
    """
    import warnings

    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ModelWarning

    links: dict[str, Any] = {
        "logistic": sm.families.Binomial(),
        "cloglog": sm.families.Binomial(link=sm.families.links.CLogLog()),
        "poisson": sm.families.Poisson(),
        # statsmodels warns of this unusual pair; pseudo-values themselves never enter the link.
        "pseudo": sm.families.Gaussian(link=sm.families.links.CLogLog(), check_link=False),
    }
    used = np.flatnonzero((outcome.weight > 0) & np.isfinite(response))
    weights = outcome.weight[used] if outcome.is_weighted else None
    options: dict[str, Any] = {"maxiter": 200, "tol": 1e-13}
    if family == "pseudo":
        # Pseudo-values lie outside [0, 1], so the start is the mean risk.
        mean = np.clip(np.average(response[used], weights=weights), 1e-6, 1 - 1e-6)
        begin = np.zeros(design.shape[1])
        begin[0] = np.log(-np.log1p(-mean)) - (0.0 if offset is None else offset[used].mean())
        options |= {"start_params": begin}
    with warnings.catch_warnings():
        # A regression without a solution is not used: see ``converged``.
        warnings.simplefilter("ignore", ModelWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
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
            return unsolved(design.shape[1])
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


def unsolved(p: int) -> Fit:
    """A regression of p coefficients that has no solution."""
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
