"""Quadrant of a lesion from its places in a CC and an MLO view."""

from __future__ import annotations

import math

from mammorisk.findings.anatomy import ViewAnatomy
from mammorisk.findings.candidate import Candidate

#: Angle of the beam of an MLO view to the vertical, degrees.
OBLIQUE_DEG = 45.0
#: A place nearer than this to the axis of the nipple, as a share of the depth of the breast, is
#: central.
CENTRAL = 0.15


def quadrant_of(
    cc: Candidate,
    mlo: Candidate,
    cc_anatomy: ViewAnatomy,
    mlo_anatomy: ViewAnatomy,
    laterality: str,
) -> str | None:
    """Return the quadrant of a lesion that was matched between two views.

    Parameters
    ----------
    cc, mlo : Candidate
        The lesion in the CC and in the MLO view.
    cc_anatomy, mlo_anatomy : ViewAnatomy
    laterality : {"L", "R"}
        Side of the breast.

    Returns
    -------
    str or None
        ``"upper outer"``, ``"upper inner"``, ``"lower outer"``, ``"lower inner"`` or ``"central"``
        (near the axis of the nipple). None if a nipple was not found.

    Notes
    -----
    In the usual display the lateral side is at the top of CC views of both breasts. An MLO view
    shows the sum of the height and of the lateral distance along its direction, so that the height
    follows from both views.
    """
    lateral, oblique = cc_anatomy.above_nipple(cc.centre_px[0]), _height(mlo, mlo_anatomy)
    if math.isnan(lateral) or math.isnan(oblique):
        return None
    turn = math.radians(OBLIQUE_DEG)
    up = (oblique - lateral * math.cos(turn)) / math.sin(turn)
    if math.hypot(lateral, up) < CENTRAL:
        return "central"
    return f"{'upper' if up >= 0 else 'lower'} {'outer' if lateral >= 0 else 'inner'}"


def _height(one: Candidate, anatomy: ViewAnatomy) -> float:
    return anatomy.above_nipple(one.centre_px[0])
