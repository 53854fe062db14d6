"""Names of the methods of intervals, for the tables."""

from __future__ import annotations

from mammorisk.metrics.estimate import FEWEST_EVENTS
from mammorisk.records.outcome import Outcome

NORMAL = "normal (influence functions)"
DELONG = "normal (DeLong)"
REGRESSION = "normal (regression)"
BINOMIAL = "normal (binomial)"
LOG = "normal on the log scale (influence functions)"
LOG_COX = "normal on the log scale (Cox regression)"
LOG_MINUS_LOG = "normal on the log-log scale"
WILSON = "Wilson"
CLOPPER_PEARSON = "exact (Clopper-Pearson)"
POISSON = "exact (Poisson)"


def is_plain(outcome: Outcome, year: float) -> bool:
    """Whether all outcomes are known, weights are equal, and each woman has one exam."""
    return outcome.is_complete(year) and not (outcome.is_weighted or outcome.is_clustered)


def of_auc(outcome: Outcome, year: float) -> str:
    return DELONG if is_plain(outcome, year) else NORMAL


def of_share(outcome: Outcome, year: float) -> str:
    """Return the method for sensitivity, specificity and predictive values."""
    return WILSON if is_plain(outcome, year) else NORMAL


def of_share_positive(outcome: Outcome) -> str:
    """Return the method for a share of women that does not depend on the outcome."""
    return NORMAL if outcome.is_weighted or outcome.is_clustered else WILSON


def of_observed_risk(events: int | None) -> str:
    few = events is not None and events < FEWEST_EVENTS
    return CLOPPER_PEARSON if few else LOG_MINUS_LOG


def of_ratio(events: int | None) -> str:
    """Return the method for expected over observed risk, which depends on the number of events."""
    few = events is not None and events < FEWEST_EVENTS
    return CLOPPER_PEARSON if few else LOG


def of_bootstrap(resamples: int, seed: int) -> str:
    return f"percentile bootstrap ({resamples} resamples, seed {seed})"
