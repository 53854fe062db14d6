"""Views prepared as for Mammo-CLIP: bytes, cropped to the breast and resized.

The steps and constants are those of the scripts ``preprocess_image_to_png_vindr.py`` and
``preprocess_image_to_png_kaggle.py`` of batmanlab/Mammo-CLIP. The code is new.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk.errors import PixelError
from mammorisk.records.stored_image import RawImage

#: Size of the input of the network.
ROWS, COLUMNS = 1520, 912
#: Mean and standard deviation of the grey levels of the training data, from 0 to 1.
MEAN, SD = 0.3089279, 0.25053555408335154
#: Pixels that are cut off at each edge.
EDGE = 5
#: Bytes up to this value are background when the breast is searched.
BACKGROUND = 40
#: The breast is searched in the middle of the image: up to this share of its length on both sides.
_SHARE = 0.4

Bytes = NDArray[np.uint8]


def mammo_clip_bytes(raw: RawImage) -> Bytes:
    """Scale the range of an image to bytes, without its edge.

    Parameters
    ----------
    raw : RawImage
        Stored pixels. Of the greyscale, only slope, intercept and inversion are used.

    Returns
    -------
    ndarray of uint8, shape (rows - 10, columns - 10)
        The lowest value is 0, the highest 255, truncated between them. MONOCHROME1 is inverted.

    Raises
    ------
    PixelError
        Nothing is left without the edge.
    """
    stored = np.asarray(raw.pixels)[EDGE:-EDGE, EDGE:-EDGE]
    if stored.size == 0:
        raise PixelError(f"the image has no pixels more than {EDGE} from its edges")
    low, high = int(stored.min()), int(stored.max())
    # A lookup table of all possible values needs only one pass over the image.
    values = np.arange(low, high + 1) * raw.greyscale.slope + raw.greyscale.intercept
    if raw.greyscale.inverted:
        values = values.max() - values
    values = values - values.min()
    highest = values.max()
    if highest == 0:
        return np.zeros(stored.shape, dtype=np.uint8)
    table = (values / highest * 255).astype(np.uint8)
    return np.asarray(table[stored.astype(np.int64) - low], dtype=np.uint8)


def crop_to_breast(pixels: Bytes) -> Bytes:
    """Crop an image to its longest run of columns, and then of rows, with a content.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns)

    Returns
    -------
    ndarray of uint8

    Notes
    -----
    A column has a content if it is not constant over the middle rows, after values up to 40 were
    set to 0; rows likewise, over the middle of the columns that were found. Of runs of the same
    length all are kept.
    """
    content = np.where(pixels <= BACKGROUND, np.uint8(0), pixels)
    columns = _longest(_varies(content, axis=0))
    rows = _longest(_varies(content[:, columns], axis=1))
    return pixels[rows][:, columns]


def _varies(content: Bytes, axis: int) -> NDArray[np.bool_]:
    """Whether each line across an axis varies over the middle of the axis."""
    length = content.shape[axis]
    reach = int(length * _SHARE)
    middle = content.take(range(length // 2 - reach, length // 2 + reach), axis=axis)
    if middle.shape[axis] == 0:
        return np.zeros(content.shape[1 - axis], dtype=bool)
    return np.asarray(middle.max(axis=axis) != middle.min(axis=axis))


def _longest(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the positions of the longest runs. Without any run, return all positions.

    A run at an end of the image counts as one shorter, and as two shorter at both ends, as in the
    published scripts.
    """
    n = len(there)
    steps = np.diff(np.concatenate([[False], there, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    lengths = ends - starts - (starts == 0) - (ends == n)
    if not len(starts) or lengths.max() < 0:
        return np.arange(n)
    longest = lengths == lengths.max()
    return np.concatenate(
        [np.arange(a, b) for a, b in zip(starts[longest], ends[longest], strict=True)]
    )


def resize(pixels: Bytes, shape: tuple[int, int] = (ROWS, COLUMNS)) -> Bytes:
    """Resize to rows and columns by averaging over areas. The aspect ratio is not kept."""
    import cv2

    resized = cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)


def normalise(pixels: Bytes) -> NDArray[np.float32]:
    """Scale one image to the range 0 to 1, then apply mean and standard deviation.

    Returns
    -------
    ndarray of float32
        A constant image gives the value of 0.
    """
    grey = pixels.astype(np.float32)
    grey -= grey.min()
    highest = grey.max()
    if highest > 0:
        grey /= highest
    return np.asarray((grey - np.float32(MEAN)) / np.float32(SD), dtype=np.float32)
