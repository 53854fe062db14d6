"""Position of the compressed breast in a picture, and coordinates relative to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammorisk.simulation.anatomy import ANGLE_DEG
from mammorisk.simulation.exposure import Habit
from mammorisk.simulation.vendors import Vendor

Single = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Outline:
    """Position of the compressed breast in the image in mm, with the chest wall at x = 0.

    Attributes
    ----------
    depth_mm, up_mm, down_mm : float
        From the chest wall to the nipple, and half-heights above and below it.
    nipple_mm : float
        Height of the nipple below the image's upper edge.
    muscle_mm : (float, float) or None
        Intersections of the muscle's edge with the upper edge and the chest wall, MLO only.
    tilt_deg : float
    """

    depth_mm: float
    up_mm: float
    down_mm: float
    nipple_mm: float
    roll_mm: float
    muscle_mm: tuple[float, float] | None
    tilt_deg: float


def outline_of(
    habit: Habit,
    side: str,
    view: str,
    thickness_mm: float,
    vendor: Vendor,
    rng: np.random.Generator,
) -> Outline:
    """Draw the outline: its size from volume and thickness, and its position in this exam."""
    shift, depth_shift, tilt, muscle_top, muscle_wall = rng.standard_normal(5)
    height, width = vendor.field_mm
    sign = 0.5 if side == "L" else -0.5
    volume = habit.volume_mm3 * np.exp(sign * habit.side_log_ratio)
    # A half ellipse with a rounded edge has 0.85 of the volume of one with straight sides.
    area = volume / (0.85 * thickness_mm)
    ratio = habit.shape * (1.12 if view == "MLO" else 1.0)
    depth = np.sqrt(2 * area / (np.pi * ratio))
    half = depth * ratio
    # A breast larger than the detector would need a second image; here it is scaled to fit.
    depth = min(depth * (1 + 0.03 * depth_shift), 0.88 * width)
    if view == "CC":
        half = min(half, 0.46 * height)
        middle = np.clip(0.5 * height + 6 * shift, half + 4, height - half - 4)
        return Outline(
            depth_mm=float(depth),
            up_mm=float(half),
            down_mm=float(half),
            nipple_mm=float(middle),
            roll_mm=habit.roll_mm,
            muscle_mm=None,
            tilt_deg=float(1.5 * tilt),
        )
    down = min(half * (0.95 - 0.04 * habit.ptosis), 0.36 * height)
    nipple = float(
        np.clip(
            (0.60 + 0.015 * habit.ptosis) * height + 6 * shift, 0.45 * height, height - down - 4
        )
    )
    return Outline(
        depth_mm=float(depth),
        up_mm=float(max(1.25 * half, 1.08 * nipple)),
        down_mm=float(down),
        nipple_mm=nipple,
        roll_mm=habit.roll_mm,
        muscle_mm=(
            float(np.clip(0.55 * depth + 7 * muscle_top, 18, 0.8 * depth)),
            float(np.clip(0.80 * nipple + 12 * muscle_wall, 50, 1.15 * nipple)),
        ),
        tilt_deg=float(2.0 * tilt),
    )


def relative_coordinates(
    outline: Outline,
    shape: tuple[int, int],
    pixel_mm: float,
    origin: tuple[int, int] = (0, 0),
) -> tuple[Single, Single, Single]:
    """Return the relative coordinates of each pixel and its radius, which is 1 on the skin.

    ``origin`` is the first row and column of the pixels in the whole picture.
    """
    x, y = pixel_centres(shape, pixel_mm, origin)
    y = outline.nipple_mm - y
    turn = np.deg2rad(outline.tilt_deg)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along = np.maximum(x * cos + y * sin, 0)
    across = y * cos - x * sin
    xi = along / np.float32(outline.depth_mm)
    up = across / np.where(across > 0, outline.up_mm, outline.down_mm).astype(np.float32)
    # Slightly more square than an ellipse.
    radius = (xi**2.15 + np.abs(up) ** 2.15) ** np.float32(1 / 2.15)
    bend = radius / np.maximum(np.sqrt(xi**2 + up**2), np.float32(1e-3))
    bent_xi, bent_up = xi * bend, up * bend
    return bent_xi.astype(np.float32), bent_up.astype(np.float32), radius.astype(np.float32)


def pixel_centres(
    shape: tuple[int, int], pixel_mm: float, origin: tuple[int, int] = (0, 0)
) -> tuple[Single, Single]:
    """Return x of the columns, shape (1, columns), and y of the rows, shape (rows, 1), in mm."""
    top, left = origin
    x = (np.arange(left, left + shape[1], dtype=np.float32) + 0.5)[None, :] * pixel_mm
    y = (np.arange(top, top + shape[0], dtype=np.float32) + 0.5)[:, None] * pixel_mm
    return x, y


def to_pixel(
    points: NDArray[np.float64], view: str, outline: Outline, pixel_mm: float
) -> NDArray[np.float64]:
    """Return columns and rows of points in relative coordinates, shape (n, 2)."""
    turn = np.deg2rad(ANGLE_DEG[view])
    up = points[:, 1] * np.cos(turn) + points[:, 2] * np.sin(turn)
    x = points[:, 0] * outline.depth_mm
    y = up * np.where(up > 0, outline.up_mm, outline.down_mm)
    tilt = np.deg2rad(outline.tilt_deg)
    across = x * np.cos(tilt) - y * np.sin(tilt)
    height = x * np.sin(tilt) + y * np.cos(tilt)
    return np.column_stack([across, outline.nipple_mm - height]) / pixel_mm - 0.5
