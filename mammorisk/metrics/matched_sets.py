"""Odds ratio and concordance within matched sets."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mammorisk.metrics.estimate import (
    Estimate,
    normal_quantile,
    two_sided_p,
    unavailable,
)


def matched_odds_ratio(
    case: ArrayLike, score: ArrayLike, matched_set: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Odds ratio per unit of a score in matched sets, by conditional logistic regression.

    Parameters
    ----------
    case : array_like of 0/1, shape (n,)
        1 for women with cancer.
    score : array_like, shape (n,)
        Higher for more risk.
    matched_set : array_like, shape (n,)
        Label of the set of each woman.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        NaN with a reason for fewer than two cancers. The interval is normal on the log scale.

    See Also
    --------
    matched_concordance : Probability that a case scores above a control of her own matched set.
    odds_ratio_per_sd

    References
    ----------
    Breslow and Day 1980, IARC Scientific Publications 32.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import matched_odds_ratio
    >>> case = np.tile([1, 0, 0], 30)
    >>> score = np.random.default_rng(0).normal(size=90) + 0.8 * case
    >>> sets = np.repeat(np.arange(30), 3)
    >>> print(matched_odds_ratio(case, score, sets))
    OR in matched sets: 1.926 (1.114 to 3.33)
    """
    from statsmodels.discrete.conditional_models import ConditionalLogit

    y, x = np.asarray(case, dtype=float), np.asarray(score, dtype=float)
    name, events = "OR in matched sets", int(y.sum())
    if events < 2:
        told = "no cancers" if events == 0 else "one cancer"
        return unavailable(name, told, n=len(y), events=events)
    fitted = ConditionalLogit(y, x[:, None], groups=np.asarray(matched_set)).fit(
        disp=False, method="newton", tol=1e-12
    )
    value, se = float(fitted.params[0]), float(fitted.bse[0])
    z = normal_quantile(level)
    return Estimate(
        name="OR in matched sets",
        value=math.exp(value),
        se=math.exp(value) * se,
        lower=math.exp(value - z * se),
        upper=math.exp(value + z * se),
        n=len(y),
        events=int(y.sum()),
        p=two_sided_p(value / se),
        null=1.0,
    )


def matched_concordance(
    case: ArrayLike, score: ArrayLike, matched_set: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Probability that a case scores above a control of her own matched set.

    Parameters
    ----------
    case : array_like of 0/1, shape (n,)
        1 for women with cancer.
    score : array_like, shape (n,)
        Higher for more risk.
    matched_set : array_like, shape (n,)
        Label of the set of each woman.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Estimate
        Ties count one half; the standard error treats sets as independent.

    See Also
    --------
    matched_odds_ratio
    concordance_index

    References
    ----------
    Brentnall 2015, doi 10.1186/s12874-015-0045-7.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.metrics import matched_concordance
    >>> case = np.tile([1, 0, 0], 30)
    >>> score = np.random.default_rng(0).normal(size=90) + 0.8 * case
    >>> sets = np.repeat(np.arange(30), 3)
    >>> print(matched_concordance(case, score, sets))
    matched C: 0.6333 (0.4852 to 0.7814)
    """
    y = np.asarray(case, dtype=bool)
    x, sets = np.asarray(score, dtype=float), np.asarray(matched_set)
    _, place = np.unique(sets, return_inverse=True)
    right, pairs = [], []
    order = np.argsort(place, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(place[order])) + 1):
        apart = x[rows[y[rows]]][:, None] - x[rows[~y[rows]]][None, :]
        right.append(((apart > 0) + 0.5 * (apart == 0)).sum())
        pairs.append(apart.size)
    good, total = np.array(right, dtype=float), np.array(pairs, dtype=float)
    if not total.sum() > 0:
        return unavailable("matched C", "no set has a case and a control", n=len(y))
    value = float(good.sum() / total.sum())
    m = int((total > 0).sum())
    terms = (good - value * total) / total.sum()
    se = math.sqrt(float((terms**2).sum()) * m / (m - 1)) if m > 1 else math.nan
    z = normal_quantile(level)
    return Estimate(
        name="matched C",
        value=value,
        se=se,
        lower=max(value - z * se, 0.0),
        upper=min(value + z * se, 1.0),
        n=len(y),
        events=int(y.sum()),
        p=two_sided_p((value - 0.5) / se) if se > 0 else math.nan,
        null=0.5,
    )
