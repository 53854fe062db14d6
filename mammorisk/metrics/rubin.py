"""Rubin's rules: pooled estimate from several imputed cohorts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import NAN, Estimate, normal_quantile

#: Scale on which estimates of imputed cohorts are averaged.
PoolingScale = Literal["identity", "log", "logit", "cloglog"]

#: Beginnings of the names of measures, by scale. Differences begin with "difference".
_BEGINNINGS: dict[PoolingScale, tuple[str, ...]] = {
    "log": (
        "E/O",
        "O/E",
        "HR ",
        "OR ",
        "subdistribution HR",
        "positive likelihood ratio",
        "negative likelihood ratio",
        "observed / expected",
    ),
    "logit": (
        "AUC",
        "C index",
        "Harrell's C",
        "Uno's C",
        "first score more concordant",
        "matched C",
        "sensitivity",
        "specificity",
        "false-negative rate",
        "false-positive rate",
        "positive predictive value",
        "negative predictive value",
        "share positive",
        "share of cancers",
    ),
    "cloglog": ("risk by", "observed risk"),
}
#: Range of the measures of each scale.
_BOUNDS: dict[PoolingScale, tuple[float, float]] = {
    "identity": (-math.inf, math.inf),
    "log": (0.0, math.inf),
    "logit": (0.0, 1.0),
    "cloglog": (0.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class PooledEstimate(Estimate):
    """An estimate pooled over imputed cohorts.

    Attributes
    ----------
    imputations : int
    scale : str
        Scale on which estimates were averaged.
    within, between : float
        Mean squared standard error, and variance of the estimates, on that scale.
    df : float
        Degrees of freedom of the interval, by Barnard and Rubin.
    missing_information : float
        Fraction of the information that is missing, in [0, 1].

    See Also
    --------
    pool_rubin : Computes it.
    """

    imputations: int
    scale: PoolingScale
    within: float = NAN
    between: float = NAN
    df: float = NAN
    missing_information: float = NAN


def pooling_scale(name: str) -> PoolingScale:
    """Scale on which a measure is pooled, from its name.

    Logit for areas under curves, C indices and proportions, log for ratios, complementary log-log
    for observed risks, and the measure itself for all others (Marshall 2009, doi
    10.1186/1471-2288-9-57).
    """
    for scale, beginnings in _BEGINNINGS.items():
        if name.startswith(beginnings):
            return scale
    return "identity"


def pool_rubin(
    estimates: Sequence[Estimate],
    *,
    scale: PoolingScale | None = None,
    complete_df: float | None = None,
    level: float = 0.95,
) -> PooledEstimate:
    """Pool the estimates of several imputed cohorts.

    Parameters
    ----------
    estimates : sequence of Estimate, length 2 or more
        Of the same measure, one from each imputed cohort.
    scale : {"identity", "log", "logit", "cloglog"}, optional
        Scale on which estimates are averaged. By default logit for areas under curves, C indices
        and proportions, log for ratios, complementary log-log for observed risks, and identity for
        others and for differences. If an estimate is at the end of its range, identity.
    complete_df : float, optional
        Degrees of freedom of complete data. By default the rows of the smallest cohort
        minus one.
    level : float
        Confidence level of the interval.

    Returns
    -------
    PooledEstimate
        Interval from Student's t on ``scale``; p against the null value of the estimates. NaN with
        a reason where an estimate is not available. Without standard errors, the mean value alone.

    Raises
    ------
    EvaluationError
        There are fewer than two estimates, measures differ, or the scale is unknown.

    See Also
    --------
    mammorisk.evaluate : Pools every table if it is given the risks of several imputed cohorts.
    difference : Difference of two estimates on the same rows, with their covariance.

    Notes
    -----
    The total variance is the mean squared standard error plus (1 + 1/m) times the variance of the m
    estimates. Imputation assumes that answers are missing at random given the variables of the
    imputation model, which must include the outcome (Moons 2006, doi
    10.1016/j.jclinepi.2006.01.009).

    References
    ----------
    Rubin 1987, doi 10.1002/9780470316696; Barnard and Rubin 1999, doi 10.1093/biomet/86.4.948;
    Marshall 2009, doi 10.1186/1471-2288-9-57 (scales).

    Examples
    --------
    >>> from mammorisk.metrics import cumulative_dynamic_auc, example_risks, pool_rubin
    >>> outcome, risk, other = example_risks()
    >>> imputed = [risk, (2 * risk + other) / 3, (risk + other) / 2]
    >>> pooled = pool_rubin([cumulative_dynamic_auc(outcome, one, 5) for one in imputed])
    >>> print(pooled, round(pooled.missing_information, 3))
    AUC at 5 y: 0.6715 (0.6085 to 0.7288) 0.005
    """
    normal_quantile(level)
    made = list(estimates)
    if len(made) < 2:
        raise EvaluationError("there are fewer than two estimates to pool", where="estimates")
    names = sorted({one.name for one in made})
    if len(names) > 1:
        raise EvaluationError(
            f"these are different measures: {', '.join(names)}",
            where="estimates",
            remedy="Pool one measure at a time.",
        )
    if scale not in (None, "identity", "log", "logit", "cloglog"):
        raise EvaluationError(f"{scale!r} is not a known scale", where="scale")
    if complete_df is not None and not complete_df > 0:
        raise EvaluationError(f"{complete_df!r} is not a number of degrees of freedom",
                              where="complete_df")  # fmt: skip
    used = pooling_scale(names[0]) if scale is None else scale
    m, n = len(made), round(float(np.mean([one.n for one in made])))
    counts = [one.events for one in made if one.events is not None]
    events = round(float(np.mean(counts))) if counts else None
    values = np.array([one.value for one in made])
    errors = np.array([one.se for one in made])

    def without(value: float, reason: str) -> PooledEstimate:
        return PooledEstimate(
            name=names[0], value=value, n=n, events=events, reason=reason, imputations=m, scale=used
        )

    if "chi2" in names[0]:
        return without(NAN, "test statistics of imputed cohorts cannot be averaged")
    reasons = [one.reason for one in made if one.reason]
    absent = np.isnan(values)
    if absent.any():
        why = reasons[0] if reasons else "no estimate"
        return without(NAN, f"{why} (in {int(absent.sum())} of {m} imputed cohorts)")
    inside = {"identity": values == values, "log": values > 0}.get(
        used, (values > 0) & (values < 1)
    )
    if not inside.all():
        used = "identity"
    if not np.isfinite(errors).all():
        why = reasons[0] if reasons else "mean over the imputed cohorts: no standard error to pool"
        mean = _back(float(_forth(values, used).mean()), used)
        return without(mean, why)
    moved = _forth(values, used)
    spread = errors * _slope(values, used)
    centre, within, between = (
        float(moved.mean()),
        float((spread**2).mean()),
        float(moved.var(ddof=1)),
    )
    total = within + (1 + 1 / m) * between
    se = math.sqrt(total)
    smallest = min(one.n for one in made) - 1
    df = _degrees(within, between, m, complete_df or max(smallest, 1))
    value = _back(centre, used)
    half = float(stats.t.ppf(0.5 + level / 2, df)) * se
    bounds = _BOUNDS[pooling_scale(names[0]) if scale is None else scale]
    null = made[0].null
    against = NAN if math.isnan(null) else float(_forth(np.array([null]), used)[0])
    return PooledEstimate(
        name=names[0],
        value=value,
        se=se / float(_slope(np.array([value]), used)[0]),
        lower=max(_back(centre - half, used), bounds[0]),
        upper=min(_back(centre + half, used), bounds[1]),
        n=n,
        events=events,
        p=float(2 * stats.t.sf(abs(centre - against) / se, df)) if se > 0 else NAN,
        null=null,
        reason=reasons[0] if reasons else None,
        imputations=m,
        scale=used,
        within=within,
        between=between,
        df=df,
        missing_information=_missing_information(within, between, m, df),
    )


def _degrees(within: float, between: float, m: int, complete: float) -> float:
    """Degrees of freedom of Barnard and Rubin 1999, equations 3 and 4."""
    total = within + (1 + 1 / m) * between
    share = (1 + 1 / m) * between / total if total > 0 else 0.0
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    if share == 0:
        return observed
    large = (m - 1) / share**2
    return large * observed / (large + observed) if observed > 0 else 0.0


def _missing_information(within: float, between: float, m: int, df: float) -> float:
    """Fraction of missing information, Rubin 1987, equation 3.1.10 with the adjusted df."""
    if not within > 0:
        return NAN
    increase = (1 + 1 / m) * between / within
    return (increase + 2 / (df + 3)) / (1 + increase)


def _forth(values: np.ndarray, scale: PoolingScale) -> np.ndarray:
    if scale == "log":
        return np.asarray(np.log(values))
    if scale == "logit":
        return np.asarray(np.log(values) - np.log1p(-values))
    if scale == "cloglog":
        return np.asarray(np.log(-np.log1p(-values)))
    return values


def _back(value: float, scale: PoolingScale) -> float:
    if scale == "log":
        return math.exp(value)
    if scale == "logit":
        return 1 / (1 + math.exp(-value))
    if scale == "cloglog":
        return -math.expm1(-math.exp(value))
    return value


def _slope(values: np.ndarray, scale: PoolingScale) -> np.ndarray:
    """Derivative of the scale with respect to the value."""
    if scale == "log":
        return np.asarray(1 / values)
    if scale == "logit":
        return np.asarray(1 / (values * (1 - values)))
    if scale == "cloglog":
        return np.asarray(-1 / ((1 - values) * np.log1p(-values)))
    return np.ones_like(values)
