"""Royston and Sauerbrei's D."""

from __future__ import annotations

import math

from scipy import special, stats

from mammorisk._utils.typing import Floats
from mammorisk.metrics.cox import fit_cox
from mammorisk.metrics.estimate import (
    Estimate,
    check_risk,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome


def royston_d(outcome: Outcome, score: Floats, *, level: float = 0.95) -> tuple[Estimate, float]:
    """Royston and Sauerbrei's D, and the explained variation it implies.

    Parameters
    ----------
    outcome : Outcome
    score : array_like, shape (n,)
        Higher for more risk; only ranks are used.
    level : float
        Confidence level of the interval.

    Returns
    -------
    D : Estimate
        Log hazard ratio between the half of women with higher and the half with lower scores.
    explained : float
        R2 of D, in [0, 1].

    See Also
    --------
    hazard_ratio_per_sd

    References
    ----------
    Royston and Sauerbrei 2004, doi 10.1002/sim.1621.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, royston_d
    >>> outcome, risk, other = example_risks()
    >>> d, explained = royston_d(outcome, risk)
    >>> print(d, round(explained, 3))
    Royston D: 1.068 (0.778 to 1.358) 0.214
    """
    values = check_risk(outcome, score)
    n = len(values)
    normal = special.ndtri((stats.rankdata(values) - 0.375) / (n + 0.25))
    fitted = fit_cox(outcome, (normal * math.sqrt(math.pi / 8))[:, None])
    events = int((outcome.event == CANCER).sum())
    if events < 2 or not fitted.converged:
        return unavailable("Royston D", "no solution on these data", n=n, events=events), math.nan
    d, se = float(fitted.coef[0]), float(fitted.se[0])
    z = normal_quantile(level)
    explained = (d**2 * math.pi / 8) / (math.pi**2 / 6 + d**2 * math.pi / 8)
    made = Estimate(
        name="Royston D",
        value=d,
        se=se,
        lower=d - z * se,
        upper=d + z * se,
        n=n,
        events=events,
        p=two_sided_p(d / se),
        null=0.0,
    )
    return made, explained
