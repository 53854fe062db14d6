"""Detection of images without a breast: flat fields, test objects and noise."""

from __future__ import annotations

import cv2
import numpy as np

from mammorisk.imaging.exposed_area import exposed_box
from mammorisk.imaging.percentiles import median, percentiles

_ROWS = 256

#: Smallest share of the variance of grey that remains after blurring. Of noise almost none remains.
_LEAST_STRUCTURE = 0.2

#: An object that fills at least the first share of its bounding box is a rectangle, not a breast.
#: It is a uniform block if its grey varies by less than the second share of its difference to air.
_BOX_SHARE, _EVEN_SPREAD = 0.96, 0.12


def is_phantom_or_flat(image: np.ndarray) -> bool:
    """Whether an image shows a flat field, a uniform block (test object) or noise.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Grey levels.

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> is_phantom_or_flat(rng.random((400, 300)).astype(np.float32))
    True
    """
    if not np.isfinite(image).all() or np.ptp(image) < 1e-6:
        return True
    scale = min(1.0, _ROWS / max(image.shape))
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    small = cv2.resize(image.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), 4.0)
    if float(blurred.var()) < _LEAST_STRUCTURE * float(image[::3, ::3].var()):
        return True
    low, high = (float(v) for v in percentiles(blurred, [1, 99]))
    if high - low < 0.1 * max(abs(high), abs(low)):
        return True
    return _is_block(small, low, high)


def _is_block(small: np.ndarray, low: float, high: float) -> bool:
    """Whether the image shows a rectangle of uniform grey surrounded by air."""
    top, bottom, left, right = exposed_box(small)
    inner = small[top:bottom, left:right]
    bright = inner > low + 0.3 * (high - low)
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if rows.size < 8 or columns.size < 8:
        return False
    # Rows and columns with only a few bright pixels show marks beside the block.
    rows = np.flatnonzero(bright.mean(axis=1) > 0.3)
    columns = np.flatnonzero(bright.mean(axis=0) > 0.3)
    if rows.size < 8 or columns.size < 8:
        return False
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    if bright[box].mean() < _BOX_SHARE:
        return False
    block = inner[box][4:-4, 4:-4]
    if not block.size:
        return False
    high, low_end = percentiles(block, [90, 10])
    return bool(high - low_end < _EVEN_SPREAD * max(median(block) - low, 1e-6))
