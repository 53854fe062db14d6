"""Logarithmic score."""

from __future__ import annotations

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.metrics.censoring import Censoring, Ties
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
)
from mammorisk.metrics.weighted_loss import mean_loss
from mammorisk.records.outcome import Outcome

#: Log scores limit risks to at least this distance from 0 and 1.
_SMALLEST_RISK = 1e-12


def log_score(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    level: float = 0.95,
) -> Estimate:
    """Mean negative log likelihood of cancer by the horizon, censoring-weighted.

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
        0 or more; lower is better. Risks are limited to [1e-12, 1 - 1e-12].

    See Also
    --------
    brier_score

    Notes
    -----
    The score is unbounded: one woman with cancer and a risk near 0 can dominate it.

    References
    ----------
    Gneiting and Raftery 2007, doi 10.1198/016214506000001437.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, log_score
    >>> outcome, risk, other = example_risks()
    >>> print(log_score(outcome, risk, 5))
    log score at 5 y: 0.3063 (0.266 to 0.3466)
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    safe = np.clip(values, _SMALLEST_RISK, 1 - _SMALLEST_RISK)
    loss = -np.where(outcome.is_case(year), np.log(safe), np.log1p(-safe))
    return mean_loss(f"log score at {year:g} y", outcome, loss, year, censoring, False, level)
