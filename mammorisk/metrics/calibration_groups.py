"""Calibration by groups of risk, and the tests that rest on groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mammorisk.metrics.calibration import is_complete
from mammorisk.metrics.cumulative_incidence import Competing, risk_by_group
from mammorisk.metrics.estimate import Estimate, check_horizon, check_risk, unavailable
from mammorisk.metrics.proportions import proportion
from mammorisk.records.outcome import Floats, Outcome

if TYPE_CHECKING:
    import pandas as pd


def risk_groups(risk: Floats, weight: Floats, groups: int = 10) -> NDArray[np.int64]:
    """Codes from 0 of groups of equal size by quantiles of risk, right-closed.

    Ties never part, so groups may be uneven or empty; quantiles are R's type 7 for equal weights,
    else those of the weighted distribution.
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
    horizon: float = 1.0,
    *,
    groups: int = 10,
    competing: Competing = "event",
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean predicted and observed risk by groups of predicted risk.

    Returns
    -------
    DataFrame
        Columns ``group`` (1 is lowest), ``n``, ``cancers``, ``weight``, ``expected``,
        ``observed``, ``se``, ``lower``, ``upper``, ``reason``. Observed risk by Kaplan-Meier or
        Aalen-Johansen with log-log limits; Wilson limits where nothing is censored.
    """
    import pandas as pd

    values = check_risk(outcome, risk, probability=True)
    year = check_horizon(horizon)
    code = risk_groups(values, outcome.weight, groups)
    complete = is_complete(outcome, year) and not (outcome.is_weighted or outcome.is_clustered)
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


def greenwood_nam_dagostino(
    outcome: Outcome,
    risk: Floats,
    horizon: float,
    *,
    groups: int = 10,
    variance: str = "greenwood",
) -> Estimate:
    """Test of calibration by groups under censoring.

    Parameters
    ----------
    outcome, risk, horizon
        As :func:`calibration_by_group`.
    groups : int
    variance : {"greenwood", "binomial"}
        ``"greenwood"``: Demler 2015. ``"binomial"``: D'Agostino and Nam 2003, n p (1 - p).

    Returns
    -------
    Estimate
        Chi-squared, its p value on groups - 1 degrees of freedom. NaN with a reason where a group
        has fewer than two cancers, or its risk cannot be estimated.

    References
    ----------
    Demler, Paynter, Cook 2015, doi 10.1002/sim.6428.
    """
    name = "Greenwood-Nam-D'Agostino chi2" if variance == "greenwood" else "Nam-D'Agostino chi2"
    table = calibration_by_group(outcome, risk, horizon, groups=groups)
    n, events = int(table["n"].sum()), int(table["cancers"].sum())
    if len(table) < 2:
        return unavailable(name, "risks do not form two groups", n=n, events=events)
    if table["observed"].isna().any():
        return unavailable(name, "a group is not followed to the horizon", n=n, events=events)
    if variance == "greenwood" and (table["cancers"] < 2).any():
        return unavailable(
            name, "a group has fewer than two cancers; take fewer groups", n=n, events=events
        )
    apart = (table["observed"] - table["expected"]) ** 2
    if variance == "greenwood":
        spread = table["se"] ** 2
    else:
        spread = table["expected"] * (1 - table["expected"]) / table["n"]
    chi2 = float((apart / spread).sum())
    return Estimate(
        name=name, value=chi2, n=n, events=events, p=float(stats.chi2.sf(chi2, len(table) - 1))
    )


def hosmer_lemeshow(
    outcome: Outcome,
    risk: Floats,
    horizon: float = 1.0,
    *,
    groups: int = 10,
    development: bool = False,
) -> Estimate:
    """Hosmer-Lemeshow test; kept for older tables only.

    Its result depends on the groups and on the size of the sample: it neither shows that risks are
    calibrated nor how they fail (Van Calster 2019, doi 10.1186/s12916-019-1466-7).

    Parameters
    ----------
    development : bool
        Two degrees of freedom less, for the data a model was fitted on.

    References
    ----------
    Hosmer and Lemeshow 1980, doi 10.1080/03610928008827941.
    """
    year = check_horizon(horizon)
    values = check_risk(outcome, risk, probability=True)
    n = len(outcome)
    if not is_complete(outcome, year) or outcome.is_weighted:
        return unavailable("Hosmer-Lemeshow chi2", "needs unweighted outcomes known for all", n=n)
    code = risk_groups(values, outcome.weight, groups)
    size = np.bincount(code, minlength=groups).astype(float)
    observed = np.bincount(code, outcome.is_case(year), minlength=groups)
    expected = np.bincount(code, values, minlength=groups)
    there = size > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = (observed - expected) ** 2 / (expected * (1 - expected / size))
    chi2, count = float(terms[there].sum()), int(there.sum())
    freedom = count - 2 if development else count
    if not np.isfinite(chi2) or freedom < 1:
        return unavailable("Hosmer-Lemeshow chi2", "a group expects nothing", n=n)
    return Estimate(
        name="Hosmer-Lemeshow chi2",
        value=chi2,
        n=n,
        events=int(observed.sum()),
        p=float(stats.chi2.sf(chi2, freedom)),
    )
