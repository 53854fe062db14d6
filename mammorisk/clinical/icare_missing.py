"""Which members of the reference sample stand in for a woman with missing covariates.

iCARE (doi:10.1371/journal.pone.0228198) compares the observed part of her linear predictor with the
same part of every reference member: members in her percentile bin are taken as alike.
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
        Members of each bin, a range of ``predictor``.
    predictor : ndarray, shape (n_reference,)
        Whole linear predictors, members in order of their observed part.
    """

    cuts: Floats
    starts: Ints
    stops: Ints
    predictor: Floats

    def members(self, observed: Floats) -> tuple[Ints, Ints]:
        """Range of members alike to women with these observed predictors.

        The published program fails below the lowest cut point; here the first bin is taken, the
        nearest.
        """
        bins = np.searchsorted(self.cuts, observed, side="right") - 1
        bins = np.clip(bins, 0, len(self.cuts) - 1)
        return self.starts[bins], self.stops[bins]


def reference_bins(terms: Floats, seen: NDArray[np.bool_]) -> ReferenceBins:
    """Bin the reference sample by the terms that are observed.

    Parameters
    ----------
    terms : ndarray, shape (n_reference, n_terms)
        Terms of the linear predictor, complete.
    seen : ndarray of bool, shape (n_terms,)
        Which are observed; if none, everybody is in one bin.

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
    # An empty bin, on which the published program may loop for ever, takes its nearest neighbour.
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
