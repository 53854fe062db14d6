"""Anatomy of one view: nipple, chest wall and pectoral muscle, and the depth of a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mammorisk.imaging.breast import BreastMask
from mammorisk.imaging.pectoral import muscle_line
from mammorisk.imaging.segmented_view import SegmentedView


@dataclass(frozen=True, kw_only=True)
class ViewAnatomy:
    """Landmarks of an upright view, in its pixels.

    Attributes
    ----------
    position : str
        ``"CC"``, ``"MLO"`` ...
    nipple_px : tuple of float or None
        Row and column of the skin at the nipple; None if it was not found.
    chest_wall : {"left", "right"}
        Side of the chest wall.
    chest_px : float
        Column of the breast's edge at the chest wall.
    muscle_px : tuple of float or None
        Edge of the pectoral muscle as a line: its column at row 0, and columns per row. None in
        CC views and where the muscle was not found.
    pixel_mm : float or None
    """

    position: str
    nipple_px: tuple[float, float] | None
    chest_wall: str
    chest_px: float
    muscle_px: tuple[float, float] | None = None
    pixel_mm: float | None = None

    def depth(self, row_px: float, col_px: float) -> float:
        """Depth of a place: 0 at the nipple, 1 at the muscle's edge or else at the chest edge.

        It is measured along the posterior nipple line, which is perpendicular to the edge of the
        muscle in oblique views and to the chest edge in others.

        Returns
        -------
        float
            In [0, 1]; NaN if the nipple was not found.
        """
        if self.nipple_px is None:
            return float("nan")
        whole = self._to_edge(*self.nipple_px)
        if whole <= 0:
            return float("nan")
        return float(np.clip(1 - self._to_edge(row_px, col_px) / whole, 0, 1))

    def along_row(self, col_px: float) -> float:
        """Distance from the nipple along the rows, as a share of :attr:`length_px`.

        The rows of CC and MLO views have the same direction in the breast, away from the chest
        wall, while the posterior nipple line of an MLO view slopes with the muscle.

        Returns
        -------
        float
            NaN if the nipple was not found.
        """
        if self.nipple_px is None or self.length_px == 0:
            return float("nan")
        return abs(col_px - self.nipple_px[1]) / self.length_px

    @property
    def length_px(self) -> float:
        """Distance of the nipple from the chest edge along its row; NaN without a nipple."""
        if self.nipple_px is None:
            return float("nan")
        return abs(self.nipple_px[1] - self.chest_px)

    def above_nipple(self, row_px: float) -> float:
        """Height above the nipple as a share of :attr:`length_px`; NaN without a nipple."""
        if self.nipple_px is None or self.length_px == 0:
            return float("nan")
        return (self.nipple_px[0] - row_px) / self.length_px

    def _to_edge(self, row_px: float, col_px: float) -> float:
        """Distance in pixels from the edge of the muscle or the chest, positive in the breast."""
        outward = 1.0 if self.chest_wall == "left" else -1.0
        if self.muscle_px is None:
            return outward * (col_px - self.chest_px)
        start, slope = self.muscle_px
        return float(outward * (col_px - start - slope * row_px) / np.hypot(1.0, slope))


def find_anatomy(seen: SegmentedView) -> ViewAnatomy:
    """Return the anatomy of a segmented view.

    Parameters
    ----------
    seen : SegmentedView

    Returns
    -------
    ViewAnatomy

    Notes
    -----
    The side of the chest wall is that of the mask: from the shape of the breast, and where it is
    not clear from the header, or else from the laterality.
    """
    return anatomy_of(seen.mask, seen.view.position, seen.view.pixel_mm)


def anatomy_of(mask: BreastMask, position: str, pixel_mm: float | None) -> ViewAnatomy:
    """Return the anatomy of a view from the mask of its breast."""
    columns = np.flatnonzero(mask.breast.any(axis=0))
    if columns.size == 0:
        edge = 0.0 if mask.chest_wall == "left" else float(mask.breast.shape[1] - 1)
    else:
        edge = float(columns[0] if mask.chest_wall == "left" else columns[-1])
    return ViewAnatomy(
        position=position,
        nipple_px=mask.nipple,
        chest_wall=mask.chest_wall,
        chest_px=edge,
        muscle_px=_muscle_line(mask),
        pixel_mm=pixel_mm,
    )


def _muscle_line(mask: BreastMask) -> tuple[float, float] | None:
    """Edge of the muscle in the columns of the view."""
    if mask.chest_wall == "left":
        return muscle_line(mask.breast, mask.pectoral)
    found = muscle_line(mask.breast[:, ::-1], mask.pectoral[:, ::-1])
    return None if found is None else (mask.breast.shape[1] - 1 - found[0], -found[1])
