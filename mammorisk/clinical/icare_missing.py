"""Members of the reference sample that replace the missing covariates of a woman.

iCARE (doi:10.1371/journal.pone.0228198) compares the observed part of her linear predictor with the
same part for every reference member, and uses the members in the same percentile bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_QUANTILES = np.arange(101) / 100


@dataclass(frozen=True, kw_only=True)
class ReferenceBins:
    """The reference sample in bins of the observed part of the linear predictor.

    Attributes
    ----------
    cuts : ndarray, shape (n_bins,)
        Lowest observed predictor of each bin, ascending.
    starts, stops : ndarray of int, shape (n_bins,)
        Members of each bin, as a range of ``predictor``.
    predictor : ndarray, shape (n_reference,)
        Complete linear predictors, with members sorted by their observed part.
    """

    cuts: Floats
    starts: Ints
    stops: Ints
    predictor: Floats

    def members(self, observed: Floats) -> tuple[Ints, Ints]:
        """Range of members in the same bin as women with these observed predictors.

        The published program fails below the lowest cut point. Here the first bin is used.
        """
        bins = np.searchsorted(self.cuts, observed, side="right") - 1
        bins = np.clip(bins, 0, len(self.cuts) - 1)
        return self.starts[bins], self.stops[bins]


def reference_bins(terms: Floats, seen: NDArray[np.bool_]) -> ReferenceBins:
    """Bin the reference sample by the terms that are observed.

    Parameters
    ----------
    terms : ndarray, shape (n_reference, n_terms)
        Terms of the linear predictor, without missing values.
    seen : ndarray of bool, shape (n_terms,)
        Which terms are observed. If none is, all members are in one bin.

    Returns
    -------
    ReferenceBins
    """
    observed = terms[:, seen].sum(axis=1)
    order = np.argsort(observed, kind="stable")
    ranked = observed[order]
    cuts = np.unique(_cut_points(ranked)) if seen.any() else np.zeros(1)
    stops = np.searchsorted(ranked, np.append(cuts[1:], np.inf), side="left")
    starts = np.concatenate([[0], stops[:-1]])
    # An empty bin uses its nearest neighbour. The published program may not stop on one.
    filled = np.flatnonzero(stops > starts)
    nearest = filled[np.abs(cuts[:, None] - cuts[filled]).argmin(axis=1)]
    nearest[filled] = filled
    return ReferenceBins(
        cuts=cuts,
        starts=starts[nearest],
        stops=stops[nearest],
        predictor=terms.sum(axis=1)[order],
    )


def _cut_points(values: Floats) -> Floats:
    """Percentiles, rounded down to a number of decimals that depends on their spread."""
    cuts = np.quantile(values, _QUANTILES)
    spread = max(float(np.std(cuts)), 1e-12)
    decimals = int(np.sum(1 / (0.001 * spread) >= 10.0 ** np.arange(1, 17)))
    return np.asarray(np.floor(cuts * 10.0**decimals) / 10.0**decimals)
