"""Rendering of the pixels of one view from a breast and an exposure.

The steps are: thickness of the compressed breast and of fibroglandular tissue along each path;
attenuation by Beer's law without scatter; quantum noise; then, for presentation, the logarithm,
skin-line equalisation, a contrast curve and rounding. The chest wall is at the left; right breasts
are mirrored when the file is written.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.simulation.anatomy import ANGLE_DEG, GRID, Breast, Septum
from mammorisk.simulation.exposure import Exposure, Habit, attenuation
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.random_fields import fine_texture, octaves
from mammorisk.simulation.vendors import Vendor

Single = NDArray[np.float32]

#: Share of the physical contrast of dense tissue that remains after processing, in logarithms. The
#: rest is removed, as in image-adaptive processing (assumed).
CONTRAST_LEFT = 0.15
_REFERENCE_CONTRAST = 0.75
#: Width of the skin line.
_SKIN_MM = 1.5
#: Last part of the seed of the fine signal, which no octave has.
_FINE_STREAM = 1000


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Fine detail of the parenchyma of a woman.

    Attributes
    ----------
    seed : int
    coarsest_mm : float
        Size of the largest nodules.
    strength : float
        Relative modulation.
    exponent : float
        Power falls as 1/f^exponent below the coarsest size.
    fine : float
        Relative amplitude of the fine signal; 0 for none.
    """

    seed: int
    coarsest_mm: float
    strength: float
    exponent: float
    fine: float = 0.0


