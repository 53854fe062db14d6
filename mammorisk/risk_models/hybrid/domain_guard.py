"""DomainGuard: check whether an exam resembles the training exams of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM
from mammorisk.warnings import ResultWarning, make_warning

#: Share of held-out exams of the training domain that a guard may flag.
FALSE_FLAG_SHARE = 0.01

#: Number of sets of standard views, with the empty one.
SETS = 2**TOKENS_PER_EXAM

#: Fewest held-out exams from which the limit of a set is taken.
LEAST_EXAMS = 20


@dataclass(frozen=True, kw_only=True)
class GuardReading:
    """Distances of n exams to the training distribution of a guard.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        NaN without views.
    limit : ndarray, shape (n,)
        Largest distance inside the domain for the views of each exam; NaN without views.
    """

    distance: Floats
    limit: Floats

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each exam is inside the domain; False for an exam without views."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.distance <= self.limit)

    def objections(self, model: str) -> list[ResultWarning | None]:
        """Return the reason for not using the images of each exam; None inside the domain.

        Parameters
        ----------
        model : str
            Name of the model, for the text.
        """
        unlike = make_warning(
            "outside-domain",
            f"the images were not used by {model}: they look unlike those of the training",
        )
        return [None if one else unlike for one in self.inside]


@dataclass(frozen=True, kw_only=True)
class DomainGuard:
    """Distance to the training distribution, and the limit beyond which an exam is outside.

    The distance is the Mahalanobis distance of encoder features and grey statistics, with a shrunk
    covariance (Ledoit 2004, doi:10.1016/S0047-259X(03)00096-4; for this use Lee 2018,
    arXiv:1807.03888).

    An exam may lack views. Features are centred at the mean of their view and averaged over the
    available views. Each set of views has a limit of its own.

    Attributes
    ----------
    mean : ndarray, shape (4, d)
        Mean features by standard view.
    precision : ndarray, shape (d, d)
    limits : ndarray, shape (16,)
        Largest distance inside the domain, by set of views: bit k of the index stands for standard
        view k. Without a view no distance is inside.
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

        there = np.isfinite(training)
        with np.errstate(invalid="ignore"):
            # NaN for a view that no exam has.
            mean = np.where(there, training, 0.0).sum(axis=0) / there.sum(axis=0)
            exams = _average(training - mean)
        exams = exams[np.isfinite(exams).all(axis=1)]
        spread = np.maximum(exams.std(axis=0), 1e-6)
        covariance = LedoitWolf(assume_centered=True).fit(exams / spread)
        precision = covariance.precision_ / np.outer(spread, spread)
        guard = cls(mean=mean, precision=precision, limits=np.full(SETS, np.inf))
        return cls(mean=mean, precision=precision, limits=guard.limits_from(held_out))

    def limits_from(self, held_out: Floats) -> Floats:
        """Distance that ``FALSE_FLAG_SHARE`` of held-out exams exceed, by set of views.

        The other views are removed from the exams that have the set. A set that hardly any exam has
        takes the largest limit of the sets with at most as many views.

        Parameters
        ----------
        held_out : ndarray, shape (n, 4, d)
        """
        there: NDArray[np.bool_] = np.asarray(np.isfinite(held_out).all(axis=2))
        limits = np.full(SETS, np.nan)
        for views in range(1, SETS):
            kept = _views(views)
            exams = held_out[there[:, kept].all(axis=1)]
            if len(exams) >= LEAST_EXAMS:
                distance = self.distance(np.where(kept[:, None], exams, np.nan))
                limits[views] = np.quantile(distance, 1 - FALSE_FLAG_SHARE)
        counts = np.array([views.bit_count() for views in range(SETS)])
        for unknown in np.flatnonzero(np.isnan(limits)):
            fewer = limits[(counts <= counts[unknown]) & np.isfinite(limits)]
            limits[unknown] = fewer.max() if unknown and fewer.size else -np.inf
        return limits

    def arrays(self) -> dict[str, Floats]:
        """Arrays to save, by attribute."""
        return {"mean": self.mean, "precision": self.precision, "limits": self.limits}

    def distance(self, features: Floats) -> Floats:
        """Distance of each exam, shape (n,); NaN without views."""
        apart = _average(features - self.mean)
        squared: Floats = np.einsum("ij,jk,ik->i", apart, self.precision, apart)
        return np.sqrt(np.maximum(squared, 0.0))

    def read(self, features: Floats) -> GuardReading:
        """Return the distance of each exam, and the limit for its views.

        Parameters
        ----------
        features : ndarray, shape (n, 4, d)
            Of :func:`~mammorisk.risk_models.hybrid.guard_features.guard_features`.
        """
        views = np.isfinite(features).all(axis=2) @ (1 << np.arange(TOKENS_PER_EXAM))
        limit = np.where(views > 0, self.limits[views], np.nan)
        return GuardReading(distance=self.distance(features), limit=limit)

    def inside(self, features: Floats) -> NDArray[np.bool_]:
        """Whether each exam is inside the domain; False for an exam without views."""
        return self.read(features).inside


def _views(views: int) -> NDArray[np.bool_]:
    """Which standard views a set contains."""
    return np.array([views >> view & 1 for view in range(TOKENS_PER_EXAM)], dtype=bool)


def _average(features: Floats) -> Floats:
    """Mean over the available views, shape (n, d); NaN without views."""
    there = np.isfinite(features)
    count = there.sum(axis=1)
    total = np.where(there, features, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
