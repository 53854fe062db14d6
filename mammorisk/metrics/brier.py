"""Brier score, its value for a model without predictors, and its mean over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.censoring import Censoring, Ties, fit_censoring
from mammorisk.metrics.estimate import (
    Estimate,
    check_horizon,
    check_risk,
    from_influence,
    unavailable,
)
from mammorisk.metrics.incidence import cumulative_incidence, incidence_curve
from mammorisk.metrics.marginal_censoring import MarginalCensoring
from mammorisk.metrics.weighted_loss import mean_loss
from mammorisk.records.outcome import Outcome


def brier_score(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    censoring_known: bool = False,
    level: float = 0.95,
) -> Estimate:
    """Mean squared difference between risk and cancer by the horizon, censoring-weighted.

    Parameters
    ----------
    outcome : Outcome
        A competing event before the horizon counts as no cancer.
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    censoring : Censoring or str
        See :func:`~mammorisk.metrics.censoring.fit_censoring`.
    censoring_known : bool
        Leave out the uncertainty of the estimated censoring weights.
    level : float

    Returns
    -------
    Estimate
        In [0, 1], lower is better. NaN with a reason where nobody is followed to the horizon.

    See Also
    --------
    null_brier_score : Brier score of predicting the observed risk for every woman.
    index_of_prediction_accuracy
    integrated_brier_score : Brier score averaged over time.
    log_score : Mean negative log likelihood of cancer by the horizon, censoring-weighted.

    Notes
    -----
    Weighted losses are divided by the number of women (the sum of sampling weights), as
    riskRegression does. With late entry they are divided by the sum of the weights, because the
    weights then represent all women who could have entered.

    References
    ----------
    Graf 1999, doi 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5;
    Gerds and Schumacher 2006, doi 10.1002/bimj.200610301.

    Examples
    --------
    >>> from mammorisk.metrics import brier_score, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(brier_score(outcome, risk, 5))
    Brier score at 5 y: 0.08597 (0.07181 to 0.1001)
    """
    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    loss = (outcome.is_case(year) - values) ** 2
    return mean_loss(
        f"Brier score at {year:g} y", outcome, loss, year, censoring, censoring_known, level
    )


def null_brier_score(
    outcome: Outcome,
    horizon: float | None = None,
    *,
    censoring: Censoring | Ties = "riskregression",
    censoring_known: bool = False,
    level: float = 0.95,
) -> Estimate:
    """Brier score of predicting the observed risk for every woman.

    Parameters
    ----------
    outcome : Outcome
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    censoring : Censoring or str
        See :func:`fit_censoring`; fit it once for many calls.
    censoring_known : bool
        Leave out the uncertainty of the estimated censoring weights.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        In [0, 0.25]. The standard error takes the observed risk (Kaplan-Meier or Aalen-Johansen;
        weighted where censoring depends on covariates) as known, as riskRegression does.

    See Also
    --------
    brier_score
    index_of_prediction_accuracy

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, null_brier_score
    >>> outcome, risk, other = example_risks()
    >>> print(null_brier_score(outcome, 5))
    Brier score at 5 y: 0.08871 (0.0733 to 0.1041)
    """
    year = check_horizon(horizon, outcome)
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    if isinstance(fitted, MarginalCensoring):
        observed = incidence_curve(outcome).at(year)
    else:
        observed = cumulative_incidence(outcome, year, censoring=fitted).value
    if not 0 <= observed <= 1:
        n = int((outcome.weight > 0).sum())
        return unavailable(f"Brier score at {year:g} y", "there is no observed risk", n=n)
    return brier_score(
        outcome,
        np.full(len(outcome), observed),
        year,
        censoring=fitted,
        censoring_known=censoring_known,
        level=level,
    )


def integrated_brier_score(
    outcome: Outcome,
    risks: Floats,
    horizons: Sequence[float],
    *,
    rule: str = "trapezoid",
    censoring: Censoring | Ties = "riskregression",
    level: float = 0.95,
) -> Estimate:
    """Brier score averaged over time.

    Parameters
    ----------
    outcome : Outcome
    risks : array_like, shape (n, k)
        Predicted risk by each horizon.
    horizons : sequence of float, length k
        Years, ascending.
    rule : {"trapezoid", "riskregression"}
        ``"trapezoid"`` integrates by the trapezoidal rule. ``"riskregression"`` divides the sum of
        left-hand rectangles over the given times and 0 by the last time, as
        ``Score(summary="ibs")``.
    censoring : Censoring or str
    level : float

    Returns
    -------
    Estimate

    Raises
    ------
    EvaluationError
        Risks are not of shape (rows, horizons), or ``rule`` is not a known rule of integration.

    See Also
    --------
    brier_score

    References
    ----------
    Graf 1999, as :func:`brier_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import example_risks, integrated_brier_score
    >>> outcome, risk, other = example_risks()
    >>> years = (1, 3, 5)
    >>> risks = np.column_stack([1 - (1 - risk) ** (year / 5) for year in years])
    >>> print(integrated_brier_score(outcome, risks, years))
    integrated Brier score to 5 y: 0.05705 (0.04637 to 0.06774)
    """
    times = np.array([check_horizon(year) for year in horizons])
    table = np.asarray(risks, dtype=np.float64)
    if table.shape != (len(outcome), len(times)) or (np.diff(times) <= 0).any():
        raise EvaluationError(
            "risks must be of shape (rows, horizons), with horizons ascending", where="risks"
        )
    if rule not in ("trapezoid", "riskregression"):
        raise EvaluationError(f"{rule!r} is not a known rule of integration", where="rule")
    fitted = fit_censoring(outcome, censoring) if isinstance(censoring, str) else censoring
    parts = [
        brier_score(outcome, table[:, i], float(year), censoring=fitted, level=level)
        for i, year in enumerate(times)
    ]
    name = f"integrated Brier score to {times[-1]:g} y"
    n, events = parts[-1].n, parts[-1].events
    if missing := [part for part in parts if part.influence is None]:
        return unavailable(name, missing[0].reason or "no Brier score", n=n, events=events)
    if rule == "riskregression":
        # Each score is used for the time up to the next one.
        shares = np.append(np.diff(times), 0.0) / times[-1]
    else:
        if len(times) < 2:
            return unavailable(name, "an integral needs two horizons", n=n, events=events)
        steps = np.diff(times)
        shares = (np.append(steps, 0.0) + np.append(0.0, steps)) / (2 * steps.sum())
    influence = sum(share * part.influence for share, part in zip(shares, parts, strict=True))
    value = float(sum(share * part.value for share, part in zip(shares, parts, strict=True)))
    return from_influence(
        name, value, influence, outcome, events=events, level=level, bounds=(0.0, 1.0)
    )
