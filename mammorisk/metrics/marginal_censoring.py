"""Censoring weights that are common to all women, and their part in influence values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.life_table import LifeTable, life_table, row_sums_to
from mammorisk.records.follow_up import CENSORED
from mammorisk.records.outcome import Outcome

#: How the distribution of censoring is estimated where events and censorings share a time.
Ties = Literal["riskregression", "scikit-survival", "kaplan-meier"]

#: With fewer women known to be event-free at a horizon, their weights are called unreliable.
FEWEST_FOLLOWED = 10


class Censoring(ABC):
    """A fitted distribution of censoring; see :func:`fit_censoring`.

    Attributes
    ----------
    outcome : Outcome
        Follow-up that it was fitted to.
    ties : str
        Rule for events and censorings of the same time.

    See Also
    --------
    fit_censoring : Computes it.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, fit_censoring
    >>> outcome, risk, other = example_risks()
    >>> fitted = fit_censoring(outcome)
    >>> fitted.weights(5).shape == (len(outcome),)
    True
    """

    outcome: Outcome
    ties: Ties

    @abstractmethod
    def weights(self, horizon: float) -> Floats | None:
        """Sampling weight over the probability of being observed, shape (n,).

        Events within the horizon are weighted by 1/G just before their time, rows observed beyond
        it by 1/G at the horizon, and rows censored before it by zero.

        Returns
        -------
        ndarray or None
            None where nobody is observed beyond the horizon and some were censored before it, so
            that the weights are undefined.
        """

    @abstractmethod
    def correction(self, pull: Floats, horizon: float) -> Floats:
        """Influence through the estimated distribution of censoring.

        Parameters
        ----------
        pull : ndarray, shape (n,)
            Derivative of the estimate with respect to the logarithm of each row's censoring weight.
        horizon : float
            Years.

        Returns
        -------
        ndarray, shape (n,)
            Add it to the influence values for known weights.
        """

    def note(self, horizon: float) -> str | None:
        """Limitation of the weights at a horizon, for reports; None if there is none.

        Parameters
        ----------
        horizon : float
            Years.
        """
        outcome = self.outcome
        used = outcome.weight > 0
        is_free = outcome.is_event_free(horizon) & used
        free, at = int(is_free.sum()), int((is_free & (outcome.time == horizon)).sum())
        if 0 < free < FEWEST_FOLLOWED and not outcome.is_complete(horizon):
            return (
                f"only {free} women are known to be event-free at the horizon; they represent all "
                "women censored before it"
            )
        if at:
            return f"{at} women whose follow-up ends exactly at the horizon count as event-free"
        return None


@dataclass(frozen=True, kw_only=True)
class MarginalCensoring(Censoring):
    """A product-limit estimate common to all women; see :func:`fit_censoring`."""

    outcome: Outcome
    life: LifeTable
    ties: Ties
    free: Floats
    entries: Floats
    entered: Floats

    def weights(self, horizon: float) -> Floats | None:
        outcome, life = self.outcome, self.life
        last = self._censored_until(horizon)
        free = np.concatenate([[1.0], self.free])
        at_horizon = free[last]
        weights = np.zeros(len(outcome))
        event = (outcome.event != CENSORED) & (outcome.time <= horizon)
        lag = 1 if self.ties == "scikit-survival" else 0
        observed = free[life.position[event] + lag]
        beyond = outcome.is_event_free(horizon)
        if at_horizon <= 0 or (observed <= 0).any():
            return None
        weights[event] = outcome.weight[event] / observed
        weights[beyond] = outcome.weight[beyond] / at_horizon
        if outcome.has_entry:
            before = np.searchsorted(self.entries, outcome.time[event], side="left") - 1
            by_event = self.entered[np.maximum(before, 0)]
            side: Literal["left", "right"] = "left" if outcome.ends_at_horizon(horizon) else "right"
            by_then = int(np.searchsorted(self.entries, horizon, side=side)) - 1
            by_horizon = float(self.entered[max(by_then, 0)])
            if by_horizon <= 0 or (by_event <= 0).any():
                return None
            weights[event] /= by_event
            weights[beyond] /= by_horizon
        return weights

    def _censored_until(self, horizon: float) -> int:
        """Number of distinct times whose censored rows are lost before the horizon.

        Rows censored at the horizon itself are not lost if these women count as event-free.
        """
        side: Literal["left", "right"] = (
            "left" if self.outcome.ends_at_horizon(horizon) else "right"
        )
        return int(np.searchsorted(self.life.times, horizon, side=side))

    def correction(self, pull: Floats, horizon: float) -> Floats:
        # Integral of each row's censoring martingale in its Nelson-Aalen form, with all rows of a
        # tied time at risk, as in riskRegression (Blanche 2013, appendix).
        outcome, life = self.outcome, self.life
        last = self._censored_until(horizon)
        event = (outcome.event != CENSORED) & (outcome.time <= horizon)
        by_time = life.sums(np.where(event, pull, 0.0))[: life.before(horizon)]
        later = np.cumsum(by_time[::-1])[::-1]
        if self.ties != "scikit-survival":
            later = later - by_time
        later = later[:last] + float(pull[outcome.is_event_free(horizon)].sum())
        at_risk, censored = life.at_risk[:last], life.censored[:last]
        slope = np.divide(later, at_risk, out=np.zeros(last), where=at_risk > 0)
        hazard = np.divide(censored, at_risk, out=np.zeros(last), where=at_risk > 0)
        own = np.zeros(len(outcome))
        is_censored = (outcome.event == CENSORED) & (life.position < last)
        own[is_censored] = slope[life.position[is_censored]]
        end = np.minimum(life.position + 1, last)
        expected = row_sums_to(outcome, life, np.cumsum(slope * hazard), end)
        return outcome.weight * (own - expected)


def marginal_censoring(outcome: Outcome, ties: Ties = "riskregression") -> MarginalCensoring:
    """Product-limit estimate of the distribution of censoring, common to all rows."""
    life = life_table(outcome)
    exposed = life.at_risk if ties == "kaplan-meier" else life.at_risk - life.events
    hazard = np.divide(life.censored, exposed, out=np.zeros(len(exposed)), where=exposed > 0)
    after = np.cumprod(1 - np.minimum(hazard, 1))
    entries, by_entry = _entered(outcome)
    return MarginalCensoring(
        outcome=outcome,
        life=life,
        ties=ties,
        free=after,
        entries=entries,
        entered=by_entry,
    )


def _entered(outcome: Outcome) -> tuple[Floats, Floats]:
    """Distinct entry times, and the product-limit probability of entry by each, in reverse time."""
    if not outcome.has_entry:
        return np.zeros(1), np.ones(1)
    entries, position = np.unique(outcome.entry, return_inverse=True)
    entering = np.bincount(position, outcome.weight)
    # A row leaves before others enter at the same time: it is at risk when entry < u <= time.
    ending = np.searchsorted(entries, outcome.time, side="left")
    leaving = np.bincount(ending, outcome.weight, minlength=len(entries) + 1)[:-1]
    present = np.cumsum(entering) - np.cumsum(leaving)
    share = np.divide(entering, present, out=np.zeros(len(entries)), where=present > 0)
    kept = np.concatenate([1 - share[1:], [1.0]])
    return entries, np.cumprod(kept[::-1])[::-1]
