"""Shares and means over women, with intervals for weighted data and repeated exams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its confidence interval."""

    value: float
    lower: float
    upper: float


NOTHING = Estimate(value=np.nan, lower=np.nan, upper=np.nan)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sample of an estimate.

    Attributes
    ----------
    weight : ndarray, shape (n,)
        Sampling weights; 1 if the cohort has none.
    woman : ndarray of int, shape (n,)
        Number of the woman, 0 ... n_women - 1. Rows of one woman are not independent.
    level : float
        Confidence level.
    """

    weight: NDArray[np.float64]
    woman: NDArray[np.intp]
    level: float

    def mean(self, values: NDArray[np.float64], among: NDArray[np.bool_]) -> Estimate:
        """Weighted mean over the rows in ``among``, with a normal interval.

        The standard error is the linearised one of a ratio of sums over women (Woodruff 1971,
        doi 10.2307/2284073), with the usual n/(n-1).
        """
        total = self.weight[among].sum()
        if not total > 0:
            return NOTHING
        mean = float((self.weight * values)[among].sum() / total)
        half = _quantile(self.level) * self._error(values, among, mean, total)
        return Estimate(value=mean, lower=mean - half, upper=mean + half)

    def share(self, inside: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        """Weighted share of the rows in ``among`` that are in ``inside``, with a Wilson interval.

        With weights or repeated exams it is the Wilson interval at the effective sample size
        p(1-p)/se^2 (Korn & Graubard 1998, Survey Methodology 24:193-201; for the Wilson form
        Franco et al. 2019, doi 10.1093/jssam/smy019); otherwise it is Wilson's.
        """
        from statsmodels.stats.proportion import proportion_confint

        total = self.weight[among].sum()
        if not total > 0:
            return NOTHING
        share = float(self.weight[among & inside].sum() / total)
        size = self._effective_size(inside, among, share, total)
        lower, upper = proportion_confint(share * size, size, alpha=1 - self.level, method="wilson")
        # Rounding can move the limits beyond 0 and 1 if the share is 0 or 1.
        return Estimate(
            value=share,
            lower=float(min(max(lower, 0), share)),
            upper=float(max(min(upper, 1), share)),
        )

    def _effective_size(
        self,
        inside: NDArray[np.bool_],
        among: NDArray[np.bool_],
        share: float,
        total: float,
    ) -> float:
        weight = self.weight[among]
        women = np.bincount(self.woman[among], weights=weight)
        women = women[women > 0]
        simple = (weight == weight[0]).all() and len(women) == len(weight)
        if simple or not 0 < share < 1:
            # Without variation, the design effect depends only on the weights of women (Kish).
            return float(women.sum() ** 2 / (women**2).sum())
        error = self._error(inside.astype(float), among, share, total)
        return share * (1 - share) / error**2 if error > 0 else float(len(women))

    def _error(
        self,
        values: NDArray[np.float64],
        among: NDArray[np.bool_],
        mean: float,
        total: float,
    ) -> float:
        residual = self.weight[among] * (values[among] - mean)
        sums = np.bincount(self.woman[among], weights=residual)
        n = count_women(self.woman[among])
        if n < 2:
            return float("nan")
        return float(np.sqrt((sums**2).sum() * n / (n - 1)) / total)


def count_women(woman: NDArray[np.intp]) -> int:
    """Return the number of different women."""
    return int((np.bincount(woman) > 0).sum())


def _quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + level / 2))
