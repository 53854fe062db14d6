"""Clusters of calcifications: three specks or more within one square centimetre.

The definition is that of BI-RADS for grouped calcifications, with a lower number of specks (five in
the fifth edition), so that clusters are searched of which a detector misses some specks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.findings.peaks import find_peaks, keep_apart

#: Smallest number of specks.
LEAST_SPECKS = 3
#: Radius of a circle of one square centimetre.
RADIUS_MM = 5.64
#: Step of the map on which the weight of specks is summed.
_STEP_MM = 0.8
#: Number of specks of a view that are considered.
_MOST_SPECKS = 3000


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster of specks.

    Attributes
    ----------
    specks : ndarray of float, shape (n, 2)
        Rows and columns on the grid of the specks, n of at least :data:`LEAST_SPECKS`.
    centre : tuple of float
        Middle of the box.
    size : tuple of float
        Height and width of the box in pixels of the grid.
    features : tuple of float
        What :func:`cluster_features` gives.
    """

    specks: NDArray[np.float64]
    centre: tuple[float, float]
    size: tuple[float, float]
    features: tuple[float, ...]


def find_clusters(
    chances: NDArray[np.float32],
    cluster_logits: NDArray[np.float32],
    *,
    step_px: int,
    spacing_mm: float,
    lowest: float,
    most: int,
) -> list[Cluster]:
    """Group specks to clusters.

    Parameters
    ----------
    chances : ndarray of float32, shape (rows, columns)
        Score of a speck at each pixel, 0-1.
    cluster_logits : ndarray of float32
        Score of the centre of a cluster on a coarser grid. It may be padded at its ends.
    step_px : int
        Step of the coarser grid in pixels of ``chances``.
    spacing_mm : float
        Pixel spacing of ``chances``.
    lowest : float
        Smallest score of a speck.
    most : int
        Largest number of clusters.

    Returns
    -------
    list of Cluster
    """
    peaks = find_peaks(chances, lowest=lowest, most=_MOST_SPECKS, radius=2)
    if len(peaks.rows) < LEAST_SPECKS:
        return []
    places = np.column_stack([peaks.rows, peaks.columns]).astype(float)
    step = _STEP_MM / spacing_mm
    total = np.zeros(tuple(int(n / step) + 1 for n in chances.shape), dtype=np.float32)
    np.add.at(total, tuple((places / step).astype(int).T), peaks.values)
    radius = round(RADIUS_MM / _STEP_MM)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    # Smoothing places the maximum in the middle of the specks, not at any circle that has all.
    summed = cv2.filter2D(total, -1, disc.astype(np.float32), borderType=cv2.BORDER_CONSTANT)
    summed = cv2.GaussianBlur(summed, (0, 0), radius / 3)
    found = find_peaks(np.asarray(summed, dtype=np.float32), lowest=lowest, most=4 * most, radius=2)
    centres = (np.column_stack([found.rows, found.columns]).astype(np.float64) + 0.5) * step
    reach = RADIUS_MM / spacing_mm
    scores = found.values.astype(np.float64)
    kept = keep_apart(centres, scores, np.full(len(centres), reach))[:most]
    clusters = []
    for centre in centres[kept]:
        inside = np.hypot(*(places - centre).T) <= reach
        if inside.sum() >= LEAST_SPECKS:
            clusters.append(
                _cluster(places[inside], peaks.values[inside], cluster_logits, step_px, spacing_mm)
            )
    return clusters


def _cluster(
    specks: NDArray[np.float64],
    values: NDArray[np.float32],
    logits: NDArray[np.float32],
    step_px: int,
    spacing_mm: float,
) -> Cluster:
    # Weak specks far from the others must not enlarge the box.
    strong = specks[values >= 0.5 * np.sort(values)[-LEAST_SPECKS]]
    low, high = strong.min(axis=0), strong.max(axis=0)
    centre = (low + high) / 2
    margin = 1.0 / spacing_mm
    row, column = (int(c) // step_px for c in centre)
    near = logits[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    return Cluster(
        specks=strong,
        centre=(float(centre[0]), float(centre[1])),
        size=(float(high[0] - low[0] + margin), float(high[1] - low[1] + margin)),
        features=cluster_features(values, float(near.max()) if near.size else -10.0),
    )


def cluster_features(values: NDArray[np.float32], logit: float) -> tuple[float, ...]:
    """Return what the score of a cluster is computed from.

    They are the logarithm of the summed scores of its specks, the logit of its third best speck,
    the mean logit of its best ten, and the logit of the map of clusters.
    """
    safe = np.clip(np.sort(values.astype(float))[::-1], 1e-4, 1 - 1e-4)
    logits = np.log(safe / (1 - safe))
    return (
        float(np.log(safe.sum())),
        float(logits[LEAST_SPECKS - 1]),
        float(logits[:10].mean()),
        logit,
    )
