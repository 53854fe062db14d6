"""Resampling of women: bootstrap samples, and multipliers of influence values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate, check_horizon, cluster_sums
from mammorisk.records.outcome import Outcome


def resampling_weights(
    outcome: Outcome, horizon: float, resamples: int, seed: int, *, stratified: bool = True
) -> Iterator[Floats]:
    """How often each row is drawn, for bootstrap samples of women.

    With ``stratified``, cases and other women are drawn separately; a woman is a case if any of her
    rows is. This keeps the number of cases, so that samples of small cohorts have cases. Statistics
    that depend on the number of cases (observed risk, net benefit) need unstratified samples.
    """
    rng = np.random.default_rng(seed)
    _, women = np.unique(outcome.cluster, return_inverse=True)
    count = int(women.max()) + 1
    is_case = np.bincount(women, outcome.is_case(horizon), minlength=count) > 0
    strata = [np.arange(count)]
    if stratified:
        strata = [np.flatnonzero(is_case), np.flatnonzero(~is_case)]
    for _ in range(resamples):
        times = np.zeros(count)
        for stratum in strata:
            if len(stratum):
                times[stratum] = np.bincount(
                    rng.integers(0, len(stratum), len(stratum)), minlength=len(stratum)
                )
        yield times[women]


def bootstrap(
    outcome: Outcome,
    statistic: Callable[[Outcome], float],
    *,
    horizon: float | None = None,
    resamples: int = 500,
    seed: int = 1,
    stratified: bool = True,
    level: float = 0.95,
    name: str = "statistic",
) -> Estimate:
    """Bootstrap standard error and percentile interval of any statistic of an outcome.

    Parameters
    ----------
    outcome : Outcome
    statistic : callable
        Function of the outcome with new weights. Rows keep their order, so that scores need no
        resampling.
    horizon : float
        Horizon at which women are divided into cases and others.
    resamples, seed : int
    stratified : bool
        See :func:`resampling_weights`.
    level : float
    name : str

    Returns
    -------
    Estimate
        Samples in which the statistic is NaN are left out; ``reason`` gives their number.

    Raises
    ------
    EvaluationError
        There are fewer than two samples, or no horizon for an outcome with times.

    See Also
    --------
    multiplier_intervals

    Examples
    --------
    >>> from mammorisk.metrics import bootstrap, brier_score, example_risks
    >>> outcome, risk, other = example_risks()
    >>> print(
    ...     bootstrap(outcome, lambda o: brier_score(o, risk, 5).value, horizon=5, resamples=100)
    ... )
    statistic: 0.08597 (0.08197 to 0.08999)
    """
    if resamples < 2:
        raise EvaluationError("a bootstrap needs at least two samples", where="resamples")
    year = check_horizon(horizon, outcome)
    value = statistic(outcome)
    found = np.array(
        [
            statistic(outcome.with_weight(outcome.weight * times))
            for times in resampling_weights(outcome, year, resamples, seed, stratified=stratified)
        ]
    )
    there = found[np.isfinite(found)]
    tail = (1 - level) / 2
    low, high = np.quantile(there, [tail, 1 - tail]) if len(there) else (np.nan, np.nan)
    missing = resamples - len(there)
    return Estimate(
        name=name,
        value=value,
        se=float(there.std(ddof=1)) if len(there) > 1 else float("nan"),
        lower=float(low),
        upper=float(high),
        n=int((outcome.weight > 0).sum()),
        events=int(outcome.is_case(year).sum()),
        reason=f"undefined in {missing} of {resamples} samples" if missing else None,
    )


def multiplier_intervals(
    estimates: Sequence[Estimate],
    outcome: Outcome,
    *,
    resamples: int = 1000,
    seed: int = 1,
    level: float = 0.95,
    simultaneous: bool = False,
) -> list[tuple[float, float]]:
    """Intervals by the multiplier bootstrap: influence values are multiplied by random signs.

    Parameters
    ----------
    estimates : sequence of Estimate
        With influence values over the rows of ``outcome``.
    outcome : Outcome
    resamples, seed : int
    level : float
    simultaneous : bool
        Use one critical value for all intervals, so that they hold simultaneously (a confidence
        band).

    Returns
    -------
    list of (float, float)

    Raises
    ------
    EvaluationError
        An estimate has no influence values.

    See Also
    --------
    bootstrap : Bootstrap standard error and percentile interval of any statistic of an outcome.

    References
    ----------
    Mammen 1993, doi 10.1214/aos/1176349025 (weights); Lin 1993, doi 10.1093/biomet/80.3.557.

    Examples
    --------
    >>> from mammorisk.metrics import brier_score, example_risks, multiplier_intervals
    >>> outcome, risk, other = example_risks()
    >>> found = [brier_score(outcome, values, 5) for values in (risk, other)]
    >>> for low, high in multiplier_intervals(found, outcome, resamples=200):
    ...     print(round(low, 3), round(high, 3))
    0.072 0.1
    0.074 0.1
    """
    columns = [estimate.influence for estimate in estimates if estimate.influence is not None]
    if len(columns) < len(estimates) or not columns:
        raise EvaluationError("an estimate has no influence values", where="estimates")
    values = np.column_stack(columns)
    sums = cluster_sums(values, outcome)
    sums = sums[np.abs(sums).sum(axis=1) > 0]
    rng = np.random.default_rng(seed)
    deviations = np.empty((resamples, sums.shape[1]))
    # Rademacher signs, in blocks of about a million.
    step = max(1, 2**22 // max(len(sums), 1))
    single = sums.astype(np.float32)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        bits = np.frombuffer(rng.bytes(-(-count * len(sums) // 8)), dtype=np.uint8)
        signs = np.unpackbits(bits)[: count * len(sums)].reshape(count, len(sums))
        deviations[start : start + count] = 2 * (signs.astype(np.float32) @ single) - single.sum(0)
    spread = deviations.std(axis=0)
    centre = np.array([estimate.value for estimate in estimates])
    if simultaneous:
        with np.errstate(divide="ignore", invalid="ignore"):
            largest = np.nanmax(np.abs(deviations / spread), axis=1)
        half = np.quantile(largest, level) * spread
        return [(float(c - h), float(c + h)) for c, h in zip(centre, half, strict=True)]
    tail = (1 - level) / 2
    low, high = np.quantile(deviations, [tail, 1 - tail], axis=0)
    return [(float(c + a), float(c + b)) for c, a, b in zip(centre, low, high, strict=True)]
