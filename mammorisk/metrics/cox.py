"""Cox regression of the cause-specific hazard of cancer."""

from __future__ import annotations

from mammorisk._utils.typing import Floats
from mammorisk.metrics.estimate import cluster_sums
from mammorisk.metrics.partial_likelihood import RiskSets, maximise
from mammorisk.metrics.regression import Fit, unsolved
from mammorisk.records.outcome import Outcome


def fit_cox(outcome: Outcome, design: Floats, *, horizon: float | None = None) -> Fit:
    """Cox model of the cause-specific hazard of cancer, Efron ties.

    Competing events are censored. Errors are robust where rows are weighted or clustered. It is
    solved here and not by lifelines, which takes ten times as long on a million women and stops
    some 1e-7 short of the solution.

    Parameters
    ----------
    outcome : Outcome
    design : ndarray, shape (n, p)
    horizon : float, optional
        Follow-up is cut here.
    """
    sets = RiskSets.of(outcome, design, horizon)
    found = None if sets is None else maximise(sets)
    if sets is None or found is None:
        return unsolved(design.shape[1])
    coef, state, inverse = found
    moved = outcome.weight[:, None] * sets.residuals(state) @ inverse
    covariance = inverse
    if outcome.is_weighted or outcome.is_clustered:
        sums = cluster_sums(moved, outcome)
        covariance = sums.T @ sums
    return Fit(
        coef=coef, covariance=covariance, log_likelihood=state.log_likelihood, influence=moved
    )
