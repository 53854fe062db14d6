"""Rotation of views that are stored turned into the usual display."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mammorisk.imaging.breast import BreastMask, find_breast
from mammorisk.imaging.chest_wall import wall_contact
from mammorisk.imaging.percentiles import median
from mammorisk.records.exam import Laterality, View
from mammorisk.warnings import ResultWarning, make_warning

#: An oblique view is upside down if its muscle is found only after a rotation, and if its contact
#: with the bottom of its bounding box exceeds that with the top by this share: the image cuts the
#: axilla off in a straight line, and the other end is tapered.
_UPSIDE_DOWN = 0.1

#: An oblique view may also be upside down if its lower corner at the chest wall is brighter than
#: the upper one by this difference of logarithms, because the upper corner shows the muscle. In the
#: 122 films of docs/explanation/imaging.md the difference is -2.3 to 0.03 upright.
_DARKER_ABOVE = 0.3

#: Smallest share of the breast that counts as a pectoral muscle.
_LEAST_MUSCLE = 0.03


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Rotation that brings stored pixels into the usual display.

    Attributes
    ----------
    quarters : int
        Number of counterclockwise rotations by 90 degrees.
    flip : bool
        Whether top and bottom are exchanged first.
    warnings : tuple of ResultWarning
    """

    quarters: int = 0
    flip: bool = False
    warnings: tuple[ResultWarning, ...] = ()

    @property
    def is_none(self) -> bool:
        return not self.quarters and not self.flip

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Return the rotated image."""
        flipped = pixels[::-1] if self.flip else pixels
        return np.ascontiguousarray(np.rot90(flipped, self.quarters))

    def to_upright(self, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Convert rows and columns in the stored image to those in the upright image.

        Parameters
        ----------
        points : ndarray of float, shape (n, 2)
            Rows and columns; the centre of the first pixel is at (0, 0).
        shape : tuple of int
            Rows and columns of the stored image.
        """
        moved = np.array(points, dtype=float).reshape(-1, 2)
        rows, columns = shape
        if self.flip:
            moved[:, 0] = rows - 1 - moved[:, 0]
        for _ in range(self.quarters % 4):
            moved = np.column_stack([columns - 1 - moved[:, 1], moved[:, 0]])
            rows, columns = columns, rows
        return moved

    def to_stored(self, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Convert rows and columns in the upright image to those in the stored image.

        Parameters
        ----------
        points : ndarray of float, shape (n, 2)
        shape : tuple of int
            Rows and columns of the upright image.
        """
        moved = np.array(points, dtype=float).reshape(-1, 2)
        rows, columns = shape
        for _ in range(self.quarters % 4):
            moved = np.column_stack([moved[:, 1], rows - 1 - moved[:, 0]])
            rows, columns = columns, rows
        if self.flip:
            moved[:, 0] = rows - 1 - moved[:, 0]
        return moved

    def view(self, view: View) -> View:
        """Return the view of the rotated image."""
        rows, columns = view.rows, view.columns
        if self.quarters % 2:
            rows, columns = columns, rows
        orientation = view.orientation
        if orientation is not None and not self.is_none:
            is_half = self.quarters == 2 and not self.flip
            orientation = orientation.opposite() if is_half else None
        return replace(view, rows=rows, columns=columns, orientation=orientation)


def needed_turn(view: View, image: np.ndarray, mask: BreastMask) -> Turn:
    """Return the rotation that brings an image into the usual display.

    In the usual display the chest wall is at the side and the axilla or head side is at the top.
    An image is rotated only if PatientOrientation and pixels do not contradict each other. The
    header decides where the pixels cannot (CC views upside down), and the pixels decide where the
    header has no orientation.

    Parameters
    ----------
    view : View
    image : ndarray of float32, shape (rows, columns)
        Display grey levels, tissue brighter than air.
    mask : BreastMask
        Mask of the image as stored.

    Returns
    -------
    Turn
    """
    if not mask.breast.any():
        return Turn()
    stated = (
        "unknown"
        if view.orientation is None
        else view.orientation.turned(view.laterality, view.position)
    )
    sideways = _sideways(view, mask, stated)
    if sideways is not None:
        return sideways
    if view.position == "CC":
        if stated == "half" and mask.chest_wall == view.chest_wall:
            return Turn(quarters=2, warnings=_told("180 degrees, as PatientOrientation says"))
        return Turn()
    if view.position != "MLO":
        return Turn()
    is_darker_above = _corner_step(image, mask) > _DARKER_ABOVE
    if has_muscle(mask) and not is_darker_above:
        return Turn()
    by_header = stated == "half" and mask.chest_wall == view.chest_wall
    contact = wall_contact(mask.breast)
    is_cut_below = contact["bottom"] - contact["top"] > _UPSIDE_DOWN
    by_pixels = stated in ("unknown", "half", "mirrored") and (
        (is_darker_above and is_cut_below)
        or (
            (is_darker_above or is_cut_below)
            and has_muscle(find_breast(np.ascontiguousarray(image[::-1, ::-1]), position="MLO"))
        )
    )
    if by_header:
        return Turn(quarters=2, warnings=_told("180 degrees, as PatientOrientation says"))
    if not by_pixels:
        return Turn()
    # An upside-down image with the chest wall at the usual side is mirrored, not rotated.
    own = "left" if view.laterality is Laterality.LEFT else "right"
    if mask.chest_wall == own:
        return Turn(flip=True, warnings=_told("upside down, as its pectoral muscle shows"))
    return Turn(quarters=2, warnings=_told("180 degrees, as its pectoral muscle shows"))


def _corner_step(image: np.ndarray, mask: BreastMask) -> float:
    """Log ratio of grey in the lower to the upper corner of the breast at the chest wall."""
    step = max(1, max(image.shape) // 512)
    small, breast = image[::step, ::step], mask.breast[::step, ::step]
    rows, columns = np.flatnonzero(breast.any(axis=1)), np.flatnonzero(breast.any(axis=0))
    if rows.size < 12 or columns.size < 10:
        return 0.0
    height, width = rows.size // 6, columns.size // 5
    left = mask.chest_wall == "left"
    across = slice(columns[0], columns[0] + width) if left else slice(columns[-1] - width + 1, None)
    ends = slice(rows[0], rows[0] + height), slice(rows[-1] - height + 1, rows[-1] + 1)
    corners = [small[end, across][breast[end, across]] for end in ends]
    if min(corner.size for corner in corners) < 10:
        return 0.0
    typical = median(small[breast])
    top, bottom = (median(corner) + 0.1 * typical for corner in corners)
    return float(np.log(bottom / top)) if min(top, bottom) > 0 else 0.0


def has_muscle(mask: BreastMask) -> bool:
    """Whether a pectoral muscle of sufficient size was found."""
    return bool(mask.pectoral.sum() > _LEAST_MUSCLE * mask.breast.sum())


def looks_oblique(image: np.ndarray) -> bool:
    """Whether the image shows a pectoral muscle, which is common in MLO and rare in CC views."""
    return has_muscle(find_breast(image, position="MLO"))


def _sideways(view: View, mask: BreastMask, stated: str) -> Turn | None:
    if stated not in ("quarter", "unknown", "mirrored"):
        return None
    lengths = _contact_lengths(mask)
    upper = max(("top", "bottom"), key=lambda side: lengths[side])
    # In 76 real MLO and CC views, the longest contact with top or bottom was below 0.95 of that
    # with left or right when upright, and above 1.05 of it after a rotation by 90 degrees.
    if lengths[upper] <= max(lengths["left"], lengths["right"]):
        return None
    edge = view.chest_wall if stated == "quarter" else upper
    # A counterclockwise rotation moves the top to the left.
    to_left = edge == "top"
    wants_left = view.laterality is Laterality.LEFT
    quarters = 1 if to_left == wants_left else 3
    how = "as PatientOrientation says" if stated == "quarter" else "as its chest wall shows"
    return Turn(quarters=quarters, warnings=_told(f"90 degrees, {how}"))


def _contact_lengths(mask: BreastMask) -> dict[str, float]:
    """Length in pixels over which the breast touches each side of its bounding box."""
    step = max(1, max(mask.breast.shape) // 512)
    small = mask.breast[::step, ::step]
    rows, columns = small.any(axis=1).sum(), small.any(axis=0).sum()
    return {
        side: share * float(rows if side in ("left", "right") else columns)
        for side, share in wall_contact(small).items()
    }


def _told(how: str) -> tuple[ResultWarning, ...]:
    by = "" if how.startswith("upside") else "by "
    return (make_warning("turned", f"the image was stored turned {by}{how}: brought upright"),)
