"""Gray's test of equal cumulative incidence in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate, unavailable
from mammorisk.metrics.group_codes import group_codes
from mammorisk.records.follow_up import CANCER, CENSORED, COMPETING
from mammorisk.records.outcome import Outcome

#: Event whose cumulative incidence is compared.
Event = Literal["cancer", "competing"]


def gray_test(
    outcome: Outcome,
    group: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    event: Event = "cancer",
    rho: float = 0.0,
) -> Estimate:
    """Gray's test that groups have the same cumulative incidence of cancer.

    Parameters
    ----------
    outcome : Outcome
        Independent rows of equal weight, observed from time 0.
    group : array_like, shape (n,)
        Labels.
    strata : array_like, shape (n,), optional
        Labels; groups are compared within each stratum, and the scores are added.
    event : {"cancer", "competing"}
        Event that is tested; the other one is the competing event.
    rho : float
        Each time is weighted by one minus the pooled cumulative incidence to this power. Above 0,
        early differences count more.

    Returns
    -------
    Estimate
        Chi-squared, its p value on the number of groups minus one degrees of freedom. NaN with a
        reason for fewer than two events or groups, and for weighted or clustered rows or late
        entry.

    Raises
    ------
    EvaluationError
        The number of labels is not the number of rows, labels are missing, or the event is unknown.

    See Also
    --------
    log_rank_test : Log-rank test that groups have the same cause-specific hazard of cancer.
    subdistribution_hazard_ratio : Fine-Gray regression, also for weights, clusters and late entry.
    cumulative_incidence : Risk of breast cancer by the horizon.

    Notes
    -----
    Agrees with R's ``cmprsk::cuminc``. Without competing events it tests the same hypothesis as the
    log-rank test, with another estimate of the variance.

    The variance is derived for independent rows that all enter at time 0. It does not hold for
    sampling weights, several rows of one woman or late entry; use
    :func:`subdistribution_hazard_ratio`, whose robust standard errors do.

    References
    ----------
    Gray 1988, doi 10.1214/aos/1176350951.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, gray_test
    >>> outcome, risk, other = example_risks()
    >>> made = gray_test(outcome, risk > 0.1)
    >>> print(round(made.value, 1), made.p < 0.001)
    42.5 True
    """
    if event not in ("cancer", "competing"):
        raise EvaluationError(
            f"{event!r} is not a known event", where="event", remedy='Use "cancer" or "competing".'
        )
    tested, other = (CANCER, COMPETING) if event == "cancer" else (COMPETING, CANCER)
    code, n_groups = group_codes(group, outcome, where="group")
    stratum = np.zeros(len(outcome), dtype=np.int64)
    if strata is not None:
        stratum, _ = group_codes(strata, outcome, where="strata")
    n, events = len(outcome), int((outcome.event == tested).sum())
    name = "Gray's chi2"
    for fault, has_it in (
        ("weighted rows", outcome.is_weighted),
        ("several rows of one woman", outcome.is_clustered),
        ("late entry", outcome.has_entry),
    ):
        if has_it:
            reason = f"the test is not defined for {fault}; use subdistribution_hazard_ratio"
            return unavailable(name, reason, n=n, events=events)
    if n_groups < 2:
        return unavailable(name, "there are fewer than two groups", n=n, events=events)
    if events < 2:
        noun = "cancer" if event == "cancer" else "competing event"
        told = f"no {noun}s" if events == 0 else f"one {noun}"
        return unavailable(name, told, n=n, events=events)
    score, variance = np.zeros(n_groups), np.zeros((n_groups, n_groups))
    for part in range(int(stratum.max()) + 1):
        rows = np.flatnonzero(stratum == part)
        kind = outcome.event[rows]
        counts = _count(outcome.time[rows], kind, code[rows], n_groups, tested, other)
        if counts is not None:
            more = _score(counts, rho)
            score, variance = score + more[0], variance + more[1]
    # The scores of all groups add up to zero: one is redundant.
    kept, within = score[:-1], variance[:-1, :-1]
    if int(np.linalg.matrix_rank(within)) < n_groups - 1:
        return unavailable(name, "no events while both groups are at risk", n=n, events=events)
    chi2 = float(kept @ np.linalg.solve(within, kept))
    p = float(stats.chi2.sf(chi2, n_groups - 1))
    return Estimate(name=name, value=chi2, n=n, events=events, p=p)


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Numbers by time of an event and group, shape (k, groups)."""

    at_risk: Floats
    tested: Floats
    other: Floats


