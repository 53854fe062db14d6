"""Regression of the subdistribution hazard of cancer: Fine and Gray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import cluster_sums
from mammorisk.metrics.marginal_censoring import Ties, marginal_censoring
from mammorisk.metrics.regression import Fit
from mammorisk.metrics.risk_sets import Deaths, sums_from
from mammorisk.records.follow_up import CANCER, CENSORED, COMPETING
from mammorisk.records.outcome import Outcome

#: How cancers of the same time leave the risk set.
TiedCancers = Literal["efron", "breslow"]

_MOST_STEPS = 50


def fit_fine_gray(
    outcome: Outcome,
    design: Floats,
    *,
    horizon: float | None = None,
    censoring: Ties = "riskregression",
    censoring_known: bool = False,
    ties: TiedCancers = "efron",
) -> Fit:
    """Proportional hazards of the subdistribution of cancer; Fine and Gray 1999.

    A woman with a competing event stays in the risk set after it, with the weight G(t-) / G(T-) of
    still being followed at t; with late entry also H(t-) / H(T-), H the probability of having
    entered (Geskus 2011, doi 10.1111/j.1541-0420.2010.01420.x). Errors are always robust.

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
    sets = _RiskSets.of(outcome, design, horizon, censoring, ties)
    if sets is None:
        return _unsolved(design)
    p = design.shape[1]
    coef, step = np.zeros(p), np.full(p, np.inf)
    state = sets.at(coef)
    for _ in range(_MOST_STEPS):
        try:
            step = np.linalg.solve(state.information, state.score)
        except np.linalg.LinAlgError:
            return _unsolved(design)
        if not np.isfinite(step).all():
            return _unsolved(design)
        if float(np.abs(step).max()) < 1e-10 * max(1.0, float(np.abs(coef).max())):
            break
        tried = sets.at(coef + step)
        while not tried.log_likelihood >= state.log_likelihood - 1e-9 * abs(state.log_likelihood):
            step = step / 2
            if float(np.abs(step).max()) < 1e-12:
                return _unsolved(design)
            tried = sets.at(coef + step)
        coef, state = coef + step, tried
    spread = np.ptp(sets.design, axis=0)
    if float(np.abs(coef * spread).max()) > 50 or float(np.abs(step).max()) > 1e-6:
        return _unsolved(design)
    try:
        bread = np.linalg.inv(state.information)
    except np.linalg.LinAlgError:
        return _unsolved(design)
    pulls = sets.residuals(state)
    if not censoring_known:
        pulls = pulls + sets.through_censoring(state)
    moved = outcome.weight[:, None] * pulls @ bread
    sums = cluster_sums(moved, outcome)
    return Fit(
        coef=coef,
        covariance=sums.T @ sums,
        log_likelihood=state.log_likelihood,
        influence=moved,
    )


def _unsolved(design: Floats) -> Fit:
    p = design.shape[1]
    return Fit(
        coef=np.full(p, np.nan),
        covariance=np.full((p, p), np.nan),
        log_likelihood=np.nan,
        converged=False,
    )


@dataclass(frozen=True, kw_only=True)
class _State:
    """The partial likelihood at some coefficients, and what its residuals need."""

    log_likelihood: float
    score: Floats
    information: Floats
    #: exp(predictor) of every row.
    hazard: Floats
    #: Hazard over the risk set at each single cancer, and the mean covariates there.
    rate: Floats
    mean: Floats


