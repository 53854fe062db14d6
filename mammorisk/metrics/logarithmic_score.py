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

#: Log scores take risks no closer to 0 or 1 than this.
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

    Returns
    -------
    Estimate
        0 or more, lower is better; risks of 0 and 1 count as 1e-12 from them.

    References
    ----------
    Gneiting and Raftery 2007, doi 10.1198/016214506000001437.
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    safe = np.clip(values, _SMALLEST_RISK, 1 - _SMALLEST_RISK)
    loss = -np.where(outcome.is_case(year), np.log(safe), np.log1p(-safe))
    return mean_loss(f"log score at {year:g} y", outcome, loss, year, censoring, False, level)
