"""DomainGuard: check whether an exam resembles the training exams of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Share of held-out exams of the training domain that a guard may flag.
FALSE_FLAG_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class DomainGuard:
    """Distance to the training distribution, and the limit beyond which an exam is outside.

    The distance is the Mahalanobis distance of encoder features and grey statistics, with a shrunk
    covariance (Ledoit 2004, doi:10.1016/S0047-259X(03)00096-4; for this use Lee 2018,
    arXiv:1807.03888).

    An exam may lack views. Features are centred at the mean of their view and averaged over the
    available views. The limit depends on the number of available views.

    Attributes
    ----------
    mean : ndarray, shape (4, d)
        Mean features by standard view.
    precision : ndarray, shape (d, d)
    limits : ndarray, shape (4,)
        Largest distance inside the domain for exams of one to four views.
    """

    mean: Floats
    precision: Floats
    limits: Floats

    @classmethod
    def fit(cls, training: Floats, held_out: Floats) -> DomainGuard:
        """Fit a guard to training exams, with limits from held-out exams.

        Parameters
        ----------
        training, held_out : ndarray, shape (n, 4, d)
            Features of each view; NaN where there is none.
        """
        from sklearn.covariance import LedoitWolf

        mean = np.nanmean(training, axis=0)
        with np.errstate(invalid="ignore"):
            exams = _average(training - mean)
        exams = exams[np.isfinite(exams).all(axis=1)]
        spread = np.maximum(exams.std(axis=0), 1e-6)
        covariance = LedoitWolf(assume_centered=True).fit(exams / spread)
        precision = covariance.precision_ / np.outer(spread, spread)
        guard = cls(mean=mean, precision=precision, limits=np.full(4, np.inf))
        limits = []
        rng = np.random.default_rng(0)
        for count in range(1, 5):
            # Views are removed from held-out exams, as many as an exam may lack.
            kept = np.argsort(rng.random(held_out.shape[:2]), axis=1) < count
            distance = guard.distance(np.where(kept[..., None], held_out, np.nan))
            limits.append(np.nanquantile(distance, 1 - FALSE_FLAG_SHARE))
        return cls(mean=mean, precision=precision, limits=np.array(limits))

    def arrays(self) -> dict[str, Floats]:
        """Arrays to save, by attribute."""
        return {"mean": self.mean, "precision": self.precision, "limits": self.limits}

    def distance(self, features: Floats) -> Floats:
        """Distance of each exam, shape (n,); NaN without views."""
        apart = _average(features - self.mean)
        squared: Floats = np.einsum("ij,jk,ik->i", apart, self.precision, apart)
        return np.sqrt(np.maximum(squared, 0.0))

    def inside(self, features: Floats) -> NDArray[np.bool_]:
        """Whether each exam is inside the domain; False for an exam without views."""
        views = np.isfinite(features).all(axis=2).sum(axis=1)
        limit = np.where(views > 0, self.limits[np.maximum(views, 1) - 1], -np.inf)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.distance(features) <= limit)


def _average(features: Floats) -> Floats:
    """Mean over the available views, shape (n, d); NaN without views."""
    there = np.isfinite(features)
    count = there.sum(axis=1)
    total = np.where(there, features, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
