"""What a detailed view shows at single places: lesions, what resembles them, folds of the skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mammorisk.simulation.calcifications import Balls, specks
from mammorisk.simulation.distractor_shapes import arterial_balls, distractor_balls
from mammorisk.simulation.distractors import Distractor
from mammorisk.simulation.lesion_shapes import Curve, curves, random_walk, retraction, shadow
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.scene import ViewScene
from mammorisk.simulation.view_frame import ViewFrame

Single = NDArray[np.float32]

#: Path through parenchyma at which calcium has its own contrast, mm, and the power of the factor.
_CALCIUM_MM, _CALCIUM_POWER = 24.0, 0.7
#: Rough size of a breast in mm along x, y and z, which turns directions into millimetres.
_SIZE_MM = np.array([85.0, 75.0, 75.0])


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


def draw_things(scene: ViewScene, frame: ViewFrame, gland: Single, full: float) -> None:
    """Add distractors, summations and lesions to the map of dense tissue, mm.

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
    for lesion, height in (*scene.summations, *scene.lesions):
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
        drawn_in = retraction(lesion)
        frame.pull(gland, at, 0.75 * lesion.size_mm, drawn_in.strength, drawn_in.from_mm)
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
