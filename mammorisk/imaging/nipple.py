"""Position of the nipple: where the skin line is far from the chest wall and bulges."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from mammorisk._utils.typing import Floats
from mammorisk.imaging.pectoral import muscle_line
from mammorisk.imaging.percentiles import median

#: In oblique views the nipple points between the normals of the chest wall and of the muscle: share
#: of the slope of the muscle. Set on the films of docs/explanation/imaging.md.
MUSCLE_SHARE = 0.45

#: Part of the height of the breast in which the nipple lies: excludes axilla and inframammary fold.
_HEIGHTS = (0.2, 0.95)

# Lengths are shares of the square root of the area of the breast, which is 100 to 150 mm in most
# breasts, because the pixel spacing may be unknown.
#: Smoothing of the skin line without the nipple, and of its bulge.
_SKIN, _BULGE = 0.06, 0.008
#: Lower bulges are roughness of the mask.
_LEAST_BULGE = 0.001
#: Distance from the farthest point that outweighs a bulge of 0.001.
_FALL = 0.006
#: Half-width of a bulge whose centre is the nipple.
_REACH = 0.06
#: Shortest skin line that is searched.
_SHORTEST = 0.2


class _SkinLine(NamedTuple):
    """Points at a distance of one pixel, without and with smoothing."""

    x: Floats
    y: Floats
    smooth_x: Floats
    smooth_y: Floats
    bulge: Floats


def find_nipple(breast: np.ndarray, pectoral: np.ndarray) -> tuple[float, float] | None:
    """Find the nipple on the skin line.

    Parameters
    ----------
    breast : ndarray of bool, shape (rows, columns)
        Mask on a grid of about 500 rows, with the chest wall at the left.
    pectoral : ndarray of bool, same shape
        Mask of the muscle; all False if there is none.

    Returns
    -------
    tuple of float or None
        Row and column of the skin at the nipple. None if there is no skin line.

    Notes
    -----
    The distance of the skin line from the chest wall, in oblique views turned about halfway to the
    normal of the muscle, is added to its bulge, the height over its smoothed course. A nipple that
    is not in profile has no bulge.
    """
    unit = float(np.sqrt(breast.sum()))
    line = _skin_line(breast, unit)
    if line is None:
        return None
    rows = np.flatnonzero(breast.any(axis=1))
    low, high = rows[0] + np.array(_HEIGHTS) * (rows[-1] - rows[0])
    inside = (line.y >= low) & (line.y <= high)
    if not inside.any():
        return None
    muscle = muscle_line(breast, pectoral)
    slope = 0.0 if muscle is None else MUSCLE_SHARE * muscle[1]
    distance = line.smooth_x - slope * line.smooth_y
    behind = (distance[inside].max() - distance) / unit
    bulge = np.maximum(line.bulge - _LEAST_BULGE, 0)
    score = np.where(inside, 1000 * bulge - np.maximum(behind, 0) / _FALL, -np.inf)
    best = int(np.argmax(score))
    reach = max(1, round(_REACH * unit))
    near = np.arange(max(0, best - reach), min(len(score), best + reach + 1))
    weight = bulge[near]
    if weight.sum() > 0:
        best = round(float(near @ weight / weight.sum()))
    return float(line.smooth_y[best]), float(line.smooth_x[best])


def _skin_line(breast: np.ndarray, unit: float) -> _SkinLine | None:
    found, _ = cv2.findContours(breast.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return None
    outline = max(found, key=cv2.contourArea)[:, 0, :].astype(np.float64)
    x, y = outline.T
    # The image cuts the breast off at the chest wall, at the top and at the bottom.
    cut = np.flatnonzero((x <= 1) | (y <= 1) | (y >= breast.shape[0] - 2))
    if cut.size:
        gaps = np.diff(np.append(cut, cut[0] + len(outline)))
        longest = int(np.argmax(gaps))
        points = (np.arange(1, gaps[longest]) + cut[longest]) % len(outline)
        outline = outline[points]
    if len(outline) < max(_SHORTEST * unit, 10):
        return None
    along = np.append(0.0, np.cumsum(np.hypot(*np.diff(outline, axis=0).T)))
    even = np.arange(0.0, along[-1], 1.0)
    x, y = (_smooth(np.interp(even, along, one), 1.0) for one in outline.T)
    smooth_x, smooth_y = _smooth(x, _SKIN * unit), _smooth(y, _SKIN * unit)
    across, down = np.gradient(smooth_x), np.gradient(smooth_y)
    length = np.hypot(across, down) + 1e-9
    height = ((x - smooth_x) * down - (y - smooth_y) * across) / length
    # The sign of the normal depends on the direction of the outline.
    rows, columns = np.nonzero(breast)
    outward = down * (smooth_x - columns.mean()) - across * (smooth_y - rows.mean())
    height *= 1.0 if median(outward) > 0 else -1.0
    # The smoothed line cuts every curve: subtract the slow part of the height.
    bulge = (_smooth(height, _BULGE * unit) - _smooth(height, _SKIN * unit)) / unit
    return _SkinLine(x, y, smooth_x, smooth_y, bulge)


def _smooth(values: Floats, sigma: float) -> Floats:
    return np.asarray(gaussian_filter1d(values, sigma, mode="nearest"))
