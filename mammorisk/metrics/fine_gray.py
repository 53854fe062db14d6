"""Regression of the subdistribution hazard of cancer: Fine and Gray."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import cluster_sums
from mammorisk.metrics.marginal_censoring import MarginalCensoring, Ties, marginal_censoring
from mammorisk.metrics.partial_likelihood import RiskSets, State, TiedCancers, maximise
from mammorisk.metrics.regression import Fit, unsolved
from mammorisk.records.follow_up import CENSORED
from mammorisk.records.outcome import Outcome


def fit_fine_gray(
    outcome: Outcome,
    design: Floats,
    *,
    horizon: float | None = None,
    censoring: Ties = "riskregression",
    censoring_known: bool = False,
    ties: TiedCancers = "efron",
) -> Fit:
    """Proportional hazards model of the subdistribution of cancer (Fine and Gray 1999).

    A woman with a competing event stays in the risk set after it, with the weight G(t-) / G(T-) of
    still being followed at t; with late entry also H(t-) / H(T-), where H is the probability
    of having entered (Geskus 2011, doi 10.1111/j.1541-0420.2010.01420.x). Errors are always robust.

    Parameters
    ----------
    outcome : Outcome
    design : ndarray, shape (n, p)
    horizon : float, optional
        Cancers later than this do not count.
    censoring : str
        See :func:`~mammorisk.metrics.censoring.fit_censoring`.
    censoring_known : bool
        Leave out the uncertainty of G, as survival's ``finegray`` with ``coxph`` does.
    ties : {"efron", "breslow"}
        As survival's ``coxph``, or as cmprsk's ``crr``.
    """
    if ties not in ("efron", "breslow"):
        raise EvaluationError(
            f"{ties!r} is not a known rule for tied cancers", where="ties", remedy='Use "efron".'
        )
    fitted = marginal_censoring(outcome, censoring)
    free = np.concatenate([[1.0], fitted.free])

    def still(times: Floats) -> Floats:
        """G(t-) H(t-)."""
        before = np.searchsorted(fitted.life.times, times, side="left")
        entered = np.searchsorted(fitted.entries, times, side="left") - 1
        return np.asarray(free[before] * fitted.entered[np.maximum(entered, 0)])

    sets = RiskSets.of(outcome, design, horizon, ties, still)
    found = None if sets is None else maximise(sets)
    if sets is None or found is None:
        return unsolved(design.shape[1])
    coef, state, bread = found
    pulls = sets.residuals(state)
    if not censoring_known:
        pulls = pulls + _through_censoring(sets, state, fitted)
    moved = outcome.weight[:, None] * pulls @ bread
    sums = cluster_sums(moved, outcome)
    return Fit(
        coef=coef,
        covariance=sums.T @ sums,
        log_likelihood=state.log_likelihood,
        influence=moved,
    )


def _through_censoring(sets: RiskSets, state: State, fitted: MarginalCensoring) -> Floats:
    """Influence through the estimated probability of being followed, shape (n, p).

    The product-limit estimate is differentiated with respect to the weight of each row, at each of
    its times. The probability of having entered is treated as known.
    """
    outcome, stayed = sets.outcome, sets.stayed
    nothing = np.zeros_like(sets.design)
    life = fitted.life
    if len(stayed) == 0 or not life.censored.any():
        return nothing
    later = sets.totals(state, sets.still[sets.deaths.step])
    # Censorings at u change the weight of those with an earlier competing event at all later
    # times of a cancer.
    behind = later[-1] - later[np.searchsorted(sets.deaths.times, life.times, side="right")]
    own = outcome.weight[stayed] * state.hazard[stayed] / sets.at_own[stayed]
    x = sets.design[stayed]
    by_time = np.column_stack(
        [
            np.bincount(life.position[stayed], column, minlength=len(life.times))
            for column in np.column_stack([own, own[:, None] * x]).T
        ]
    )
    since = np.cumsum(by_time, axis=0)
    pull = -(since[:, 1:] * behind[:, :1] - since[:, :1] * behind[:, 1:])
    exposed = life.at_risk if fitted.ties == "kaplan-meier" else life.at_risk - life.events
    staying = exposed - life.censored
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where((exposed > 0)[:, None], -pull / exposed[:, None], 0.0)
        share = np.where(staying > 0, life.censored / (exposed * staying), 0.0)
    total = np.vstack([np.zeros(pull.shape[1]), np.cumsum(pull * share[:, None], axis=0)])
    # Events of the same time are no longer at risk of being censored.
    until = np.asarray(life.position, dtype=np.int64)
    if fitted.ties == "kaplan-meier":
        until = np.where(outcome.event != CENSORED, until + 1, until)
    entry = np.where(outcome.entry > 0, outcome.entry, -1.0)
    start = np.minimum(np.searchsorted(life.times, entry, side="right"), until)
    found = total[until] - total[start]
    is_censored = outcome.event == CENSORED
    found[is_censored] += lost[life.position[is_censored]]
    return np.asarray(found)
