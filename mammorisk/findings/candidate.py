"""Candidate: a possible lesion in one view, as a detector gives it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: Types of lesions.
TYPES = ("mass", "calcification", "asymmetry", "distortion")
#: Types that are searched at 0.4 mm, in the order of the maps of a network.
LESION_TYPES = ("mass", "asymmetry", "distortion")


def _no_specks() -> NDArray[np.float64]:
    return np.zeros((0, 2))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A possible lesion in one view.

    Coordinates are pixels of the upright view, which is
    :attr:`~mammorisk.imaging.segmented_view.SegmentedView.image`. The centre of the first pixel is
    at (0, 0).

    Attributes
    ----------
    view : str
        Name of the view, such as ``"L-CC"``.
    type : str
        One of :data:`TYPES`.
    score : float
        Score of the detector, 0-1. A score is not a probability of cancer.
    box_px : tuple of float
        First row, one past the last row, first column, one past the last column.
    specks_px : ndarray of float, shape (n, 2)
        Rows and columns of the specks of a cluster of calcifications; empty for other types.
    p_malignant : float
        Probability of malignancy; NaN if the model did not learn it.
    features : tuple of float
        What the score is computed from (:mod:`~mammorisk.findings.candidate_scores`); empty if the
        network itself gives the score.
    """

    view: str
    type: str
    score: float
    box_px: tuple[float, float, float, float]
    specks_px: NDArray[np.float64] = field(default_factory=_no_specks, repr=False, compare=False)
    p_malignant: float = float("nan")
    features: tuple[float, ...] = field(default=(), repr=False, compare=False)

    @property
    def centre_px(self) -> tuple[float, float]:
        """Row and column of the centre of the box."""
        top, bottom, left, right = self.box_px
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    @property
    def size_px(self) -> float:
        """Longer side of the box."""
        top, bottom, left, right = self.box_px
        return max(bottom - top, right - left)
