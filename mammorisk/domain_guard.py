"""DomainGuard: whether an exam looks like those a model was trained on."""

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

    The distance is Mahalanobis's over features of the encoder and grey statistics, with a shrunk
    covariance (Ledoit 2004, doi:10.1016/S0047-259X(03)00096-4; for this use Lee 2018,
    arXiv:1807.03888).

    Attributes
    ----------
    mean : ndarray, shape (d,)
    precision : ndarray, shape (d, d)
    limit : float
        Largest distance inside the domain.
    """

    mean: Floats
    precision: Floats
    limit: float

    @classmethod
    def fit(cls, training: Floats, held_out: Floats) -> DomainGuard:
        """A guard from exams trained on, its limit from exams that were not.

        Parameters
        ----------
        training, held_out : ndarray, shape (n, d)
        """
        from sklearn.covariance import LedoitWolf

        spread = np.maximum(training.std(axis=0), 1e-6)
        covariance = LedoitWolf().fit(training / spread)
        precision = covariance.precision_ / np.outer(spread, spread)
        guard = cls(mean=training.mean(axis=0), precision=precision, limit=np.inf)
        limit = float(np.quantile(guard.distance(held_out), 1 - FALSE_FLAG_SHARE))
        return cls(mean=guard.mean, precision=precision, limit=limit)

    def distance(self, features: Floats) -> Floats:
        """Distance of each exam, shape (n,); NaN in gives NaN out."""
        apart = features - self.mean
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", apart, self.precision, apart), 0.0))

    def inside(self, features: Floats) -> NDArray[np.bool_]:
        """Whether each exam is inside the domain; one that cannot be judged is not."""
        with np.errstate(invalid="ignore"):
            return self.distance(features) <= self.limit
