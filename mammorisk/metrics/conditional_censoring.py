"""Censoring weights that depend on covariates or strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.fine_gray import fit_fine_gray
from mammorisk.metrics.marginal_censoring import Censoring, Ties, marginal_censoring
from mammorisk.metrics.risk_sets import sums_from
from mammorisk.records.follow_up import CANCER, CENSORED
from mammorisk.records.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class StratifiedCensoring(Censoring):
    """A product-limit estimate in each stratum; see :func:`fit_censoring`."""

    outcome: Outcome
    ties: Ties
    parts: tuple[tuple[NDArray[np.intp], Censoring], ...]

    def weights(self, horizon: float) -> Floats | None:
        found = np.zeros(len(self.outcome))
        for rows, part in self.parts:
            own = part.weights(horizon)
            if own is None:
                return None
            found[rows] = own
        return found

    def correction(self, pull: Floats, horizon: float) -> Floats:
        found = np.zeros(len(self.outcome))
        for rows, part in self.parts:
            found[rows] = part.correction(pull[rows], horizon)
        return found


def stratified_censoring(
    outcome: Outcome, code: NDArray[np.int64], n_strata: int, ties: Ties
) -> StratifiedCensoring:
    """Product-limit estimate of the distribution of censoring in each stratum (codes from 0)."""
    parts = []
    for stratum in range(n_strata):
        rows = np.flatnonzero(code == stratum)
        if outcome.weight[rows].any():
            parts.append((rows, marginal_censoring(outcome.take(rows), ties)))
    return StratifiedCensoring(outcome=outcome, ties=ties, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class CoxCensoring(Censoring):
    """A Cox model of censoring; see :func:`fit_censoring`.

    Attributes
    ----------
    turned : Outcome
        Censoring as the event, on a time scale of ranks. Each stratum has its own range of ranks,
        so that only rows of one stratum are at risk together.
    covariates : ndarray, shape (n, p)
        Centred.
    hazard : ndarray, shape (n,)
        Hazard of censoring relative to the baseline.
    times : ndarray, shape (k,)
        Distinct ranks with a censoring.
    at_risk, jump : ndarray, shape (k,)
        Sum of weight times relative hazard at risk, and increment of the baseline hazard.
    mean : ndarray, shape (k, p)
        Mean covariates of those at risk.
    moved : ndarray, shape (n, p)
        Influence of each row on the coefficients.
    strata : ndarray of int, shape (n,)
    """

    outcome: Outcome
    ties: Ties
    turned: Outcome
    covariates: Floats
    hazard: Floats
    times: Floats
    at_risk: Floats
    jump: Floats
    mean: Floats
    moved: Floats
    strata: NDArray[np.int64]

    def weights(self, horizon: float) -> Floats | None:
        outcome = self.outcome
        event = (outcome.event != CENSORED) & (outcome.time <= horizon)
        free = outcome.is_event_free(horizon)
        used = outcome.weight > 0
        lost = used & ~event & ~free
        if lost.any() and not (free & used).any():
            return None
        spent, _ = self._until(self._observed_until(horizon))
        observed = event | free
        found = np.zeros(len(outcome))
        found[observed] = outcome.weight[observed] * np.exp(spent[observed] * self.hazard[observed])
        return found

    def correction(self, pull: Floats, horizon: float) -> Floats:
        end = self._observed_until(horizon)
        spent, spent_mean = self._until(end)
        own = pull * self.hazard
        start = np.where(self.turned.entry > 0, self.turned.entry, -1.0)
        # Rows whose censoring hazard is integrated beyond each time, divided by all rows at risk.
        beyond = sums_from(end, own, self.times) - sums_from(start, own, self.times)
        slope = beyond / self.at_risk
        total = np.concatenate([[0.0], np.cumsum(slope * self.jump)])
        until = np.searchsorted(self.times, self.turned.time, side="right")
        since = np.searchsorted(self.times, start, side="right")
        found = -self.hazard * (total[until] - total[since])
        is_censored = np.flatnonzero(self.turned.event == CANCER)
        found[is_censored] += slope[np.searchsorted(self.times, self.turned.time[is_censored])]
        by_coefficient = own @ (spent[:, None] * self.covariates - spent_mean)
        return np.asarray(self.outcome.weight * found + self.moved @ by_coefficient)

    def _observed_until(self, horizon: float) -> Floats:
        """Rank at which each row is observed: its event, or the horizon."""
        outcome = self.outcome
        event = (outcome.event != CENSORED) & (outcome.time <= horizon)
        side = "left" if outcome.ends_at_horizon(horizon) else "right"
        distinct = np.unique(outcome.time)
        count = int(np.searchsorted(distinct, horizon, side=side))  # type: ignore[call-overload]
        scale = _Scale(len(distinct), int(self.strata.max()) + 1)
        return np.where(event, self.turned.time, scale.place(2 * count + 0.5, self.strata))

    def _until(self, end: Floats) -> tuple[Floats, Floats]:
        """Baseline hazard, and its sum times the mean covariates, from the start to ``end``."""
        start = np.where(self.turned.entry > 0, self.turned.entry, -1.0)
        last = np.searchsorted(self.times, end, side="right")
        first = np.searchsorted(self.times, start, side="right")
        total = np.concatenate([[0.0], np.cumsum(self.jump)])
        mean = np.cumsum(self.jump[:, None] * self.mean, axis=0)
        mean = np.vstack([np.zeros(mean.shape[1]), mean])
        return total[last] - total[first], mean[last] - mean[first]


@dataclass(frozen=True)
class _Scale:
    """Ranks of times as numbers in (0, 1], with one range for each stratum."""

    distinct: int
    strata: int

    def place(self, rank: ArrayLike, stratum: NDArray[np.int64]) -> Floats:
        return np.asarray((stratum + np.asarray(rank) / (2 * self.distinct + 3)) / self.strata)


def cox_censoring(
    outcome: Outcome, covariates: Floats, code: NDArray[np.int64], ties: Ties
) -> CoxCensoring:
    """Cox model of the hazard of censoring, with a baseline hazard for each stratum.

    Events leave before censorings of the same time; the baseline hazard is Breslow's.
    """
    distinct, position = np.unique(outcome.time, return_inverse=True)
    is_censored = outcome.event == CENSORED
    scale = _Scale(len(distinct), int(code.max()) + 1)
    rank = 2.0 * position + np.where(is_censored, 2.0, 1.0)
    turned = Outcome(
        time=scale.place(rank, code),
        event=np.where(is_censored, CANCER, CENSORED),
        weight=outcome.weight,
        entry=scale.place(0.0, code),
    )
    centred = covariates - np.average(covariates, axis=0, weights=outcome.weight)
    if not (is_censored & (outcome.weight > 0)).any():
        raise EvaluationError(
            "nobody is censored", where="covariates", remedy="Leave out covariates and strata."
        )
    fitted = fit_fine_gray(turned, centred, ties="breslow", censoring_known=True)
    if not fitted.converged or fitted.influence is None:
        raise EvaluationError(
            "the Cox model of censoring has no solution",
            where="covariates",
            remedy="Leave out covariates that are constant, collinear or separate the censored.",
        )
    hazard = np.exp(centred @ fitted.coef)
    counted = is_censored & (outcome.weight > 0)
    times, place = np.unique(turned.time[counted], return_inverse=True)
    own = outcome.weight * hazard
    moments = np.column_stack([own, own[:, None] * centred])
    start = np.where(turned.entry > 0, turned.entry, -1.0)
    sums = sums_from(turned.time, moments, times) - sums_from(start, moments, times)
    return CoxCensoring(
        outcome=outcome,
        ties=ties,
        turned=turned,
        covariates=centred,
        hazard=hazard,
        times=times,
        at_risk=sums[:, 0],
        jump=np.bincount(place, outcome.weight[counted]) / sums[:, 0],
        mean=sums[:, 1:] / sums[:, :1],
        moved=fitted.influence,
        strata=code,
    )
