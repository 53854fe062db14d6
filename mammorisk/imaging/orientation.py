"""Side of the chest wall in an image, determined from its pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mammorisk.imaging.breast import find_breast
from mammorisk.imaging.chest_wall import SIDES, wall_contact


class WallSide(NamedTuple):
    """Side of the chest wall.

    Attributes
    ----------
    side : {"left", "right", "top", "bottom"} or None
        None if there is no breast.
    confidence : float
        Relative difference in contact with the breast between this side and the opposite one, 0-1.
    """

    side: str | None
    confidence: float


_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def chest_wall_side(image: np.ndarray) -> WallSide:
    """Return the side of the image at which the chest wall lies.

    At the chest wall the image cuts the breast off over most of its length. In an oblique view it
    cuts off the axilla too, over a shorter length. A breast stored sideways has its chest wall at
    the top or bottom. An image stored upside down cannot be distinguished from one of the other
    breast.

    Parameters
    ----------
    image : ndarray of float, shape (rows, columns)
        Display grey levels, tissue brighter than air.

    Returns
    -------
    WallSide

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:300, :200]
    >>> image = np.clip(1.2 - np.hypot(x, y - 150) / 140, 0, 0.6).astype(np.float32)
    >>> chest_wall_side(image).side, chest_wall_side(image.T).side
    ('left', 'top')
    """
    breast = find_breast(image).breast
    if not breast.any():
        return WallSide(None, 0.0)
    contact = wall_contact(breast)
    side = max(SIDES, key=lambda s: contact[s] * _length(breast, s))
    longest, opposite = contact[side], contact[_OPPOSITE[side]]
    return WallSide(side, float((longest - opposite) / max(longest, 1e-9)))


def _length(breast: np.ndarray, side: str) -> int:
    """Length in pixels of a side of the breast's box."""
    axis = 1 if side in ("left", "right") else 0
    return int(np.ptp(np.flatnonzero(breast.any(axis=axis)))) + 1
