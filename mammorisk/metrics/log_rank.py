"""Log-rank test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from mammorisk.metrics.estimate import (
    Estimate,
)
from mammorisk.records.follow_up import CANCER
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    pass


def log_rank_test(outcome: Outcome, group: ArrayLike) -> Estimate:
    """Log-rank test that groups have the same cause-specific hazard of cancer; lifelines."""
    from lifelines.statistics import multivariate_logrank_test

    found = multivariate_logrank_test(outcome.time, group, outcome.event == CANCER)
    return Estimate(
        name="log-rank chi2",
        value=float(found.test_statistic),
        n=len(outcome),
        events=int((outcome.event == CANCER).sum()),
        p=float(found.p_value),
    )
