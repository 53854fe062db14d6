"""Inverse probability of censoring weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.conditional_censoring import cox_censoring, stratified_censoring
from mammorisk.metrics.group_codes import group_codes
from mammorisk.metrics.marginal_censoring import Censoring as Censoring
from mammorisk.metrics.marginal_censoring import Ties as Ties
from mammorisk.metrics.marginal_censoring import marginal_censoring
from mammorisk.records.outcome import Outcome


def fit_censoring(
    outcome: Outcome,
    ties: Ties = "riskregression",
    *,
    covariates: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> Censoring:
    """Estimate the distribution of censoring.

    A product-limit estimate common to all women, one in each stratum, or a Cox model of the hazard
    of censoring.

    Parameters
    ----------
    outcome : Outcome
        Sampling weights enter the risk sets. With late entry the weights are also divided by
        the probability of having entered (Geskus 2011, doi 10.1111/j.1541-0420.2010.01420.x);
        the standard errors do not include the uncertainty of that probability.
    ties : {"riskregression", "scikit-survival", "kaplan-meier"}
        By default events leave the risk set before censorings of the same time, and G is taken just
        before an event: a woman with an event was no longer at risk of censoring.
        ``"scikit-survival"`` takes G at the event, after its censorings; ``"kaplan-meier"`` keeps
        tied events at risk of censoring. With covariates, only the default is possible.
    covariates : array_like, shape (n,) or (n, k), optional
        Numbers that censoring depends on, such as age or the risk itself. They enter a Cox model
        with Breslow's baseline hazard. Not possible with late entry.
    strata : array_like, shape (n,), optional
        Labels, such as the site or the period of the exam, each with its own curve or baseline
        hazard.

    Returns
    -------
    Censoring
        Its ``weights(horizon)`` are the inverse probability weights, or None where nobody is
        followed to the horizon (in a stratum). Pass it as ``censoring`` to the measures.

    Raises
    ------
    EvaluationError
        Another value of ``ties``, covariates that are missing or of another length, a Cox model
        without solution, or covariates with late entry.

    See Also
    --------
    cumulative_dynamic_auc
    brier_score
    cumulative_incidence : Risk of breast cancer by the horizon, with ``censoring`` also weighted.

    Notes
    -----
    Without covariates and strata, censoring must not depend on risk or on covariates. With them,
    it must not depend on anything else, and the model must hold. Standard errors of the measures
    include the uncertainty of the curve, or of the coefficients and the baseline hazard.

    Where more women are censored exactly at a horizon than are followed beyond it (administrative
    censoring), they count as event-free at the horizon with the probability of being followed until
    just before it; estimates say so in their ``reason``. This is decided in each stratum.

    References
    ----------
    Robins and Finkelstein 2000, doi 10.1111/j.0006-341X.2000.00779.x; Gerds and Schumacher 2006,
    doi 10.1002/bimj.200610301 (Cox model of censoring).

    Examples
    --------
    >>> from mammorisk.metrics import cumulative_dynamic_auc, example_risks, fit_censoring
    >>> outcome, risk, other = example_risks()
    >>> weights = fit_censoring(outcome).weights(5)
    >>> print((weights > 0).sum(), round(weights.sum()))
    724 1000
    >>> fitted = fit_censoring(outcome, covariates=risk)
    >>> print(cumulative_dynamic_auc(outcome, risk, 5, censoring=fitted))
    AUC at 5 y: 0.6733 (0.6144 to 0.7323)
    """
    if ties not in ("riskregression", "scikit-survival", "kaplan-meier"):
        raise EvaluationError(
            f"{ties!r} is not a known rule for tied times",
            where="censoring",
            remedy='Use "riskregression", "scikit-survival" or "kaplan-meier".',
        )
    code, n_strata = np.zeros(len(outcome), dtype=np.int64), 1
    if strata is not None:
        code, n_strata = group_codes(strata, outcome, where="strata")
    if covariates is None:
        if strata is None:
            return marginal_censoring(outcome, ties)
        return stratified_censoring(outcome, code, n_strata, ties)
    if ties != "riskregression":
        raise EvaluationError(
            f"a Cox model of censoring has no rule {ties!r} for tied times",
            where="censoring",
            remedy='Use "riskregression".',
        )
    if outcome.has_entry:
        raise EvaluationError(
            "a Cox model of censoring does not take late entry",
            where="covariates",
            remedy="Give strata instead.",
        )
    return cox_censoring(outcome, _numbers(covariates, outcome), code, ties)


def _numbers(covariates: ArrayLike, outcome: Outcome) -> Floats:
    n = len(outcome)
    try:
        values = np.asarray(outcome.written_out(np.asarray(covariates, dtype=np.float64)))
    except (TypeError, ValueError):
        raise EvaluationError(
            "the values are not numbers", where="covariates", remedy="Give labels as strata."
        ) from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n or values.shape[1] == 0:
        raise EvaluationError(
            f"covariates of shape {values.shape} for {n} rows of outcome", where="covariates"
        )
    if not np.isfinite(values).all():
        raise EvaluationError(
            f"{int((~np.isfinite(values)).sum())} values are missing or infinite",
            where="covariates",
            remedy="Leave these rows out (Outcome.take) and report how many.",
        )
    return values
