"""Reduction of full-size images and masks by a whole factor."""

from __future__ import annotations

import cv2
import numpy as np

#: Images of fewer than twice as many rows and columns are not reduced.
_ROWS = 1024


def reduction_step(shape: tuple[int, ...]) -> int:
    """Return the factor that reduces an image to 1024 to 2047 rows, at least 1."""
    return max(1, max(shape) // _ROWS)


def reduce_image(image: np.ndarray, step: int) -> np.ndarray:
    """Reduce an image by averaging blocks of ``step`` x ``step`` pixels.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    step : int

    Returns
    -------
    ndarray of float32, shape (rows // step, columns // step)
        The image itself if ``step`` is 1.

    Examples
    --------
    >>> import numpy as np
    >>> reduce_image(np.arange(16, dtype=np.float32).reshape(4, 4), 2)
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """
    if step == 1:
        return image
    rows, columns = image.shape[0] // step, image.shape[1] // step
    whole = image[: rows * step, : columns * step]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)


def reduce_mask(mask: np.ndarray, step: int) -> np.ndarray:
    """Reduce a mask to the grid of :func:`reduce_image`: the middle pixel of each block."""
    if step == 1:
        return mask
    rows, columns = mask.shape[0] // step, mask.shape[1] // step
    middle = step // 2
    return mask[middle : rows * step : step, middle : columns * step : step]
