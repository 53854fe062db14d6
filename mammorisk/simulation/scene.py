"""What a detailed view shows beside the parenchyma: strands, distractors and lesions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.simulation.calcifications import Balls, specks
from mammorisk.simulation.distractor_shapes import arterial_balls, distractor_balls
from mammorisk.simulation.distractors import Detail, Distractor, Strands
from mammorisk.simulation.lesion_shapes import Curve, curves, random_walk, shadow
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
#: Path through parenchyma at which calcium has its own contrast, mm, and the power of the factor.
_CALCIUM_MM, _CALCIUM_POWER = 24.0, 0.7
#: SD of the blur of the detector, mm (indirect and direct detectors: about 0.05 to 0.1).
BLUR_MM = 0.07
#: Rough size of a breast in mm along x, y and z, which turns directions into millimetres.
_SIZE_MM = np.array([85.0, 75.0, 75.0])


@dataclass(frozen=True, kw_only=True)
class ViewScene:
    """What is drawn into one view.

    Attributes
    ----------
    detail : Detail
        Of this breast.
    lesions : tuple of (Lesion, float)
        Lesions that this view shows, and their height as a share of the path through parenchyma.
    seed : list of int
        Seed of what belongs to this picture only.
    """

    detail: Detail
    lesions: tuple[tuple[Lesion, float], ...]
    seed: list[int]


def mineral(full: float) -> float:
    """Factor of calcium for a path through parenchyma of ``full`` mm.

    The contrast of presentation is set by the path through parenchyma, so that calcium of one
    thickness would be shown fainter where there is more of it. Real systems keep it visible.
    """
    return float(np.clip((full / _CALCIUM_MM) ** _CALCIUM_POWER, 0.6, 2.5))


def ducts_at(place: tuple[float, float, float]) -> tuple[float, float, float]:
    """Direction from a place to the nipple, mm."""
    towards = (np.array([1.0, 0.0, 0.0]) - np.array(place)) * _SIZE_MM
    return float(towards[0]), float(towards[1]), float(towards[2])


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


def draw_things(scene: ViewScene, frame: ViewFrame, gland: Single, full: float) -> None:
    """Add distractors and lesions to the map of dense tissue, mm.

    Parameters
    ----------
    scene : ViewScene
    frame : ViewFrame
    gland : ndarray of float32, shape ``frame.shape``
        Changed in place.
    full : float
        Path through parenchyma, mm.
    """
    for thing in scene.detail.distractors:
        _draw_distractor(scene, thing, frame, gland, full)
    for lesion, height in scene.lesions:
        draw_lesion(lesion, height, frame, gland, full)
    _draw_fold(scene, frame, gland, full)


def draw_lesion(
    lesion: Lesion, height: float, frame: ViewFrame, gland: Single, full: float
) -> None:
    """Add one lesion to the map of dense tissue; parameters as of :func:`draw_things`."""
    at = frame.place(lesion.place)
    if lesion.type == "calcification":
        frame.add_balls(gland, specks(lesion, ducts_at(lesion.place)), at, mineral(full))
        return
    if lesion.type == "distortion":
        frame.pull(gland, at, 0.75 * lesion.size_mm, 0.9)
        frame.add_shadow(gland, shadow(lesion, frame.view), at, 0.8 * height * full)
        frame.add_curves(gland, curves(lesion), at, 1.1 * height * full)
        return
    if lesion.margin == "spiculated":
        frame.pull(gland, at, 1.2 * lesion.size_mm, 0.35)
        frame.add_curves(gland, curves(lesion), at, 0.9 * height * full)
    frame.add_shadow(gland, shadow(lesion, frame.view), at, height * full)


def _draw_distractor(
    scene: ViewScene, thing: Distractor, frame: ViewFrame, gland: Single, full: float
) -> None:
    if thing.kind == "arterial":
        _draw_arterial(scene, thing, frame, gland, full)
        return
    at = frame.place(thing.place)
    if thing.kind == "lymph node":
        _draw_node(thing, frame, gland, full)
    elif thing.kind == "mole":
        _draw_mole(thing, at, frame, gland, full)
    elif thing.kind == "scar":
        rng = np.random.default_rng([thing.seed, 6])
        lines = tuple(
            Curve(
                points=random_walk(
                    rng, rng.normal(0, 2.0, 3), rng.normal(size=3), thing.size_mm * 0.7, 0.8
                ),
                width_mm=float(rng.uniform(0.5, 1.5)),
                strength=float(rng.uniform(0.4, 1.0)),
            )
            for _ in range(int(rng.integers(2, 5)))
        )
        frame.add_curves(gland, lines, at, 0.10 * full)
    elif thing.kind == "popcorn":
        frame.add_shadow(gland, shadow(_body(thing, 1.3), frame.view), at, 0.12 * full)
    balls = distractor_balls(thing)
    if balls is not None:
        frame.add_balls(gland, balls, at, mineral(full))


def _body(thing: Distractor, factor: float = 1.0) -> Lesion:
    """A smooth oval form of the size of a structure."""
    return Lesion(
        lesion_id="",
        type="mass",
        side=thing.side,
        place=thing.place,
        size_mm=thing.size_mm * factor,
        visibility=1.0,
        views=("CC", "MLO"),
        pathology="benign",
        shape="oval",
        margin="circumscribed",
        seed=thing.seed,
    )


def _draw_node(thing: Distractor, frame: ViewFrame, gland: Single, full: float) -> None:
    """An oval node with fat in its hilum."""
    rng = np.random.default_rng([thing.seed, 7])
    row, column = frame.place(thing.place)
    frame.add_shadow(gland, shadow(_body(thing), frame.view), (row, column), 0.14 * full)
    towards = rng.normal(size=3)
    towards *= 0.30 * thing.size_mm / np.linalg.norm(towards)
    shift = frame.offsets(towards[None])[0]
    hilum = shadow(_body(thing, 0.5), frame.view)
    frame.add_shadow(gland, hilum, (row + shift[0], column + shift[1]), -0.07 * full)


def _draw_mole(
    thing: Distractor, at: tuple[float, float], frame: ViewFrame, gland: Single, full: float
) -> None:
    """A sharp disc with a dark line of air around it."""
    window = frame.window(*at, thing.size_mm)
    if window is None:
        return
    y, x = np.mgrid[window].astype(np.float32)
    distance = np.hypot(y - at[0], x - at[1]) * frame.pixel_mm - thing.size_mm / 2
    disc = 1 / (1 + np.exp(np.clip(distance / max(0.12, 0.3 * frame.pixel_mm), -30, 30)))
    halo = np.exp(-np.square((distance - 0.4) / 0.35))
    inside = gland[window] > 0
    gland[window] += ((0.06 * disc - 0.05 * halo) * full * inside).astype(np.float32)


def _draw_arterial(
    scene: ViewScene, thing: Distractor, frame: ViewFrame, gland: Single, full: float
) -> None:
    vessels = scene.detail.vessels
    number = int(thing.place[0])
    path_mm = vessels.points[number] * _SIZE_MM
    width = float(vessels.width_mm[number])
    tracks = arterial_balls(thing.seed, path_mm, width, thing.size_mm)
    # Along the vessel in relative coordinates; the wall around it in millimetres.
    centres = tracks.centres_mm / _SIZE_MM
    places = frame.to_pixel(centres)[:, ::-1]
    at_wall = Balls(
        centres_mm=np.zeros_like(tracks.centres_mm),
        radii_mm=tracks.radii_mm,
        density=tracks.density,
        speck=tracks.speck,
    )
    frame.add_balls(gland, at_wall, places, mineral(full))


def _draw_fold(scene: ViewScene, frame: ViewFrame, gland: Single, full: float) -> None:
    """A fold of skin near the edge of a picture, in some pictures."""
    rng = np.random.default_rng([*scene.seed, 2])
    if rng.random() > 0.12:
        return
    lower = rng.random() < 0.6
    start = np.array([0.0, -0.80 if lower else 0.80])
    end = np.array([rng.uniform(0.25, 0.6), (-0.75 if lower else 0.7) + rng.normal(0, 0.08)])
    steps = np.linspace(0, 1, 12)[:, None]
    bow = 4 * steps * (1 - steps) * rng.normal(0, 0.06)
    path = start + steps * (end - start) + bow
    points = np.column_stack([path[:, 0], path[:, 1], np.zeros(12)])
    # Places of a picture: the coordinate across the beam is given.
    places = frame.to_pixel(points, "CC")
    canvas = np.zeros(frame.shape, dtype=np.uint8)
    width = max(1, round(rng.uniform(1.5, 4.0) / frame.pixel_mm))
    fixed = np.round(places * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, 255, width, lineType=cv2.LINE_AA, shift=4)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.5 / frame.pixel_mm)
    gland += soft.astype(np.float32) * np.float32(rng.uniform(0.08, 0.2) * full / 255)


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
