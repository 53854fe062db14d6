"""What a detailed view shows everywhere: strands, muscle, dust, label and processing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.simulation.distractors import Detail, Strands
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.outline import to_pixel
from mammorisk.simulation.random_fields import octaves
from mammorisk.simulation.view_frame import ViewFrame

Single = NDArray[np.float32]

#: Height of a ligament and a vessel of strength 1, as a share of the path through parenchyma.
_LIGAMENT, _VESSEL, _STREAK = 0.075, 0.07, 0.05
#: Finest pixels in which streaks are drawn, mm.
_STREAK_PIXEL_MM = 0.2
#: Grid of smooth noise, mm, and its cells, which cover the field of every vendor.
_SMOOTH_MM, _SMOOTH_GRID = 2.0, (128, 104)
#: Share of the contrast of areas larger than about 8 mm above a level that processing removes.
_EQUALISED, _EQUALISED_MM, _KNEE = 0.65, 8.0, 0.45
#: Pixels of the picture in which large areas are measured, mm.
COARSE_MM = 2.0
#: SD of the blur of the detector, mm (indirect and direct detectors: about 0.05 to 0.1).
BLUR_MM = 0.07


@dataclass(frozen=True, kw_only=True)
class ViewScene:
    """What is drawn into one view.

    Attributes
    ----------
    detail : Detail
        Of this breast.
    lesions : tuple of (Lesion, float)
        Lesions that this view shows, and their height as a share of the path through parenchyma.
    summations : tuple of (Lesion, float)
        Overlaps of normal tissue in this picture, likewise.
    seed : list of int
        Seed of what belongs to this picture only.
    """

    detail: Detail
    lesions: tuple[tuple[Lesion, float], ...]
    summations: tuple[tuple[Lesion, float], ...]
    seed: list[int]


def strands_of(scene: ViewScene, frame: ViewFrame) -> Single:
    """Return streaks, ligaments and vessels as a share of the path through parenchyma."""
    total = _lines(scene.detail.ligaments, frame, 0.18) * np.float32(_LIGAMENT)
    total += _lines(scene.detail.vessels, frame, 0.35) * np.float32(_VESSEL)
    total += streaks(scene, frame) * np.float32(_STREAK * scene.detail.streakiness)
    return total


def streaks(scene: ViewScene, frame: ViewFrame) -> Single:
    """Return fine streaks that run to the nipple, about 0 to 1, as in the fat of real films.

    They are drawn for each view: such fine detail does not agree between views.
    """
    pixel = max(frame.pixel_mm, _STREAK_PIXEL_MM)
    rows, columns = (int(np.ceil(n * frame.pixel_mm / pixel)) for n in frame.shape)
    top_mm, left_mm = (n * frame.pixel_mm for n in frame.origin)
    x = ((np.arange(columns, dtype=np.float32) + 0.5) * pixel + np.float32(left_mm))[None, :]
    y = ((np.arange(rows, dtype=np.float32) + 0.5) * pixel + np.float32(top_mm))[:, None]
    nipple = to_pixel(np.array([[1.25, 0.0, 0.0]]), "CC", frame.outline, 1.0)[0] + 0.5
    drift = [_smooth([*scene.seed, 20 + i], x, y, 28.0) for i in range(2)]
    dx = np.float32(nipple[0]) - x + np.float32(3.5) * drift[0]
    dy = y - np.float32(nipple[1]) + np.float32(3.5) * drift[1]
    reach = np.hypot(dx, dy)
    # Arc length at a distance of 70 mm, so that streaks come closer towards the nipple.
    arc = np.arctan2(dy, dx) * np.float32(70.0)
    noise = np.random.default_rng([*scene.seed, 30]).standard_normal((128, 512), dtype=np.float32)
    total = np.zeros((rows, columns), dtype=np.float32)
    for across_mm, along_mm, share in ((1.4, 11.0, 1.0), (3.2, 22.0, 0.8)):
        seen = cv2.remap(
            noise,
            (arc / np.float32(across_mm)) + np.float32(256),
            (reach / np.float32(along_mm)) + np.float32(20),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_WRAP,
        )
        total += np.float32(share) * np.exp(-np.square(seen / np.float32(0.30)))
    patchy = _smooth([*scene.seed, 31], x, y, 18.0)
    total *= np.clip(np.float32(0.55) + np.float32(0.35) * patchy, 0.1, 1.6)
    if (rows, columns) == frame.shape:
        return total
    size = (round(columns * pixel / frame.pixel_mm), round(rows * pixel / frame.pixel_mm))
    drawn = cv2.resize(total, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(drawn[: frame.shape[0], : frame.shape[1]])


def _smooth(seed: list[int], x: Single, y: Single, coarsest_mm: float) -> Single:
    """Noise without detail below 4 mm at places in mm, made on a coarse grid."""
    field = octaves(seed, _SMOOTH_GRID, _SMOOTH_MM, coarsest_mm=coarsest_mm, exponent=4.0)
    step_x, step_y = (float(v.flat[1] - v.flat[0]) / _SMOOTH_MM for v in (x, y))
    matrix = np.array(
        [
            [step_x, 0, float(x.flat[0]) / _SMOOTH_MM - 0.5],
            [0, step_y, float(y.flat[0]) / _SMOOTH_MM - 0.5],
        ]
    )
    drawn = cv2.warpAffine(
        field,
        matrix,
        (x.size, y.size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, dtype=np.float32)


def _lines(strands: Strands, frame: ViewFrame, soft_mm: float) -> Single:
    count, steps, _ = strands.points.shape
    flat = strands.points.reshape(-1, 3)
    places = frame.to_pixel(flat).reshape(count, steps, 2)
    fixed = np.round(places * 16).astype(np.int32)
    width = strands.width_mm / frame.pixel_mm
    level = strands.strength * np.minimum(1.0, width) * np.minimum(1.0, strands.width_mm / 0.6)
    most = max(float(level.max()), 1e-6)
    canvas = np.zeros(frame.shape, dtype=np.uint8)
    # Bright strands last, so that no faint one erases them.
    for i in np.argsort(level):
        cv2.polylines(
            canvas,
            [fixed[i]],
            False,
            max(1, int(255 * level[i] / most)),
            max(1, round(width[i])),
            lineType=cv2.LINE_AA,
            shift=4,
        )
    soft = soft_mm / frame.pixel_mm
    blurred = cv2.GaussianBlur(canvas, (0, 0), soft) if soft > 0.3 else canvas
    return np.asarray(blurred, dtype=np.float32) * np.float32(most / 255)


def muscle_pattern(scene: ViewScene, frame: ViewFrame, coarse: Single) -> Single:
    """Return the relative thickness of the pectoral muscle, with fibres along it."""
    top, wall = frame.outline.muscle_mm or (1.0, 1.0)
    noise = octaves([*scene.seed, 1], (64, 256), 1.0, coarsest_mm=16.0, exponent=2.6)
    # Fibres run nearly along the edge: slow along it, quick across it.
    angle = np.arctan2(wall, -top) + np.deg2rad(6)
    cos, sin = np.cos(angle) * frame.pixel_mm, np.sin(angle) * frame.pixel_mm
    matrix = np.array([[-sin * 1.5, cos * 1.5, 128.0], [cos * 0.18, sin * 0.18, 32.0]])
    matrix[:, 2] += matrix[:, :2] @ np.array(frame.origin[::-1])
    fibres = cv2.warpAffine(
        noise,
        matrix,
        (frame.shape[1], frame.shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.float32(0.78) + np.float32(0.05) * fibres + np.float32(0.03) * coarse


def add_dust(scene: ViewScene, frame: ViewFrame, signal: Single) -> None:
    """Add dust and scratches of the detector, which no blur softens, to the signal."""
    rng = np.random.default_rng([*scene.seed, 3])
    for _ in range(int(rng.poisson(1.0))):
        at = rng.uniform(0.1, 0.7), rng.uniform(-0.7, 0.7)
        points = np.array([[at[0], at[1], 0.0]])
        column, row = frame.to_pixel(points, "CC")[0]
        height = float(rng.choice([-1.0, 1.0], p=[0.35, 0.65]) * rng.uniform(0.05, 0.25))
        many = int(rng.integers(1, 4))
        for _ in range(many):
            size_mm = rng.uniform(0.08, 0.25)
            shift = rng.normal(0, 1.5, 2) / frame.pixel_mm
            y, x = int(row + shift[0]), int(column + shift[1])
            extent = max(1, round(size_mm / frame.pixel_mm))
            if 0 <= y < frame.shape[0] - extent and 0 <= x < frame.shape[1] - extent:
                share = min(1.0, (size_mm / frame.pixel_mm) ** 2)
                signal[y : y + extent, x : x + extent] += np.float32(height * share)


def excess_of_large_areas(coarse: Single, frame: ViewFrame) -> Single:
    """Return the contrast that processing removes from large dense areas, as real systems do.

    Parameters
    ----------
    coarse : ndarray of float32
        Contrast for presentation of the whole view in pixels of :data:`COARSE_MM`.
    frame : ViewFrame
        Picture for which the excess is returned.
    """
    above = np.maximum(coarse - np.float32(_KNEE), 0)
    large = cv2.GaussianBlur(above, (0, 0), _EQUALISED_MM / COARSE_MM)
    step = frame.pixel_mm / COARSE_MM
    top, left = frame.origin
    matrix = np.array([[step, 0, (left + 0.5) * step - 0.5], [0, step, (top + 0.5) * step - 0.5]])
    drawn = cv2.warpAffine(
        large * np.float32(_EQUALISED),
        matrix,
        (frame.shape[1], frame.shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, dtype=np.float32)


def label_mask(scene: ViewScene, frame: ViewFrame, side: str, inside: NDArray[np.bool_]) -> Single:
    """Return the letters of the label beside the breast, 0-1."""
    rng = np.random.default_rng([*scene.seed, 4])
    text = f"{side} {frame.view}"
    scale = 7.0 / frame.pixel_mm / 22
    thick = max(1, round(1.1 / frame.pixel_mm))
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x = frame.shape[1] - wide - round(rng.uniform(4, 12) / frame.pixel_mm)
    y = high + round(rng.uniform(4, 14) / frame.pixel_mm)
    # In a mirrored picture the letters are read from the other side.
    letters = np.zeros(frame.shape, dtype=np.uint8)
    cv2.putText(
        letters, text, (max(x, 0), y), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA
    )
    if side == "R":
        box = letters[:, max(x, 0) : max(x, 0) + wide]
        letters[:, max(x, 0) : max(x, 0) + wide] = box[:, ::-1]
    letters[inside] = 0
    return np.asarray(letters, dtype=np.float32) / np.float32(255)
