"""Sample size for the development of a model: women needed for a number of coefficients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import check_fraction
from mammorisk.metrics.sample_size import normal_risks

if TYPE_CHECKING:
    import pandas as pd

#: Criteria of the table, in its order.
CRITERIA = ("shrinkage", "optimism", "mean risk")


def development_sample_size(
    terms: int,
    *,
    mean_risk: float,
    auc: float | None = None,
    cox_snell_r2: float | None = None,
    shrinkage: float = 0.9,
    optimism: float = 0.05,
    mean_risk_margin: float = 0.05,
) -> pd.DataFrame:
    """Women needed to fit a regression with a number of coefficients.

    Parameters
    ----------
    terms : int
        Coefficients besides the intercept that are estimated, from 1: a categorical answer with
        four categories counts as three.
    mean_risk : float
        Anticipated share with cancer by the horizon, between 0 and 1.
    auc : float, optional
        AUC that the model is expected to reach, between 0.5 and 1; its variation explained follows
        from a normal distribution of the logit of risk. Give this or ``cox_snell_r2``.
    cox_snell_r2 : float, optional
        Anticipated R² of Cox and Snell.
    shrinkage : float
        Smallest expected calibration slope of the fitted model in other women, between 0 and 1.
    optimism : float
        Largest expected difference of the apparent and the true R² of Nagelkerke.
    mean_risk_margin : float
        Half-width of the 95% interval of the mean risk.

    Returns
    -------
    DataFrame
        One row a criterion: ``criterion`` (``"shrinkage"``, ``"optimism"``, ``"mean risk"``), ``n``
        (women), ``cancers`` (expected among them), ``cancers_per_term``. The fit needs the largest
        ``n``.

    Raises
    ------
    EvaluationError
        Values out of range, or neither or both of ``auc`` and ``cox_snell_r2``.

    See Also
    --------
    validation_sample_size : Women needed to validate a model.
    mammorisk.check_cohort : What a cohort can teach.

    Notes
    -----
    The formulas are for a regression by maximum likelihood on the outcome by the horizon, known for
    all. A network has no such number of coefficients.

    References
    ----------
    Riley 2019, doi 10.1002/sim.7992 (criteria); Riley 2021, doi 10.1002/sim.8806 (R² from the AUC).

    Examples
    --------
    The published example of the formulas, with an R² of 0.288:

    >>> from mammorisk.metrics import development_sample_size
    >>> development_sample_size(24, mean_risk=0.174, cox_snell_r2=0.288)["n"].tolist()
    [623, 662, 221]

    Age and breast density, with an AUC of 0.62 over five years:

    >>> needed = development_sample_size(5, mean_risk=0.014, auc=0.62)
    >>> needed.loc[0, ["n", "cancers"]].tolist()
    [17492, 245]
    """
    import pandas as pd

    if terms < 1:
        raise EvaluationError(f"{terms!r} is not a number of coefficients", where="terms")
    for name, share in (
        ("mean_risk", mean_risk),
        ("shrinkage", shrinkage),
        ("optimism", optimism),
        ("mean_risk_margin", mean_risk_margin),
    ):
        check_fraction(share, name)
    if (auc is None) == (cox_snell_r2 is None):
        raise EvaluationError(
            "the variation explained is not stated once", remedy="Give auc or cox_snell_r2."
        )
    most = 1 - math.exp(2 * _log_likelihood(mean_risk))
    if auc is not None:
        if not 0.5 < auc < 1:
            raise EvaluationError(f"{auc!r} is not between 0.5 and 1", where="auc")
        risks = normal_risks(mean_risk, auc)
        gain = float(np.mean(xlogy(risks, risks) + xlogy(1 - risks, 1 - risks)))
        r2 = 1 - math.exp(-2 * (gain - _log_likelihood(mean_risk)))
    else:
        r2 = float(cox_snell_r2 or 0.0)
    if not 0 < r2 < most:
        raise EvaluationError(
            f"R² is not between 0 and {most:.3g}, its maximum at this mean risk",
            where="cox_snell_r2",
        )
    if r2 >= shrinkage:
        raise EvaluationError("R² is not below the shrinkage", where="shrinkage")
    lowest_slope = r2 / (r2 + optimism * most)
    needed = (
        _for_slope(terms, r2, shrinkage),
        _for_slope(terms, r2, lowest_slope),
        math.ceil((1.96 / mean_risk_margin) ** 2 * mean_risk * (1 - mean_risk)),
    )
    return pd.DataFrame(
        {
            "criterion": CRITERIA,
            "n": needed,
            "cancers": [round(n * mean_risk) for n in needed],
            "cancers_per_term": [n * mean_risk / terms for n in needed],
        }
    )


def _log_likelihood(risk: float) -> float:
    """Log-likelihood a woman of a model that gives everyone the same risk."""
    return risk * math.log(risk) + (1 - risk) * math.log1p(-risk)


def _for_slope(terms: int, r2: float, slope: float) -> int:
    return math.ceil(terms / ((slope - 1) * math.log1p(-r2 / slope)) - 1e-9)
