"""Detection of inverted grey levels from the pixels."""

from __future__ import annotations

import cv2
import numpy as np

from mammorisk.imaging.exposed_area import exposed_box
from mammorisk.imaging.percentiles import median, percentiles

_ROWS = 256

#: A pixel is flat if the grey around it varies by less than this share of the range of the image.
_FLAT = 0.012

#: Smallest share of the exposed area that air covers; smallest difference in grey between air and
#: the rest, as a share of the range, that counts as a sign of inversion; and difference between
#: corners and middle that is sufficient without the other signs.
_LEAST_AIR, _LEAST_DISTANCE, _CLEAR_DISTANCE = 0.02, 0.15, 0.4


def is_inverted(image: np.ndarray, exposed: tuple[int, int, int, int] | None = None) -> bool:
    """Whether air is brighter than the breast.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Grey levels.
    exposed : tuple of int, optional
        Result of :func:`mammorisk.imaging.exposed_area.exposed_box`, if it is at hand.

    Returns
    -------
    bool
        False if it cannot be determined: the image is constant or shows no air.

    Notes
    -----
    Air is flat and reaches the border. After black and white borders are cropped, four signs are
    combined: the grey of all flat areas compared with the rest, the grey of the largest flat area
    at the border compared with the rest, the grey of the corners away from the chest wall, and the
    shapes of the bright and the dark part.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:300, :200]
    >>> tissue = 0.5 + 0.1 * np.sin(x / 5) * np.sin(y / 5)
    >>> image = np.where(np.hypot(x, y - 150) < 140, tissue, 0.02).astype(np.float32)
    >>> is_inverted(image), is_inverted(1 - image)
    (False, True)
    """
    top, bottom, left, right = exposed_box(image) if exposed is None else exposed
    inner = image[top:bottom, left:right].astype(np.float32, copy=False)
    scale = min(1.0, _ROWS / max(inner.shape))
    size = (max(8, round(inner.shape[1] * scale)), max(8, round(inner.shape[0] * scale)))
    small = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
    low, high = (float(v) for v in percentiles(small, [0.5, 99.5]))
    if not np.isfinite(high - low) or high - low < 1e-6:
        return False
    small = np.clip((small - low) / (high - low), 0.0, 1.0)
    mean = cv2.blur(small, (7, 7))
    spread = np.sqrt(np.maximum(cv2.blur(small * small, (7, 7)) - mean * mean, 0.0))
    flat = spread < _FLAT
    if not _LEAST_AIR < flat.mean() < 1 - _LEAST_AIR:
        return False
    evens = median(small[flat]) - median(small[~flat]) > _LEAST_DISTANCE
    air = _largest_at_border(flat)
    border = bool(air.any() and median(small[air]) - median(small[~air]) > 0.5 * _LEAST_DISTANCE)
    corners = _corners(small)
    if not (evens or border or corners > _CLEAR_DISTANCE):
        return False
    votes = evens + border + 2 * (corners > _LEAST_DISTANCE)
    # Smooth muscle or fat can be flat too, so corners and shape are also used. The shape takes the
    # most time and is computed only where it decides.
    return votes >= 3 or (votes == 2 and _air_is_bright(small))


def _air_is_bright(small: np.ndarray) -> bool:
    """Whether the dark part has the more solid shape, which is that of a breast."""
    smooth = (cv2.GaussianBlur(small, (0, 0), 1.5) * 255).astype(np.uint8)
    _, bright = cv2.threshold(smooth, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return _solidity(1 - bright) > _solidity(bright)


def _corners(small: np.ndarray) -> float:
    """Difference in grey between the corners away from the chest wall and the middle.

    These corners are the pair at one side that is most similar and uniform: both show air. The
    corners at the chest wall show muscle and tissue.
    """
    rows, columns = (max(3, n // 24) for n in small.shape)
    patches = [
        small[y, x]
        for y in (slice(None, rows), slice(-rows, None))
        for x in (slice(None, columns), slice(-columns, None))
    ]
    grey = [median(patch) for patch in patches]
    uneven = [float(patch.std()) for patch in patches]
    first, second = min(
        ((0, 2), (1, 3)),
        key=lambda pair: abs(grey[pair[0]] - grey[pair[1]]) + uneven[pair[0]] + uneven[pair[1]],
    )
    y, x = (n // 4 for n in small.shape)
    return (grey[first] + grey[second]) / 2 - median(small[y:-y, x:-x])


def _solidity(bright: np.ndarray) -> float:
    """Area of the largest component of a binary image as a share of its convex hull."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
    if count < 2:
        return 0.0
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    outlines, _ = cv2.findContours(
        (labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    hull = np.zeros_like(bright)
    cv2.fillConvexPoly(hull, cv2.convexHull(outlines[0]), 1)
    return float(stats[largest, cv2.CC_STAT_AREA]) / float(hull.sum())


def _largest_at_border(flat: np.ndarray) -> np.ndarray:
    """Return the largest flat area that reaches the border."""
    # Thin bridges of flat pixels connect air with smooth tissue: an opening removes them.
    opened = cv2.morphologyEx(flat.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    edge = np.concatenate([labels[[0, -1]].reshape(-1), labels[:, [0, -1]].reshape(-1)])
    candidates = [int(label) for label in np.unique(edge) if label]
    if not candidates:
        return np.zeros(flat.shape, dtype=bool)
    largest = max(candidates, key=lambda label: int(stats[label, cv2.CC_STAT_AREA]))
    found: np.ndarray = labels == largest
    return found


def turn_grey(image: np.ndarray) -> np.ndarray:
    """Invert the grey levels of an image. Black borders (padding) stay black.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        In [0, 1].

    Returns
    -------
    ndarray of float32, same shape
    """
    turned = (1.0 - image).astype(np.float32)
    top, bottom, left, right = exposed_box(image)
    for border in (
        (slice(None, top),),
        (slice(bottom, None),),
        (slice(None), slice(None, left)),
        (slice(None), slice(right, None)),
    ):
        turned[border] = np.minimum(turned[border], image[border])
    return turned
