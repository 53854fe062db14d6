"""Partial likelihood of proportional hazards models: Newton-Raphson solution and residuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.metrics.risk_sets import Deaths, sums_from
from mammorisk.records.follow_up import CANCER, COMPETING
from mammorisk.records.outcome import Outcome

#: Rule for cancers at the same time.
TiedCancers = Literal["efron", "breslow"]

_MOST_STEPS = 50
#: Information matrices, scaled to correlations, whose condition number is higher are singular.
_SINGULAR = 1e10


@dataclass(frozen=True, kw_only=True)
class State:
    """Partial likelihood at given coefficients, with the quantities that the residuals need."""

    log_likelihood: float
    score: Floats
    information: Floats
    #: exp(predictor) of every row.
    hazard: Floats
    #: Hazard over the risk set at each single cancer, and the mean covariates there.
    rate: Floats
    mean: Floats


@dataclass(frozen=True, kw_only=True)
class RiskSets:
    """Risk sets of a proportional hazards model, or of the subdistribution if women stay in them.

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

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        design: Floats,
        horizon: float | None,
        ties: TiedCancers = "efron",
        still: Callable[[Floats], Floats] | None = None,
    ) -> RiskSets | None:
        """Risk sets at the cancers up to the horizon; None without a cancer.

        ``still`` gives the probability of being observed just before some times; without it, women
        leave at their competing event.
        """
        end = np.inf if horizon is None else horizon
        used = outcome.weight > 0
        died = np.flatnonzero((outcome.event == CANCER) & (outcome.time <= end) & used)
        if len(died) == 0:
            return None
        deaths = Deaths.of(outcome.time[died])
        if ties == "breslow":
            deaths = replace(deaths, share=np.zeros(len(deaths.share)))
        stays = (outcome.event == COMPETING) & used & (still is not None)
        return cls(
            outcome=outcome,
            design=design - np.average(design, axis=0, weights=outcome.weight),
            died=died,
            stayed=np.flatnonzero(stays),
            deaths=deaths,
            still=np.ones(len(deaths.times)) if still is None else still(deaths.times),
            at_own=np.ones(len(outcome)) if still is None else still(outcome.time),
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

    def at(self, coef: Floats) -> State:
        x, weight, deaths = self.design, self.outcome.weight, self.deaths
        p = x.shape[1]
        predictor = x @ coef
        with np.errstate(over="ignore"):
            hazard = np.exp(predictor)
        own = weight * hazard
        pairs = [(i, j) for i in range(p) for j in range(i, p)]
        squares = np.column_stack([x[:, i] * x[:, j] for i, j in pairs])
        with np.errstate(invalid="ignore", over="ignore"):
            moments = np.column_stack([own, own[:, None] * x, own[:, None] * squares])
            in_risk = self._sums(moments)
        tied = np.column_stack([np.bincount(deaths.place, c[self.died]) for c in moments.T])
        step = deaths.step
        mass = (np.bincount(deaths.place, weight[self.died]) / deaths.counts)[step]
        # A step that goes too far overflows; its likelihood is not finite and it is halved.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            left = in_risk[step] - deaths.share[:, None] * tied[step]
            mean = left[:, 1 : p + 1] / left[:, :1]
            second = (mass[:, None] * left[:, p + 1 :] / left[:, :1]).sum(axis=0)
        information = np.zeros((p, p))
        for (i, j), value in zip(pairs, second, strict=True):
            information[i, j] = information[j, i] = value
        information -= mean.T @ (mass[:, None] * mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = weight[self.died] @ predictor[self.died] - mass @ np.log(left[:, 0])
        return State(
            log_likelihood=float(likelihood),
            score=weight[self.died] @ x[self.died] - mass @ mean,
            information=information,
            hazard=hazard,
            rate=mass / left[:, 0],
            mean=mean,
        )

    def totals(self, state: State, factor: Floats) -> Floats:
        """Cumulative sums over times of rate and rate times mean, first 0, shape (k + 1, 1 + p)."""
        terms = (factor * state.rate)[:, None] * np.column_stack(
            [np.ones(len(state.rate)), state.mean]
        )
        by_time = np.column_stack([np.bincount(self.deaths.step, c) for c in terms.T])
        return np.vstack([np.zeros(by_time.shape[1]), np.cumsum(by_time, axis=0)])

    def residuals(self, state: State) -> Floats:
        """Score residuals for known weights over time, shape (n, p)."""
        outcome, deaths, x = self.outcome, self.deaths, self.design
        times, step, place = deaths.times, deaths.step, deaths.place
        entry = np.where(outcome.entry > 0, outcome.entry, -1.0)
        total = self.totals(state, np.ones(len(state.rate)))
        until = np.searchsorted(times, outcome.time, side="right")
        since = np.minimum(np.searchsorted(times, entry, side="right"), until)
        met = total[until] - total[since]
        later = self.totals(state, self.still[step])
        stayed = self.stayed
        after = (later[-1] - later[until[stayed]]) / self.at_own[stayed, None]
        met[stayed] += after
        found = -state.hazard[:, None] * (x * met[:, :1] - met[:, 1:])
        # The weight of women who died decreases with time.
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


def maximise(sets: RiskSets) -> tuple[Floats, State, Floats] | None:
    """Coefficients, their likelihood and the inverse information; None if there is no solution."""
    p = sets.design.shape[1]
    coef, step = np.zeros(p), np.full(p, np.inf)
    state = sets.at(coef)
    if _is_singular(state.information):
        return None
    for _ in range(_MOST_STEPS):
        try:
            step = np.linalg.solve(state.information, state.score)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all():
            return None
        if float(np.abs(step).max()) < 1e-10 * max(1.0, float(np.abs(coef).max())):
            break
        tried = sets.at(coef + step)
        while not tried.log_likelihood >= state.log_likelihood - 1e-9 * abs(state.log_likelihood):
            step = step / 2
            if float(np.abs(step).max()) < 1e-12:
                return None
            tried = sets.at(coef + step)
        coef, state = coef + step, tried
    spread = np.ptp(sets.design[sets.outcome.weight > 0], axis=0)
    if float(np.abs(coef * spread).max()) > 50 or float(np.abs(step).max()) > 1e-6:
        return None
    if _is_singular(state.information):
        return None
    return np.asarray(coef), state, np.asarray(np.linalg.inv(state.information), dtype=np.float64)


def _is_singular(information: Floats) -> bool:
    scale = np.sqrt(np.diag(information).clip(0))
    if not (scale > 0).all() or not np.isfinite(information).all():
        return True
    return bool(np.linalg.cond(information / np.outer(scale, scale)) > _SINGULAR)
