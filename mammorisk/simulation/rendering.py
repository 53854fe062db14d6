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
from mammorisk.simulation.exposure import Exposure, attenuation
from mammorisk.simulation.outline import Outline, relative_coordinates
from mammorisk.simulation.random_fields import fine_texture, octaves
from mammorisk.simulation.scene import (
    BLUR_MM,
    COARSE_MM,
    ViewScene,
    add_dust,
    excess_of_large_areas,
    label_mask,
    muscle_pattern,
    strands_of,
)
from mammorisk.simulation.scene_structures import draw_things
from mammorisk.simulation.vendors import Vendor
from mammorisk.simulation.view_frame import ViewFrame

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
    scene: ViewScene | None = None,
    raw: bool = False,
    part: tuple[slice, slice] | None = None,
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
    scene : ViewScene, optional
        Detail, distractors and lesions of the view. Without it the view has the plain background,
        no blur and no lesion.
    raw : bool
        Whether to also return the values for processing.
    part : (slice, slice), optional
        Rows and columns to render, without a label. The noise is another draw than in the whole
        picture. None renders the whole.

    Returns
    -------
    Picture
    """
    frame = frame_of(view, outline, vendor, pixel_mm, part)
    thickness = exposure.thickness_mm
    path, gland = tissue_paths(breast, frame, thickness, texture, scene)
    fat, dense = attenuation(exposure.energy_kev)
    contrast = dense - fat
    # Logarithm of the ratio of the signal behind fat of full thickness to the signal here.
    signal = fat * (path - thickness) + contrast * gland
    if scene is not None:
        # The detector blurs the picture, and not the noise of its quanta.
        if pixel_mm < 4 * BLUR_MM:
            signal = cv2.GaussianBlur(signal, (0, 0), BLUR_MM / pixel_mm)
        add_dust(scene, frame, signal)
    quanta = vendor.detector_quanta_per_mm2 * pixel_mm**2
    noise = rng.standard_normal(frame.shape, dtype=np.float32)
    signal += noise * np.exp(0.5 * signal) * np.float32(1 / np.sqrt(quanta))
    full = contrast * thickness * breast.gland_share
    gain = vendor.contrast * (full / _REFERENCE_CONTRAST) ** CONTRAST_LEFT / full
    gain *= strength * float(np.exp(0.03 * rng.standard_normal()))
    # Skin-line equalisation compensates for thin tissue, except for a share proportional to the
    # contrast.
    left = (1 - vendor.skin_equalisation) * breast.gland_share / 0.5
    share = np.float32(fat * (1 - left))
    shown = (signal + share * (thickness - path)) * np.float32(gain)
    inside = path > 0
    if scene is not None:
        # From a coarse picture of the whole view, so that a part is processed like the whole.
        coarse = frame_of(view, outline, vendor, COARSE_MM)
        path, gland = tissue_paths(breast, coarse, thickness, texture, scene)
        large = fat * (path - thickness) + contrast * gland + share * (thickness - path)
        shown -= excess_of_large_areas(large * np.float32(gain), frame)
    pixels = _to_grey(shown, inside, vendor)
    values = _to_raw(signal) if raw else None
    if scene is not None and part is None:
        label = label_mask(scene, frame, breast.side, inside)
        white = np.float32(vendor.white_level * (2**vendor.bits - 1))
        pixels = np.maximum(pixels, (label * white).astype(np.uint16))
        if values is not None:
            values = (values * (1 - np.float32(0.95) * label)).astype(np.uint16)
    return Picture(pixels=pixels, raw=values)


def frame_of(
    view: str,
    outline: Outline,
    vendor: Vendor,
    pixel_mm: float,
    part: tuple[slice, slice] | None = None,
) -> ViewFrame:
    """Return the frame of a picture of a vendor, or of a part of it."""
    whole = (round(vendor.field_mm[0] / pixel_mm), round(vendor.field_mm[1] / pixel_mm))
    if part is None:
        return ViewFrame(view=view, outline=outline, pixel_mm=pixel_mm, shape=whole)
    return ViewFrame(
        view=view,
        outline=outline,
        pixel_mm=pixel_mm,
        shape=(part[0].stop - part[0].start, part[1].stop - part[1].start),
        origin=(part[0].start, part[1].start),
        whole=whole,
    )


def tissue_paths(
    breast: Breast,
    frame: ViewFrame,
    thickness_mm: float,
    texture: Texture,
    scene: ViewScene | None,
) -> tuple[Single, Single]:
    """Return the thickness of the breast and of dense tissue along each path, mm.

    Parameters
    ----------
    breast : Breast
    frame : ViewFrame
    thickness_mm : float
        Compressed thickness.
    texture : Texture
    scene : ViewScene or None

    Returns
    -------
    tuple of ndarray of float32, each of ``frame.shape``
    """
    view, outline, shape, pixel_mm = frame.view, frame.outline, frame.shape, frame.pixel_mm
    xi, up, radius = relative_coordinates(outline, shape, pixel_mm, frame.origin)
    seed = [texture.seed, 0 if breast.side == "L" else 1, ANGLE_DEG[view]]
    whole = frame.whole or shape
    detail = octaves(
        seed,
        whole,
        pixel_mm,
        coarsest_mm=texture.coarsest_mm,
        exponent=texture.exponent,
        part=frame.part,
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
        pattern = fine_texture([*seed, _FINE_STREAM], whole, pixel_mm)
        if frame.part is not None:
            pattern = pattern[frame.part]
        share = share * np.maximum(1 + np.float32(texture.fine) * pattern, 0)

    half = outline.up_mm * (up > 0) + outline.down_mm * (up <= 0)
    to_skin = np.clip(1 - radius, 0, 1) * np.sqrt((xi * outline.depth_mm) ** 2 + (up * half) ** 2)
    to_skin /= np.maximum(radius, 0.05)
    # Between the paddles, the free edge is a flattened half circle.
    edge = np.clip(to_skin / outline.roll_mm, 0, 1)
    nipple = _nipple(frame)
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
    if scene is None:
        strand = np.float32(0.04 * full) * _strands(breast, frame)
    else:
        strand = np.float32(full) * strands_of(scene, frame)
    gland += strand * (radius < 1)

    muscle = _muscle(frame)
    if muscle is not None:
        relief = (
            1 + np.float32(0.05) * detail if scene is None else muscle_pattern(scene, frame, detail)
        )
        over = muscle * np.float32(1.45 * full) * relief
        gland = gland * (1 - 0.6 * muscle) + over * (radius < 1)
    if scene is not None:
        draw_things(scene, frame, gland, full)
    return path, np.maximum(gland, 0).astype(np.float32)


def _nipple(frame: ViewFrame) -> Single:
    """Draw the nipple on the skin line, 0-1."""
    shape = frame.shape
    centre = frame.to_pixel(np.array([[1.0, 0.0, 0.0]]), "CC")[0]
    radius = 5.5 / frame.pixel_mm
    out = np.zeros(shape, dtype=np.float32)
    low = np.maximum(np.floor(centre - radius).astype(int), 0)
    high = np.minimum(np.ceil(centre + radius).astype(int) + 1, shape[::-1])
    if (low >= high).any():
        return out
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    out[low[1] : high[1], low[0] : high[0]] = np.sqrt(np.clip(1 - distance**2, 0, 1))
    return out


def _strands(breast: Breast, frame: ViewFrame) -> Single:
    """Return the share of vessels and ligaments in each path."""
    shape = frame.shape
    total = np.zeros(shape, dtype=np.float32)
    for septa, strength in ((breast.vessels, 0.8), (breast.ligaments, 0.9)):
        canvas = np.zeros(shape, dtype=np.uint8)
        for septum in septa:
            _draw(canvas, septum, frame)
        total += canvas * np.float32(strength / 255)
    return total


def _draw(canvas: NDArray[np.uint8], septum: Septum, frame: ViewFrame) -> None:
    points = np.round(frame.to_pixel(septum.points) * 16).astype(np.int32)
    width = septum.width_mm / frame.pixel_mm
    # A strand that is thinner than a pixel covers a share of it.
    level = int(255 * min(1.0, width) * min(1.0, septum.width_mm))
    cv2.polylines(
        canvas, [points], False, level, max(1, round(width)), lineType=cv2.LINE_AA, shift=4
    )


def _muscle(frame: ViewFrame) -> Single | None:
    """Return the share of the path in the pectoral muscle, a corner with a slightly curved edge."""
    if frame.outline.muscle_mm is None:
        return None
    top, wall = frame.outline.muscle_mm
    x, y = frame.centres_mm()
    fall = np.clip(1 - y / np.float32(wall), -1, 1)
    edge = np.float32(top) * (fall + 0.22 * fall * (1 - fall) * (fall > 0))
    distance = (edge - x) * np.float32(wall / np.hypot(top, wall))
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / 1.2, -30, 30))), dtype=np.float32)


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
