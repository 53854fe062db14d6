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
    # With late entry the weights represent all women who could have entered, not only those in
    # the data, so the loss is divided by their sum.
    base = weights if outcome.has_entry else outcome.weight
    total = float(base.sum())
    # The expected sum of the weights of observed rows is the number of women. riskRegression and
    # the Brier score of Graf divide by that number.
    value = float(weights @ loss) / total
    influence = (weights * loss - base * value) / total
    if not censoring_known:
        pull = weights * (loss - value) if outcome.has_entry else weights * loss
        influence = influence + fitted.correction(pull / total, year)
    return from_influence(
        name, value, influence, outcome, events=events, level=level, reason=fitted.note(year)
    )
