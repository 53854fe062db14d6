"""Drawing in one view: places in the breast as pixels, balls, curves and projected forms."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.simulation.anatomy import ANGLE_DEG
from mammorisk.simulation.calcifications import Balls
from mammorisk.simulation.lesion_shapes import Curve, Shadow
from mammorisk.simulation.outline import Outline, pixel_centres, to_pixel

Single = NDArray[np.float32]

#: Coarsest pixels in which strands are drawn, mm.
_STRAND_PIXEL_MM = 0.1


@dataclass(frozen=True, kw_only=True)
class ViewFrame:
    """Geometry of a picture, or of a part of it.

    Attributes
    ----------
    view : {"CC", "MLO"}
    outline : Outline
    pixel_mm : float
    shape : (int, int)
        Rows and columns.
    origin : (int, int)
        Row and column of the first pixel in the whole picture.
    whole : (int, int) or None
        Rows and columns of the whole picture, of which this is a part. None if it is the whole.
    """

    view: str
    outline: Outline
    pixel_mm: float
    shape: tuple[int, int]
    origin: tuple[int, int] = (0, 0)
    whole: tuple[int, int] | None = None

    @property
    def part(self) -> tuple[slice, slice] | None:
        """Rows and columns of the whole picture; None if this is the whole."""
        if self.whole is None:
            return None
        (top, left), (rows, columns) = self.origin, self.shape
        return slice(top, top + rows), slice(left, left + columns)

    def centres_mm(self) -> tuple[Single, Single]:
        """Return x of the columns, shape (1, columns), and y of the rows, shape (rows, 1), mm."""
        return pixel_centres(self.shape, self.pixel_mm, self.origin)

    def to_pixel(self, points: Floats, view: str | None = None) -> Floats:
        """Columns and rows of points in relative coordinates, shape (n, 2).

        With ``view="CC"`` the second coordinate is the one across the beam, in any view.
        """
        places = to_pixel(points, view or self.view, self.outline, self.pixel_mm)
        return np.asarray(places - np.array(self.origin[::-1]))

    def place(self, at: tuple[float, float, float]) -> tuple[float, float]:
        """Row and column of a place in relative coordinates."""
        column, row = self.to_pixel(np.array([at]))[0]
        return float(row), float(column)

    def offsets(self, points_mm: Floats) -> Floats:
        """Rows and columns, relative to the centre, of points in mm around it, shape (n, 2)."""
        turn, tilt = np.deg2rad(ANGLE_DEG[self.view]), np.deg2rad(self.outline.tilt_deg)
        along = points_mm[:, 0]
        up = points_mm[:, 1] * np.cos(turn) + points_mm[:, 2] * np.sin(turn)
        column = along * np.cos(tilt) - up * np.sin(tilt)
        row = -(along * np.sin(tilt) + up * np.cos(tilt))
        return np.column_stack([row, column]) / self.pixel_mm

    def window(self, row: float, column: float, reach_mm: float) -> tuple[slice, slice] | None:
        """Return the square around a place, within the picture; None if it is outside."""
        reach = int(np.ceil(reach_mm / self.pixel_mm)) + 1
        top, bottom = max(int(row) - reach, 0), min(int(row) + reach + 2, self.shape[0])
        left, right = max(int(column) - reach, 0), min(int(column) + reach + 2, self.shape[1])
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)

    def add_shadow(self, out: Single, shadow: Shadow, at: tuple[float, float], by: float) -> None:
        """Add a projected form times ``by``."""
        row, column = at
        cells = shadow.image.shape[0]
        window = self.window(row, column, 0.5 * cells * shadow.step_mm)
        if window is None:
            return
        scale = shadow.step_mm / self.pixel_mm
        tilt = np.deg2rad(self.outline.tilt_deg)
        cos, sin, middle = np.cos(tilt), np.sin(tilt), (cells - 1) / 2
        # From a cell (x towards the nipple, y across) to a pixel; the row falls with y.
        turn = scale * np.array([[cos, -sin], [-sin, -cos]])
        shift = np.array([column - window[1].start, row - window[0].start]) - turn @ np.array(
            [middle, middle]
        )
        size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
        drawn = cv2.warpAffine(
            shadow.image, np.column_stack([turn, shift]), size, flags=cv2.INTER_LINEAR
        )
        out[window] += drawn * np.float32(by)

    def add_curves(
        self, out: Single, curves: tuple[Curve, ...], at: tuple[float, float], by: float
    ) -> None:
        """Add tapering strands around a centre; a strand of 1 mm has the height ``by``."""
        if not curves:
            return
        row, column = at
        paths = [self.offsets(curve.points) for curve in curves]
        reach_mm = max(float(np.abs(path).max()) for path in paths) * self.pixel_mm + 2
        window = self.window(row, column, reach_mm)
        if window is None:
            return
        # Strands thinner than a pixel are drawn in finer ones, of which the mean is taken.
        finer = max(1, round(self.pixel_mm / _STRAND_PIXEL_MM))
        size = out[window].shape
        canvas = np.zeros((size[0] * finer, size[1] * finer), dtype=np.uint8)
        pixel_mm = self.pixel_mm / finer
        origin = np.array([row - window[0].start, column - window[1].start])
        for curve, path in zip(curves, paths, strict=True):
            points = np.round(((path + origin + 0.5) * finer - 0.5)[:, ::-1] * 16).astype(np.int32)
            taper = np.linspace(1, 0.3, len(points) - 1)
            for i, part in enumerate(taper):
                width = curve.width_mm * part / pixel_mm
                level = int(220 * curve.strength * min(1.0, width) * (0.4 + 0.6 * part))
                cv2.polylines(
                    canvas,
                    [points[i : i + 2]],
                    False,
                    level,
                    max(1, round(width)),
                    lineType=cv2.LINE_AA,
                    shift=4,
                )
        soft = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), max(0.15 / pixel_mm, 0.3))
        if finer > 1:
            soft = cv2.resize(soft, size[::-1], interpolation=cv2.INTER_AREA)
        out[window] += soft * np.float32(by / 220)

    def add_balls(
        self, out: Single, balls: Balls, at: tuple[float, float] | Floats, by: float = 1.0
    ) -> None:
        """Add the path through balls of calcium, in mm of fibroglandular tissue."""
        places = self.offsets(balls.centres_mm) + np.array(at)
        radii = balls.radii_mm / self.pixel_mm
        # Small balls get a soft border and keep their volume.
        soft = np.sqrt(radii**2 + 0.45)
        half = np.ceil(soft).astype(int)
        mass = 4 / 3 * np.pi * balls.radii_mm**3 / self.pixel_mm**2 * balls.density * by
        for size in np.unique(half):
            group = np.flatnonzero(half == size)
            step = np.arange(-size, size + 1)
            corner = np.round(places[group]).astype(int)
            rest = places[group] - corner
            dy = step[None, :, None] - rest[:, 0, None, None]
            dx = step[None, None, :] - rest[:, 1, None, None]
            depth = np.sqrt(np.maximum(soft[group, None, None] ** 2 - dy**2 - dx**2, 0))
            total = depth.sum(axis=(1, 2), keepdims=True)
            depth *= mass[group, None, None] / np.maximum(total, 1e-9)
            rows = corner[:, 0, None, None] + step[None, :, None] + np.zeros_like(step)
            columns = corner[:, 1, None, None] + step[None, None, :] + 0 * step[None, :, None]
            keep = (rows >= 0) & (rows < self.shape[0]) & (columns >= 0) & (columns < self.shape[1])
            np.add.at(out, (rows[keep], columns[keep]), depth[keep].astype(np.float32))

    def pull(
        self,
        image: Single,
        at: tuple[float, float],
        radius_mm: float,
        strength: float,
        from_mm: Floats | None = None,
    ) -> None:
        """Draw tissue around a place towards it, as retraction does.

        Parameters
        ----------
        image : ndarray of float32
            Changed in place.
        at : (float, float)
            Row and column.
        radius_mm : float
            Beyond it nothing moves.
        strength : float
            At the centre.
        from_mm : ndarray, shape (3,), optional
            Direction from which tissue is drawn most, with a length from 0 (all directions alike)
            to 1 (nothing from the other side).
        """
        row, column = at
        window = self.window(row, column, radius_mm)
        if window is None:
            return
        # Tissue is compressed, so that it is moved in finer pixels, of which the mean is taken.
        finer = max(1, round(self.pixel_mm / _STRAND_PIXEL_MM))
        size = image[window].shape
        y, x = (
            (np.arange(n * finer, dtype=np.float32) + np.float32(0.5)) / finer - np.float32(0.5)
            for n in size
        )
        dy = y[:, None] - np.float32(row - window[0].start)
        dx = x[None, :] - np.float32(column - window[1].start)
        distance = np.hypot(dy, dx) / np.float32(radius_mm / self.pixel_mm)
        amount = np.float32(strength) * np.clip(1 - distance, 0, 1) ** 2
        if from_mm is not None:
            towards = self.offsets(from_mm[None])[0].astype(np.float32) * np.float32(self.pixel_mm)
            length = np.maximum(np.hypot(dy, dx), np.float32(1e-3))
            amount = amount * (1 + (dy * towards[0] + dx * towards[1]) / length)
        moved = cv2.remap(
            np.ascontiguousarray(image[window]),
            dx * (1 + amount) + np.float32(column - window[1].start),
            dy * (1 + amount) + np.float32(row - window[0].start),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        image[window] = cv2.resize(moved, size[::-1], interpolation=cv2.INTER_AREA)
