"""Predicted and observed risk by groups of predicted risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.metrics.estimate import check_horizon, check_risk
from mammorisk.metrics.incidence import Competing, risk_by_group
from mammorisk.metrics.proportions import proportion
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd


def risk_groups(risk: Floats, weight: Floats, groups: int = 10) -> NDArray[np.int64]:
    """Assign rows to groups of equal size by quantiles of risk, with codes from 0.

    Tied risks stay in one group, so groups may be uneven or empty. Intervals are closed on the
    right. Quantiles are R's type 7 for equal weights, otherwise those of the weighted distribution.
    """
    used = weight > 0
    shares = np.arange(1, groups) / groups
    if np.ptp(weight[used]) == 0:
        cuts = np.quantile(risk[used], shares)
    else:
        order = np.argsort(risk[used], kind="stable")
        reached = np.cumsum(weight[used][order]) / weight[used].sum()
        cuts = risk[used][order][np.searchsorted(reached, shares - 1e-12)]
    return np.searchsorted(cuts, risk, side="left").astype(np.int64)


def calibration_by_group(
    outcome: Outcome,
    risk: Floats,
    horizon: float | None = None,
    *,
    groups: int = 10,
    competing: Competing = "event",
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean predicted and observed risk by groups of predicted risk.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Predicted risk by the horizon, in [0, 1].
    horizon : float, optional
        Years; needed unless the outcome is from :meth:`Outcome.binary`.
    groups : int
        Number of groups, of equal size by quantiles of risk.
    competing : {"event", "censor"}
        See :func:`incidence_curve`.
    level : float
        Confidence level of the interval.

    Returns
    -------
    DataFrame
        Columns ``group`` (1 is lowest), ``n``, ``cancers``, ``weight``, ``expected``,
        ``observed``, ``se``, ``lower``, ``upper``, ``reason``. Observed risk by Kaplan-Meier or
        Aalen-Johansen with log-log limits; Wilson limits where nothing is censored.

    See Also
    --------
    calibration_curve : Smooth observed risk over predicted risk.
    greenwood_nam_dagostino_test : Test of calibration by groups under censoring.
    incidence_by_group

    Examples
    --------
    >>> from mammorisk.metrics import calibration_by_group, example_risks
    >>> outcome, risk, other = example_risks()
    >>> table = calibration_by_group(outcome, risk, 5, groups=4)
    >>> print(table[["n", "cancers", "expected", "observed"]].round(3).to_string())
         n  cancers  expected  observed
    0  250        9     0.041     0.040
    1  250       15     0.072     0.063
    2  250       28     0.109     0.120
    3  250       41     0.206     0.172
    """
    import pandas as pd

    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon, outcome)
    code = risk_groups(values, outcome.weight, groups)
    complete = outcome.is_complete(year) and not (outcome.is_weighted or outcome.is_clustered)
    found = risk_by_group(outcome, code, groups, year, competing=competing, level=level)
    rows = []
    for k, estimate in enumerate(found):
        inside = (code == k) & (outcome.weight > 0)
        if not inside.any():
            continue
        cancers = int(outcome.is_case(year)[inside].sum())
        if complete:
            estimate = proportion(estimate.name, cancers, int(inside.sum()), level=level)
        rows.append(
            {
                "group": k + 1,
                "n": int(inside.sum()),
                "cancers": cancers,
                "weight": float(outcome.weight[inside].sum()),
                "expected": float(np.average(values[inside], weights=outcome.weight[inside])),
                "observed": estimate.value,
                "se": estimate.se,
                "lower": estimate.lower,
                "upper": estimate.upper,
                "reason": estimate.reason,
            }
        )
    return pd.DataFrame(rows)
