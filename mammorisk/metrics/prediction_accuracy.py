"""Index of prediction accuracy."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.brier import brier_score, null_brier_score
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    from_influence,
    unavailable,
)
from mammorisk.records.outcome import Outcome


def index_of_prediction_accuracy(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    level: float = 0.95,
) -> Estimate:
    """Index of prediction accuracy: one minus the Brier score divided by the null Brier score.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        At most 1. 0 is no better than one risk for all women; below 0 is worse. The standard error
        is by the delta method on influence values.

    See Also
    --------
    brier_score
    null_brier_score : Brier score of predicting the observed risk for every woman.

    References
    ----------
    Kattan and Gerds 2018, doi 10.1186/s41512-018-0029-2.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, index_of_prediction_accuracy
    >>> outcome, risk, other = example_risks()
    >>> print(index_of_prediction_accuracy(outcome, risk, 5))
    IPA at 5 y: 0.03093 (-0.00914 to 0.07099)
    """
    year = check_horizon(horizon, outcome)
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    own = brier_score(outcome, risk, year, censoring=fitted, level=level)
    null = null_brier_score(outcome, year, censoring=fitted, level=level)
    name = f"IPA at {year:g} y"
    if own.influence is None or null.influence is None:
        return unavailable(name, own.reason or "no Brier score", n=own.n, events=own.events)
    if not null.value > 0:
        return unavailable(name, "all women have the same outcome", n=own.n, events=own.events)
    influence = own.value / null.value**2 * null.influence - own.influence / null.value
    return from_influence(
        name,
        1 - own.value / null.value,
        influence,
        outcome,
        events=own.events,
        null=0.0,
        level=level,
        bounds=(-np.inf, 1.0),
    )
