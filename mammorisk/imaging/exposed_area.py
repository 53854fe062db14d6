"""Exposed area of an image, and the labels and film edges in it."""

from __future__ import annotations

import cv2
import numpy as np

from mammorisk.imaging.percentiles import row_percentiles

#: Height of the grid for the detection of borders.
_ROWS = 512

#: A row or column is a border if its grey varies by less than this share of the image's range ...
_FLAT = 0.03
#: ... and lies within this share of the range from black or white.
_NEAR_END = 0.06

#: White marks (labels, film edges) are at least this bright, as a share of white, ...
_WHITE = 0.72
#: ... and at this share of their outline, grey drops to less than half within a few pixels. At the
#: edge of the breast grey decreases gradually.
_SHARP_SHARE = 0.6


def exposed_box(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return the box inside black or white borders.

    Borders are padding, collimation and air that fill whole rows or columns, and the white edges
    of a scanned film.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels.

    Returns
    -------
    tuple of int
        First row, last row + 1, first column, last column + 1. The whole image if it is flat.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((600, 400), dtype=np.float32)
    >>> image[100:500, :300] = np.random.default_rng(0).uniform(0.2, 1, (400, 300))
    >>> exposed_box(image)
    (100, 500, 0, 300)
    """
    rows, columns = image.shape
    step = max(1, max(rows, columns) // _ROWS)
    grid = image[::step, ::step].astype(np.float32)
    low, high = float(grid.min()), float(grid.max())
    if not np.isfinite(high - low) or high - low < 1e-6:
        return 0, rows, 0, columns
    grid = (grid - low) / (high - low)
    top, bottom, left, right = 0, grid.shape[0], 0, grid.shape[1]
    while True:
        inner = grid[top:bottom, left:right]
        if inner.size == 0:
            return 0, rows, 0, columns
        first, last = _inside(inner)
        start, end = _inside(inner.T)
        if last <= first or end <= start:
            return 0, rows, 0, columns
        if (first, last, start, end) == (0, inner.shape[0], 0, inner.shape[1]):
            break
        top, bottom = top + first, top + last
        left, right = left + start, left + end
    return (
        top * step,
        min(rows, bottom * step),
        left * step,
        min(columns, right * step),
    )


def _inside(grid: np.ndarray) -> tuple[int, int]:
    """First row that is no border, and one past the last; (0, 0) if all rows are borders."""
    inner = np.flatnonzero(~_are_borders(grid))
    return (int(inner[0]), int(inner[-1]) + 1) if inner.size else (0, 0)


def _are_borders(rows: np.ndarray) -> np.ndarray:
    # A border with a mark or a speck of dust is still a border.
    low, middle, high = row_percentiles(rows, [4, 50, 96])
    near_end = (middle < _NEAR_END) | (middle > 1 - _NEAR_END)
    border: np.ndarray = (high - low < _FLAT) & near_end
    return border


def white_marks(grid: np.ndarray, air: float, white: float) -> np.ndarray:
    """Find labels, lead markers and edges of the film: white areas with a sharp edge to air.

    Parameters
    ----------
    grid : ndarray of float32, shape (rows, columns)
        Exposed area on a grid of about 500 rows.
    air, white : float
        Grey of the air and of the brightest pixels.

    Returns
    -------
    ndarray of bool, same shape
    """
    bright = grid > air + _WHITE * (white - air)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        bright.astype(np.uint8), connectivity=8
    )
    found = np.zeros(grid.shape, dtype=bool)
    if count < 2:
        return found
    reach = max(2, round(0.008 * max(grid.shape)))
    cross = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    for label in range(1, count):
        x, y, width, height, area = stats[label]
        if area < 12:
            continue
        part = (
            slice(max(0, y - reach - 1), y + height + reach + 1),
            slice(max(0, x - reach - 1), x + width + reach + 1),
        )
        one = (labels[part] == label).astype(np.uint8)
        ring = (cv2.dilate(one, cross) > 0) & (one == 0)
        # The outer part of the ring, because the scanner blurs the first one or two pixels.
        near = cv2.dilate(one, np.ones((3, 3), np.uint8)) > 0
        ring &= ~near
        if ring.sum() < 6:
            continue
        dark = grid[part][ring] < air + 0.35 * (white - air)
        if dark.mean() > _SHARP_SHARE:
            found[part] |= cv2.dilate(one, cross) > 0
    return found