def texture_of(score: float, seed: int, exponent: float) -> Texture:
    """Return the detail for a texture score. A higher score is coarser and stronger (assumed)."""
    return Texture(
        seed=seed,
        coarsest_mm=6.0 * float(np.exp(0.35 * np.clip(score, -3, 3))),
        strength=float(np.exp(0.45 * np.clip(score, -3, 3))),
        exponent=exponent,
    )


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


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A rendered view.

    Attributes
    ----------
    pixels : ndarray of uint16, shape (rows, columns)
        Values for presentation, bright is dense (not inverted), chest wall at the left.
    raw : ndarray of uint16 or None
        Values for processing, proportional to the signal of the detector (bright is air).
    """

    pixels: NDArray[np.uint16]
    raw: NDArray[np.uint16] | None


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


def render(
    breast: Breast,
    view: str,
    outline: Outline,
    exposure: Exposure,
    vendor: Vendor,
    texture: Texture,
    *,
    pixel_mm: float,
    rng: np.random.Generator,
    strength: float = 1.0,
    lesions: tuple[Lesion, ...] = (),
    raw: bool = False,
) -> Picture:
    """Render one view.

    Parameters
    ----------
    breast : Breast
    view : {"CC", "MLO"}
    outline : Outline
    exposure : Exposure
    vendor : Vendor
    texture : Texture
    pixel_mm : float
    rng : Generator
        Generator of noise and of small differences of processing between views.
    strength : float
        Relative strength of the processing in this exam.
    lesions : tuple of Lesion
        Lesions of the exam. Only those of this breast are drawn.
    raw : bool
        Whether to also return the values for processing.

    Returns
    -------
    Picture
    """
    rows, columns = (round(length / pixel_mm) for length in vendor.field_mm)
    path, gland = _paths(
        breast, view, outline, exposure.thickness_mm, texture, (rows, columns), pixel_mm, lesions
    )
    fat, dense = attenuation(exposure.energy_kev)
    contrast = dense - fat
    # Logarithm of the ratio of the signal behind fat of full thickness to the signal here.
    signal = fat * (path - exposure.thickness_mm) + contrast * gland
    quanta = vendor.detector_quanta_per_mm2 * pixel_mm**2
    noise = rng.standard_normal((rows, columns), dtype=np.float32)
    signal += noise * np.exp(0.5 * signal) * np.float32(1 / np.sqrt(quanta))
    full = contrast * exposure.thickness_mm * breast.gland_share
    gain = vendor.contrast * (full / _REFERENCE_CONTRAST) ** CONTRAST_LEFT / full
    gain *= strength * float(np.exp(0.03 * rng.standard_normal()))
    # Skin-line equalisation compensates for thin tissue, except for a share proportional to the
    # contrast.
    lacking = exposure.thickness_mm - path
    left = (1 - vendor.skin_equalisation) * breast.gland_share / 0.5
    shown = signal + np.float32(fat * (1 - left)) * lacking
    return Picture(
        pixels=_to_grey(shown * np.float32(gain), path > 0, vendor),
        raw=_to_raw(signal) if raw else None,
    )


def _paths(
    breast: Breast,
    view: str,
    outline: Outline,
    thickness_mm: float,
    texture: Texture,
    shape: tuple[int, int],
    pixel_mm: float,
    lesions: tuple[Lesion, ...],
) -> tuple[Single, Single]:
    """Return the thickness of the breast and of dense tissue along each path, mm."""
    xi, up, radius = _coordinates(outline, shape, pixel_mm)
    seed = [texture.seed, 0 if breast.side == "L" else 1, ANGLE_DEG[view]]
    detail = octaves(
        seed, shape, pixel_mm, coarsest_mm=texture.coarsest_mm, exponent=texture.exponent
    )
    region = cv2.remap(
        np.clip(breast.region[view], 0, 1),
        (up + 1) * (GRID[1] / 2) - 0.5,
        xi * GRID[0] - 0.5,
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    modulated = np.clip(region, 0, 1) * (1 + (0.12 * texture.strength) * detail)
    # In fat, the same detail appears as a network of strands along its zero lines.
    strands = np.exp(-np.square(detail / np.float32(0.30)))
    share = np.clip(modulated, 0, 1.4) + (0.026 * texture.strength) * strands

    if texture.fine > 0:
        pattern = fine_texture([*seed, _FINE_STREAM], shape, pixel_mm)
        share = share * np.maximum(1 + np.float32(texture.fine) * pattern, 0)

    half = outline.up_mm * (up > 0) + outline.down_mm * (up <= 0)
    to_skin = np.clip(1 - radius, 0, 1) * np.sqrt((xi * outline.depth_mm) ** 2 + (up * half) ** 2)
    to_skin /= np.maximum(radius, 0.05)
    # Between the paddles, the free edge is a flattened half circle.
    edge = np.clip(to_skin / outline.roll_mm, 0, 1)
    nipple = _nipple(outline, shape, pixel_mm)
    path = thickness_mm * np.sqrt(1 - (1 - edge) ** 2)
    path = np.where(radius < 1, np.maximum(path, 1.0), 0).astype(np.float32)
    full = breast.gland_share * thickness_mm
    gland = np.float32(breast.gland_share) * path * share
    # Skin, nipple, vessels and muscle are drawn as shares of a path through parenchyma. Processing
    # shows them the same for any composition, and they must not be informative about it.
    skin = np.exp(-to_skin / _SKIN_MM) + 0.6
    gland += np.where(radius < 1, 0.03 * full * skin, 0).astype(np.float32)
    path = np.maximum(path, 6 * nipple)
    gland = np.maximum(gland, np.float32(0.14 * full) * nipple)
    strand = _strands(breast, view, outline, shape, pixel_mm)
    gland += np.float32(0.04 * full) * strand * (radius < 1)

    for lesion in lesions:
        if lesion.side == breast.side:
            _add_lesion(gland, lesion, view, outline, thickness_mm, pixel_mm)
    muscle = _muscle(outline, shape, pixel_mm)
    if muscle is not None:
        over = muscle * np.float32(1.45 * full) * (1 + np.float32(0.05) * detail)
        gland = gland * (1 - 0.6 * muscle) + over * (radius < 1)
    return path, np.maximum(gland, 0).astype(np.float32)


def _coordinates(
    outline: Outline, shape: tuple[int, int], pixel_mm: float
) -> tuple[Single, Single, Single]:
    """Return the relative coordinates of each pixel and its radius, which is 1 on the skin."""
    x = (np.arange(shape[1], dtype=np.float32) + 0.5)[None, :] * pixel_mm
    y = outline.nipple_mm - (np.arange(shape[0], dtype=np.float32) + 0.5)[:, None] * pixel_mm
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


def _to_pixel(
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


def _nipple(outline: Outline, shape: tuple[int, int], pixel_mm: float) -> Single:
    """Draw the nipple on the skin line, 0-1."""
    centre = _to_pixel(np.array([[1.0, 0.0, 0.0]]), "CC", outline, pixel_mm)[0]
    radius = 5.5 / pixel_mm
    out = np.zeros(shape, dtype=np.float32)
    low = np.maximum(np.floor(centre - radius).astype(int), 0)
    high = np.minimum(np.ceil(centre + radius).astype(int) + 1, shape[::-1])
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    out[low[1] : high[1], low[0] : high[0]] = np.sqrt(np.clip(1 - distance**2, 0, 1))
    return out


def _strands(
    breast: Breast, view: str, outline: Outline, shape: tuple[int, int], pixel_mm: float
) -> Single:
    """Return the share of vessels and ligaments in each path."""
    total = np.zeros(shape, dtype=np.float32)
    for septa, strength in ((breast.vessels, 0.8), (breast.ligaments, 0.9)):
        canvas = np.zeros(shape, dtype=np.uint8)
        for septum in septa:
            _draw(canvas, septum, view, outline, pixel_mm)
        total += canvas * np.float32(strength / 255)
    return total


def _draw(
    canvas: NDArray[np.uint8], septum: Septum, view: str, outline: Outline, pixel_mm: float
) -> None:
    points = np.round(_to_pixel(septum.points, view, outline, pixel_mm) * 16).astype(np.int32)
    width = septum.width_mm / pixel_mm
    # A strand that is thinner than a pixel covers a share of it.
    level = int(255 * min(1.0, width) * min(1.0, septum.width_mm))
    cv2.polylines(
        canvas, [points], False, level, max(1, round(width)), lineType=cv2.LINE_AA, shift=4
    )


def _muscle(outline: Outline, shape: tuple[int, int], pixel_mm: float) -> Single | None:
    """Return the share of the path in the pectoral muscle, a corner with a slightly curved edge."""
    if outline.muscle_mm is None:
        return None
    top, wall = outline.muscle_mm
    x = (np.arange(shape[1], dtype=np.float32) + 0.5)[None, :] * pixel_mm
    y = (np.arange(shape[0], dtype=np.float32) + 0.5)[:, None] * pixel_mm
    fall = np.clip(1 - y / np.float32(wall), -1, 1)
    edge = np.float32(top) * (fall + 0.22 * fall * (1 - fall) * (fall > 0))
    distance = (edge - x) * np.float32(wall / np.hypot(top, wall))
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / 1.2, -30, 30))), dtype=np.float32)


def place_of(
    lesion: Lesion, view: str, outline: Outline, pixel_mm: float
) -> tuple[float, float, float]:
    """Return row, column and radius of a lesion in pixels, with the chest wall at the left."""
    column, row = _to_pixel(np.array([lesion.place]), view, outline, pixel_mm)[0]
    return float(row), float(column), lesion.radius_mm / pixel_mm


def _add_lesion(
    gland: Single,
    lesion: Lesion,
    view: str,
    outline: Outline,
    thickness_mm: float,
    pixel_mm: float,
) -> None:
    """Draw a lesion into the map of dense tissue."""
    row, column, radius = place_of(lesion, view, outline, pixel_mm)
    rng = np.random.default_rng([lesion.seed, ANGLE_DEG[view]])
    reach = int(np.ceil(2 * radius))
    top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
    window = gland[top : int(row) + reach + 1, left : int(column) + reach + 1]
    y, x = np.mgrid[: window.shape[0], : window.shape[1]]
    y, x = y + top - row, x + left - column
    distance, angle = np.hypot(x, y) / radius, np.arctan2(y, x)
    if lesion.kind == "calcifications":
        _add_specks(window, x, y, radius, pixel_mm, rng)
    elif lesion.kind == "distortion":
        spokes = np.cos(angle * int(rng.integers(9, 15)) + rng.uniform(0, 6)) ** 8
        window += (2.2 * spokes * np.exp(-(distance**2)) * np.clip(distance * 3, 0, 1)).astype(
            np.float32
        )
    else:
        lobes = 1 + sum(
            rng.normal(0, 0.10) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 7)
        )
        soft = 0.5 if lesion.kind == "asymmetry" else 0.12
        body = 1 / (1 + np.exp(np.clip((distance - lobes) / (0.5 * soft), -30, 30)))
        # A mass is as thick as it is wide; an asymmetry is flatter.
        most = min(
            lesion.radius_mm * (0.5 if lesion.kind == "asymmetry" else 1.6), 0.8 * thickness_mm
        )
        profile = np.sqrt(np.clip(1.2 - np.minimum(distance, 1.0) ** 2, 0, None))
        window += (most * 0.6 * body * profile).astype(np.float32)


def _add_specks(
    window: Single,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radius: float,
    pixel_mm: float,
    rng: np.random.Generator,
) -> None:
    for _ in range(int(rng.integers(8, 26))):
        at = rng.normal(0, 0.4 * radius, 2)
        size_mm = rng.uniform(0.15, 0.5)
        # Calcium attenuates like about fifteen times its thickness of fibroglandular tissue.
        sigma = max(size_mm / pixel_mm, 0.6) / 2
        volume = 15 * size_mm**3 / pixel_mm**2
        speck = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
        window += (volume * speck / (2 * np.pi * sigma**2)).astype(np.float32)


def _to_grey(shown: Single, inside: NDArray[np.bool_], vendor: Vendor) -> NDArray[np.uint16]:
    """Apply the contrast curve and rounding. Pixels outside the breast are 0."""
    rise = 1 - np.exp(-np.maximum(shown, 0) / np.float32(0.55))
    low = np.float32(vendor.fat_level)
    white = np.float32(vendor.white_level)
    bright = low + (white - low) * rise ** np.float32(vendor.gamma)
    dark = low * np.exp(np.minimum(shown, 0) * np.float32(1.6))
    grey = np.where(shown > 0, bright, dark) * np.float32(2**vendor.bits - 1)
    return np.where(inside, np.maximum(np.round(grey), 8), 0).astype(np.uint16)


def _to_raw(signal: Single) -> NDArray[np.uint16]:
    """Convert the detector signal: fat is at a tenth of the 14-bit range, and air saturates."""
    return np.clip(np.round(np.exp(-signal) * np.float32(1638)), 0, 2**14 - 1).astype(np.uint16)
