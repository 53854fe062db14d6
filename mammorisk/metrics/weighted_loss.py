"""Mean of a loss over women, weighted by the inverse probability of censoring."""

from __future__ import annotations

from mammorisk._utils.typing import Floats
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    Estimate,
    from_influence,
    unavailable,
)
from mammorisk.records.outcome import Outcome


def mean_loss(
    name: str,
    outcome: Outcome,
    loss: Floats,
    year: float,
    censoring: Censoring | Ties,
    censoring_known: bool,
    level: float,
) -> Estimate:
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    weights = fitted.weights(year)
    counted = outcome.weight > 0
    n, events = int(counted.sum()), int((outcome.is_case(year) & counted).sum())
    if weights is None or not (weights > 0).any():
        return unavailable(
            name, "nobody is followed to the horizon, so censoring weights are undefined",
            n=n, events=events,
        )  # fmt: skip
    total = float(outcome.weight.sum())
    # Weights of those observed sum to that of all but for the chance of the sample; dividing by
    # all is what riskRegression does, and what the Brier score of Graf is.
    value = float(weights @ loss) / total
    influence = (weights * loss - outcome.weight * value) / total
    if not censoring_known:
        influence = influence + fitted.correction(weights * loss / total, year)
    return from_influence(name, value, influence, outcome, events=events, level=level)
