"""Observed risk by groups of predicted risk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mammorisk._utils.typing import Floats
from mammorisk.metrics.calibration_groups import risk_groups
from mammorisk.metrics.estimate import (
    check_horizon,
    check_risk,
    normal_quantile,
)
from mammorisk.metrics.incidence import risk_by_group
from mammorisk.metrics.proportions import poisson_ratio
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd


def incidence_by_group(
    outcome: Outcome, risk: Floats, horizon: float, *, groups: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Observed risk, share of all cancers, and ratio to the mean, by group of predicted risk.

    Parameters
    ----------
    outcome : Outcome
    risk : array_like, shape (n,)
        Any score, higher for more risk.
    horizon : float
        Years.
    groups : int
        Number of groups.
    level : float
        Confidence level of the interval.

    Returns
    -------
    DataFrame
        Columns ``group``, ``n``, ``cancers``, ``share_of_cancers``, ``observed``,
        ``incidence_ratio`` with ``ratio_lower`` and ``ratio_upper``: exact Poisson limits of the
        ratio of the group's cancers to those of the same number of average women; with weights,
        log-normal limits.

    See Also
    --------
    calibration_by_group : Mean predicted and observed risk by groups of predicted risk.
    share_of_cancers

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, incidence_by_group
    >>> outcome, risk, other = example_risks()
    >>> table = incidence_by_group(outcome, risk, 5, groups=4)
    >>> print(table[["group", "cancers", "observed", "incidence_ratio"]].round(3).to_string())
       group  cancers  observed  incidence_ratio
    0      1        9     0.040            0.405
    1      2       15     0.063            0.636
    2      3       28     0.120            1.215
    3      4       41     0.172            1.745
    """
    import pandas as pd

    values, year = check_risk(outcome, risk), check_horizon(horizon, outcome)
    code = risk_groups(values, outcome.weight, groups)
    found = risk_by_group(outcome, code, groups, year)
    case = outcome.is_case(year)
    total_cases = float(outcome.weight[case].sum())
    mean = float(
        sum(e.value * outcome.weight[code == k].sum() for k, e in enumerate(found) if e.n)
        / outcome.weight.sum()
    )
    rows = []
    for k, estimate in enumerate(found):
        inside = (code == k) & (outcome.weight > 0)
        if not inside.any():
            continue
        cancers = int(case[inside].sum())
        ratio = estimate.value / mean if mean > 0 else math.nan
        if outcome.is_weighted or outcome.is_clustered:
            half = normal_quantile(level) * estimate.se / estimate.value if estimate.value else 0
            low, high = ratio * math.exp(-half), ratio * math.exp(half)
        else:
            exact = poisson_ratio(cancers, max(cancers, 1), level=level)
            low, high = ratio * exact.lower, ratio * exact.upper
            if cancers == 0:
                at_mean = mean * inside.sum()
                low, high = 0.0, exact.upper / at_mean if at_mean > 0 else math.nan
        rows.append(
            {
                "group": k + 1,
                "n": int(inside.sum()),
                "cancers": cancers,
                "share_of_cancers": float(outcome.weight[inside & case].sum()) / total_cases
                if total_cases
                else math.nan,
                "observed": estimate.value,
                "incidence_ratio": ratio,
                "ratio_lower": low,
                "ratio_upper": high,
            }
        )
    return pd.DataFrame(rows)
