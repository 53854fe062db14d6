"""Side of the chest wall, determined from the shape of the breast."""

from __future__ import annotations

import numpy as np

SIDES = ("left", "right", "top", "bottom")


def wall_contact(breast: np.ndarray) -> dict[str, float]:
    """Return the share of each side of the bounding box that the breast touches.

    At the chest wall the breast has a straight edge. At the other sides it touches the bounding box
    at one point.

    Parameters
    ----------
    breast : ndarray of bool, shape (rows, columns)

    Returns
    -------
    dict of str to float
        For each of ``SIDES``, the share (0-1) of its length at which the distance of the breast is
        within 2% of the depth of the box.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:200, :100]
    >>> contact = wall_contact(np.hypot(x, y - 100) < 90)
    >>> max(contact, key=contact.get)
    'left'
    """
    rows, columns = np.flatnonzero(breast.any(axis=1)), np.flatnonzero(breast.any(axis=0))
    if rows.size == 0:
        return dict.fromkeys(SIDES, 0.0)
    box = breast[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    contact = {}
    for side, turned in (
        ("left", box),
        ("right", box[:, ::-1]),
        ("top", box.T),
        ("bottom", box.T[:, ::-1]),
    ):
        margin = max(1, round(0.02 * turned.shape[1]))
        contact[side] = float(turned[:, :margin].any(axis=1).mean())
    return contact