@dataclass(frozen=True, kw_only=True)
class _RiskSets:
    """Risk sets of the subdistribution.

    Attributes
    ----------
    still : ndarray, shape (k,)
        G(t-) H(t-) at each time with a cancer.
    at_own : ndarray, shape (n,)
        The same at the end of each row's follow-up.
    """

    outcome: Outcome
    design: Floats
    died: NDArray[np.intp]
    stayed: NDArray[np.intp]
    deaths: Deaths
    still: Floats
    at_own: Floats
    censoring: Ties

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        design: Floats,
        horizon: float | None,
        censoring: Ties,
        ties: TiedCancers,
    ) -> _RiskSets | None:
        end = np.inf if horizon is None else horizon
        used = outcome.weight > 0
        died = np.flatnonzero((outcome.event == CANCER) & (outcome.time <= end) & used)
        if len(died) == 0:
            return None
        deaths = Deaths.of(outcome.time[died])
        if ties == "breslow":
            deaths = Deaths(
                times=deaths.times,
                place=deaths.place,
                counts=deaths.counts,
                step=deaths.step,
                share=np.zeros(len(deaths.share)),
            )
        fitted = marginal_censoring(outcome, censoring)
        free = np.concatenate([[1.0], fitted.free])

        def still(times: Floats) -> Floats:
            before = np.searchsorted(fitted.life.times, times, side="left")
            entered = np.searchsorted(fitted.entries, times, side="left") - 1
            return np.asarray(free[before] * fitted.entered[np.maximum(entered, 0)])

        return cls(
            outcome=outcome,
            design=design - np.average(design, axis=0, weights=outcome.weight),
            died=died,
            stayed=np.flatnonzero((outcome.event == COMPETING) & used),
            deaths=deaths,
            still=still(deaths.times),
            at_own=still(outcome.time),
            censoring=censoring,
        )

    def _sums(self, values: Floats) -> Floats:
        """Sums of row values, shape (n, q), over the risk set at each time with a cancer."""
        outcome, times = self.outcome, self.deaths.times
        entry = np.where(outcome.entry > 0, outcome.entry, -1.0)
        found = sums_from(outcome.time, values, times)
        if outcome.has_entry:
            found = found - sums_from(entry, values, times)
        if len(self.stayed) == 0:
            return found
        # Those whose competing event lies before the time.
        theirs = values[self.stayed] / self.at_own[self.stayed, None]
        earlier = theirs.sum(axis=0) - sums_from(outcome.time[self.stayed], theirs, times)
        return np.asarray(found + self.still[:, None] * earlier)

    def at(self, coef: Floats) -> _State:
        x, weight, deaths = self.design, self.outcome.weight, self.deaths
        p = x.shape[1]
        predictor = x @ coef
        with np.errstate(over="ignore"):
            hazard = np.exp(predictor)
        own = weight * hazard
        pairs = [(i, j) for i in range(p) for j in range(i, p)]
        squares = np.column_stack([x[:, i] * x[:, j] for i, j in pairs])
        moments = np.column_stack([own, own[:, None] * x, own[:, None] * squares])
        in_risk = self._sums(moments)
        tied = np.column_stack([np.bincount(deaths.place, c[self.died]) for c in moments.T])
        step = deaths.step
        left = in_risk[step] - deaths.share[:, None] * tied[step]
        mean = left[:, 1 : p + 1] / left[:, :1]
        mass = (np.bincount(deaths.place, weight[self.died]) / deaths.counts)[step]
        second = (mass[:, None] * left[:, p + 1 :] / left[:, :1]).sum(axis=0)
        information = np.zeros((p, p))
        for (i, j), value in zip(pairs, second, strict=True):
            information[i, j] = information[j, i] = value
        information -= mean.T @ (mass[:, None] * mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = weight[self.died] @ predictor[self.died] - mass @ np.log(left[:, 0])
        return _State(
            log_likelihood=float(likelihood),
            score=weight[self.died] @ x[self.died] - mass @ mean,
            information=information,
            hazard=hazard,
            rate=mass / left[:, 0],
            mean=mean,
        )

    def _totals(self, state: _State, factor: Floats) -> Floats:
        """Cumulative sums over times of rate and rate times mean, first 0, shape (k + 1, 1 + p)."""
        terms = (factor * state.rate)[:, None] * np.column_stack(
            [np.ones(len(state.rate)), state.mean]
        )
        by_time = np.column_stack([np.bincount(self.deaths.step, c) for c in terms.T])
        return np.vstack([np.zeros(by_time.shape[1]), np.cumsum(by_time, axis=0)])

    def residuals(self, state: _State) -> Floats:
        """Score residuals with the weights over time as known, shape (n, p)."""
        outcome, deaths, x = self.outcome, self.deaths, self.design
        times, step, place = deaths.times, deaths.step, deaths.place
        entry = np.where(outcome.entry > 0, outcome.entry, -1.0)
        total = self._totals(state, np.ones(len(state.rate)))
        until = np.searchsorted(times, outcome.time, side="right")
        since = np.minimum(np.searchsorted(times, entry, side="right"), until)
        met = total[until] - total[since]
        later = self._totals(state, self.still[step])
        stayed = self.stayed
        after = (later[-1] - later[until[stayed]]) / self.at_own[stayed, None]
        met[stayed] += after
        found = -state.hazard[:, None] * (x * met[:, :1] - met[:, 1:])
        # Those who die count for less and less of their own time.
        died = self.died
        back = np.column_stack([np.bincount(step, c) for c in (
            (deaths.share * state.rate)[:, None]
            * np.column_stack([np.ones(len(state.rate)), state.mean])
        ).T])[place]  # fmt: skip
        sums = np.column_stack([np.bincount(step, c) for c in state.mean.T])
        own_mean = sums / deaths.counts[:, None]
        found[died] += x[died] - own_mean[place]
        found[died] += state.hazard[died, None] * (x[died] * back[:, :1] - back[:, 1:])
        return np.asarray(found)

    def through_censoring(self, state: _State) -> Floats:
        """Influence through the estimated probability of being followed, shape (n, p).

        The product-limit estimate is differentiated in the weight of each row, at each of its
        times; the probability of having entered is taken as known.
        """
        outcome, stayed = self.outcome, self.stayed
        nothing = np.zeros_like(self.design)
        fitted = marginal_censoring(outcome, self.censoring)
        life = fitted.life
        if len(stayed) == 0 or not life.censored.any():
            return nothing
        later = self._totals(state, self.still[self.deaths.step])
        # Censorings at u change the weight of those with an earlier competing event at all later
        # times of a cancer.
        behind = later[-1] - later[np.searchsorted(self.deaths.times, life.times, side="right")]
        own = outcome.weight[stayed] * state.hazard[stayed] / self.at_own[stayed]
        x = self.design[stayed]
        by_time = np.column_stack(
            [
                np.bincount(life.position[stayed], column, minlength=len(life.times))
                for column in np.column_stack([own, own[:, None] * x]).T
            ]
        )
        since = np.cumsum(by_time, axis=0)
        pull = -(since[:, 1:] * behind[:, :1] - since[:, :1] * behind[:, 1:])
        exposed = life.at_risk if self.censoring == "kaplan-meier" else life.at_risk - life.events
        staying = exposed - life.censored
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where((exposed > 0)[:, None], -pull / exposed[:, None], 0.0)
            share = np.where(staying > 0, life.censored / (exposed * staying), 0.0)
        total = np.vstack([np.zeros(pull.shape[1]), np.cumsum(pull * share[:, None], axis=0)])
        # Events of the same time are no longer at risk of being censored.
        until = np.asarray(life.position, dtype=np.int64)
        if self.censoring == "kaplan-meier":
            until = np.where(outcome.event != CENSORED, until + 1, until)
        entry = np.where(outcome.entry > 0, outcome.entry, -1.0)
        start = np.minimum(np.searchsorted(life.times, entry, side="right"), until)
        found = total[until] - total[start]
        is_censored = outcome.event == CENSORED
        found[is_censored] += lost[life.position[is_censored]]
        return np.asarray(found)
