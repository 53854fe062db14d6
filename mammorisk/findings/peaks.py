"""Peaks of a heatmap."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Peaks(NamedTuple):
    """Peaks of a heatmap, highest first.

    Attributes
    ----------
    rows, columns : ndarray of int
    values : ndarray of float
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: NDArray[np.float32]


def find_peaks(heat: NDArray[np.float32], *, lowest: float, most: int, radius: int = 1) -> Peaks:
    """Find the local maxima of a map.

    Parameters
    ----------
    heat : ndarray of float32, shape (rows, columns)
    lowest : float
        Smallest value of a peak.
    most : int
        Largest number of peaks.
    radius : int
        A peak is the maximum of the square of ``2 * radius + 1`` pixels around it.

    Returns
    -------
    Peaks

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.findings.peaks import find_peaks
    >>> heat = np.zeros((6, 6), dtype=np.float32)
    >>> heat[1, 1], heat[1, 2], heat[4, 4] = 0.9, 0.8, 0.7
    >>> found = find_peaks(heat, lowest=0.1, most=5)
    >>> found.rows.tolist(), found.columns.tolist()
    ([1, 4], [1, 4])
    """
    square = np.ones((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
    rows, columns = np.nonzero((heat >= cv2.dilate(heat, square)) & (heat >= lowest))
    values = heat[rows, columns]
    order = np.argsort(-values, kind="stable")[:most]
    return Peaks(rows[order], columns[order], values[order])


def keep_apart(
    centres: NDArray[np.float64],
    scores: NDArray[np.float64],
    distances: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Select points so that none lies near one with a higher score.

    Parameters
    ----------
    centres : ndarray of float, shape (n, 2)
    scores : ndarray of float, shape (n,)
    distances : ndarray of float, shape (n,)
        A selected point removes those with lower scores within its distance.

    Returns
    -------
    ndarray of int
        Selected points, highest score first.
    """
    free = np.ones(len(scores), dtype=bool)
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if not free[i]:
            continue
        kept.append(int(i))
        free &= np.hypot(*(centres - centres[i]).T) >= distances[i]
    return np.array(kept, dtype=np.intp)
