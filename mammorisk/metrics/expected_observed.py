"""Calibration in the large: ratio of expected to observed risk at a horizon."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring
from mammorisk.metrics.estimate import (
    FEWEST_EVENTS,
    NAN,
    Estimate,
    check_horizon,
    check_risk,
    normal_quantile,
    two_sided_p,
    unavailable,
)
from mammorisk.metrics.incidence import Competing, cumulative_incidence
from mammorisk.records.outcome import Outcome

Ratio = Literal["E/O", "O/E"]


def expected_observed_ratio(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    ratio: Ratio = "E/O",
    competing: Competing = "event",
    censoring: Censoring | None = None,
    level: float = 0.95,
) -> Estimate:
    """Ratio of mean predicted risk to observed risk (Kaplan-Meier or Aalen-Johansen).

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    ratio : {"E/O", "O/E"}
    competing : {"event", "censor"}
        See :func:`incidence_curve`.
    censoring : Censoring, optional
        From :func:`fit_censoring`, where censoring depends on covariates or strata.
    level : float

    Returns
    -------
    Estimate
        1 means calibrated in the large. Standard error and interval are those of the observed risk
        on the log scale; the expected risk is treated as known. NaN with a reason if there is no
        cancer.

    Raises
    ------
    EvaluationError
        ``ratio`` is not ``"E/O"`` or ``"O/E"``, or the risks are not probabilities.

    See Also
    --------
    calibration_intercept
    standardised_incidence_ratio

    References
    ----------
    Riley 2019, doi 10.1002/sim.8296; van Geloven 2022, doi 10.1136/bmj-2021-069249.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, expected_observed_ratio
    >>> outcome, risk, other = example_risks()
    >>> print(expected_observed_ratio(outcome, risk, 5))
    E/O at 5 y: 1.086 (0.8937 to 1.32)
    >>> print(expected_observed_ratio(outcome, other, 5, ratio="O/E"))
    O/E at 5 y: 0.8325 (0.6851 to 1.012)
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    if ratio not in ("E/O", "O/E"):
        raise EvaluationError(
            f"{ratio!r} is not a known ratio", where="ratio", remedy='Use "E/O" or "O/E".'
        )
    name = f"{ratio} at {year:g} y"
    observed = cumulative_incidence(
        outcome, year, competing=competing, censoring=censoring, level=level
    )
    expected = float(np.average(values, weights=outcome.weight))
    if not observed.value > 0 or not expected > 0:
        why = observed.reason or ("no cancers" if not observed.value > 0 else "no risk at all")
        return unavailable(name, why, n=observed.n, events=observed.events)
    sign = 1 if ratio == "O/E" else -1
    value = (observed.value / expected) ** sign
    log_error = observed.se / observed.value
    half = normal_quantile(level) * log_error
    p = two_sided_p(math.log(value) / log_error) if log_error > 0 else NAN
    low, high = value * math.exp(-half), value * math.exp(half)
    limits = observed.reason
    is_few = observed.events is not None and observed.events < FEWEST_EVENTS
    if is_few and math.isfinite(observed.upper):
        # Exact limits of the observed risk; they are not symmetric.
        ends = sorted(
            (end / expected) ** sign if end > 0 else math.inf
            for end in (observed.lower, observed.upper)
        )
        low, high, p = ends[0], ends[1], NAN
        limits = f"{observed.events} cancers: exact limits, no p value"
    influence = observed.influence
    return Estimate(
        name=name,
        value=value,
        se=value * log_error,
        lower=low,
        upper=high,
        n=observed.n,
        events=observed.events,
        p=p,
        null=1.0,
        influence=None if influence is None else sign * value / observed.value * influence,
        reason=limits,
    )