def _count(
    time: Floats,
    kind: NDArray[np.int64],
    code: NDArray[np.int64],
    n_groups: int,
    tested: int,
    other: int,
) -> _Counts | None:
    times = np.unique(time[kind != CENSORED])
    if len(times) == 0:
        return None
    at_risk = []
    found: dict[int, list[NDArray[np.int64]]] = {tested: [], other: []}
    for k in range(n_groups):
        own = np.sort(time[code == k])
        at_risk.append(len(own) - np.searchsorted(own, times, side="left"))
        for which, columns in found.items():
            there = np.searchsorted(times, time[(code == k) & (kind == which)])
            columns.append(np.bincount(there, minlength=len(times)))
    return _Counts(
        at_risk=np.column_stack(at_risk).astype(float),
        tested=np.column_stack(found[tested]).astype(float),
        other=np.column_stack(found[other]).astype(float),
    )


def _score(counts: _Counts, rho: float) -> tuple[Floats, Floats]:
    """Scores of the groups, shape (groups,), and their covariance, in one stratum."""
    n, d, e = counts.at_risk, counts.tested, counts.other
    there = n > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        # Event-free probability and cumulative incidence of each group, at and before each time.
        free = np.cumprod(np.where(there, 1 - (d + e) / n, 1.0), axis=0)
        free_before = np.vstack([np.ones(n.shape[1]), free[:-1]])
        risk = np.cumsum(np.where(there, free_before * d / n, 0.0), axis=0)
        risk_before = np.vstack([np.zeros(n.shape[1]), risk[:-1]])
        # Risk set of the subdistribution: those at risk, inflated by 1 - F over S.
        inflated = np.where(there, n * (1 - risk_before) / free_before, 0.0)
        share = inflated / inflated.sum(axis=1, keepdims=True)
        size = np.where(there, n / free_before, 0.0)
    all_d, all_size = d.sum(axis=1), size.sum(axis=1)
    pooled = np.cumsum(all_d / all_size)
    before = np.concatenate([[0.0], pooled[:-1]])
    weight = (1 - before) ** rho
    score = (weight[:, None] * (np.where(there, d, 0.0) - all_d[:, None] * share)).sum(axis=0)
    groups = n.shape[1]
    variance = np.zeros((groups, groups))
    for k in range(groups):
        # Derivative of every group's score with respect to the incidence of group k.
        kernel = -weight[:, None] * size * (size[:, k] / all_size)[:, None]
        kernel[:, k] += weight * size[:, k]
        drift = np.cumsum(kernel * (all_d / (all_size * (1 - before)))[:, None], axis=0)
        left = drift[-1] - drift
        at = there[:, k]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(free[:, k] > 0, (1 - pooled) / free[:, k], 0.0)
            ties = np.where(all_d > 1, 1 - (all_d - 1) / (all_size * free_before[:, k] - 1), 1.0)
            of_tested = np.where(at, ties * free_before[:, k] * all_d / (all_size * n[:, k]), 0.0)
            ties = np.where(e[:, k] > 1, 1 - (e[:, k] - 1) / (n[:, k] - 1), 1.0)
            of_other = np.where(at, ties * free_before[:, k] ** 2 * e[:, k] / n[:, k] ** 2, 0.0)
        pull = kernel + (1 - ratio)[:, None] * left
        variance += pull.T @ (of_tested[:, None] * pull)
        variance += left.T @ ((of_other * ratio**2)[:, None] * left)
    return score, variance
