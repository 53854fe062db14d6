"""Log-rank test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mammorisk._utils.typing import Floats
from mammorisk.metrics.estimate import Estimate, cluster_sums, unavailable
from mammorisk.metrics.group_codes import group_codes
from mammorisk.metrics.life_table import LifeTable, life_table, row_sums_to
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome


def log_rank_test(outcome: Outcome, group: ArrayLike) -> Estimate:
    """Log-rank test that groups have the same cause-specific hazard of cancer.

    Parameters
    ----------
    outcome : Outcome
        Late entry, weights and several exams of one woman are taken into account; competing events
        are censorings.
    group : array_like, shape (n,)
        Labels.

    Returns
    -------
    Estimate
        Chi-squared, its p value on the number of groups minus one degrees of freedom. NaN with a
        reason for fewer than two cancers or groups.

    Raises
    ------
    EvaluationError
        The number of labels is not the number of rows, or labels are missing.

    See Also
    --------
    gray_test : Gray's test that groups have the same cumulative incidence of cancer.
    hazard_ratio_per_sd

    Notes
    -----
    The variance is hypergeometric, as in R's ``survdiff``; for weighted or clustered rows it is the
    robust one of the score of a Cox model (Lin and Wei 1989).

    References
    ----------
    Mantel 1966, Cancer Chemotherapy Reports 50:163; Lin and Wei 1989, doi
    10.1080/01621459.1989.10478874.

    Examples
    --------
    >>> from mammorisk.metrics import example_risks, log_rank_test
    >>> outcome, risk, other = example_risks()
    >>> made = log_rank_test(outcome, risk > 0.1)
    >>> print(round(made.value, 1), made.p < 0.001)
    42.2 True
    """
    code, n_groups = group_codes(group, outcome, where="group")
    used = outcome.weight > 0
    is_case = (outcome.event == CANCER) & used
    n, events = int(used.sum()), int(is_case.sum())
    name = "log-rank chi2"
    present = [k for k in range(n_groups) if used[code == k].any()]
    if len(present) < 2:
        return unavailable(name, "there are fewer than two groups", n=n, events=events)
    if events < 2:
        told = "no cancers" if events == 0 else "one cancer"
        return unavailable(name, told, n=n, events=events)
    life = life_table(outcome)
    shares = np.column_stack([_share_at_risk(outcome, life, code == k) for k in present[1:]])
    inside = np.column_stack([(code == k).astype(float) for k in present[1:]])
    score, variance = _score(outcome, life, is_case, inside, shares)
    rank = int(np.linalg.matrix_rank(variance))
    if rank < len(present) - 1:
        return unavailable(name, "no cancers while both groups are at risk", n=n, events=events)
    chi2 = float(score @ np.linalg.solve(variance, score))
    p = float(stats.chi2.sf(chi2, len(present) - 1))
    return Estimate(name=name, value=chi2, n=n, events=events, p=p)


def _share_at_risk(outcome: Outcome, life: LifeTable, inside: NDArray[np.bool_]) -> Floats:
    """Share of the weight at risk that is inside a group, at each distinct time."""
    # Differences at the first and the last time of each row, summed, count who is at risk.
    weight = np.where(inside, outcome.weight, 0.0)
    k = len(life.times)
    change = np.zeros(k + 1)
    start = np.where(outcome.entry > 0, np.searchsorted(life.times, outcome.entry, side="right"), 0)
    np.add.at(change, start, weight)
    np.add.at(change, life.position + 1, -weight)
    at_risk = np.cumsum(change)[:k]
    return np.divide(at_risk, life.at_risk, out=np.zeros(k), where=life.at_risk > 0)


def _score(
    outcome: Outcome,
    life: LifeTable,
    is_case: NDArray[np.bool_],
    inside: Floats,
    shares: Floats,
) -> tuple[Floats, Floats]:
    """Observed minus expected cancers of each group except the first, and their covariance."""
    observed = (outcome.weight * is_case) @ inside
    score = observed - life.cancers @ shares
    if not (outcome.is_weighted or outcome.is_clustered):
        n, d = life.at_risk, life.cancers
        factor = np.divide(d * (n - d), n - 1, out=np.zeros(len(n)), where=n > 1)
        own = np.diag(factor @ shares)
        return score, own - shares.T @ (factor[:, None] * shares)
    hazard = np.divide(life.cancers, life.at_risk, out=np.zeros(len(life.times)),
                       where=life.at_risk > 0)  # fmt: skip
    end = life.position + 1
    total = row_sums_to(outcome, life, np.cumsum(hazard), end)
    columns = []
    for k in range(inside.shape[1]):
        mean = row_sums_to(outcome, life, np.cumsum(hazard * shares[:, k]), end)
        own_part = is_case * (inside[:, k] - shares[life.position, k])
        columns.append(outcome.weight * (own_part - (inside[:, k] * total - mean)))
    sums = cluster_sums(np.column_stack(columns), outcome)
    return score, sums.T @ sums
