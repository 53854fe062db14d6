"""Balls of calcium and metal of the structures that are not lesions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.simulation.calcifications import Balls, join
from mammorisk.simulation.distractors import Distractor

_Part = tuple[Floats, Floats, Floats]

#: Density of metal and of old coarse calcium, mm of fibroglandular tissue for each mm.
_METAL, _COARSE = 120.0, 10.0


@lru_cache(maxsize=64)
def distractor_balls(thing: Distractor) -> Balls | None:
    """Return the calcium or metal of a structure in mm around its place; None if it has none."""
    rng = np.random.default_rng([thing.seed, 4])
    draw = _DRAWN.get(thing.kind)
    return None if draw is None else join(draw(rng, thing.size_mm))


def arterial_balls(seed: int, path_mm: Floats, width_mm: float, covered_mm: float) -> Balls:
    """Return two broken parallel tracks along a vessel, in mm around the origin of the path.

    Parameters
    ----------
    seed : int
    path_mm : ndarray, shape (n, 3)
    width_mm : float
        Width of the vessel.
    covered_mm : float
        Length of the calcified part.
    """
    rng = np.random.default_rng([seed, 5])
    step = np.linalg.norm(np.diff(path_mm, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    first = float(rng.uniform(0, max(along[-1] - covered_mm, 0.0)))
    places = np.arange(first, min(first + covered_mm, along[-1]), 0.22)
    centre = np.column_stack([np.interp(places, along, path_mm[:, i]) for i in range(3)])
    heading = np.gradient(centre, axis=0) if len(centre) > 1 else np.ones_like(centre)
    heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-9)
    parts: list[_Part] = []
    for track in (0.0, np.pi):
        # Rings of the wall, denser in runs.
        angle = track + rng.normal(0, 0.5, len(places))
        side = np.cross(heading, np.array([0.3, 0.5, 0.8]))
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
        other = np.cross(heading, side)
        wall = 0.5 * width_mm * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other)
        runs = np.convolve(rng.normal(size=len(places) + 8), np.ones(9) / 3, mode="valid")
        keep = runs > -0.2
        if not keep.any():
            continue
        radii = rng.uniform(0.10, 0.22, int(keep.sum()))
        parts.append(((centre + wall)[keep], radii, rng.uniform(5.0, 13.0, int(keep.sum()))))
    if not parts:
        parts = [(centre[:1], np.array([0.15]), np.array([5.0]))]
    return join(parts)


def _one(rng: np.random.Generator, size: float) -> list[_Part]:
    count = int(rng.integers(1, 4))
    centres = rng.normal(0, 0.25 * size, (count, 3))
    radii = 0.5 * size * rng.uniform(0.5, 1.0, count)
    return [(centres, radii, np.full(count, float(np.exp(rng.normal(2.5, 0.35)))))]


def _coarse(rng: np.random.Generator, size: float) -> list[_Part]:
    count = int(rng.integers(6, 14))
    axes = np.exp(rng.normal(0, 0.3, 3))
    centres = rng.normal(0, 0.28 * size, (count, 3)) * axes
    return [(centres, size * rng.uniform(0.10, 0.32, count), np.full(count, _COARSE * 0.5))]


def _popcorn(rng: np.random.Generator, size: float) -> list[_Part]:
    # Lumps of many balls, so that none is a sphere.
    parts: list[_Part] = []
    for _ in range(int(rng.integers(4, 11))):
        at = np.clip(rng.normal(0, 0.25, 3), -0.5, 0.5) * size
        lump = size * rng.uniform(0.05, 0.16)
        count = int(rng.integers(6, 16))
        centres = at + rng.normal(0, 0.6 * lump, (count, 3)) * np.exp(rng.normal(0, 0.3, 3))
        radii = lump * rng.uniform(0.2, 0.7, count)
        parts.append((centres, radii, np.full(count, _COARSE * 0.35)))
    return parts


def _rim(rng: np.random.Generator, size: float) -> list[_Part]:
    count = int(np.clip(14 * size**2, 120, 2000))
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    ring = np.sqrt(1 - height**2)
    shell = np.column_stack([ring * np.cos(turn), ring * np.sin(turn), height])
    axes = np.exp(rng.normal(0, 0.08, 3))
    # Part of the rim can be open.
    open_ = shell @ rng.normal(size=3) > rng.uniform(1.2, 4.0)
    shell = shell[~open_] * axes * size / 2
    radii = rng.uniform(0.16, 0.26, len(shell))
    return [(shell, radii, np.full(len(shell), 2.4))]


def _rods(rng: np.random.Generator, size: float) -> list[_Part]:
    parts: list[_Part] = []
    for _ in range(int(rng.integers(3, 9))):
        start = rng.normal(0, 0.35 * size, 3)
        heading = np.array([1.0, 0.0, 0.0]) + rng.normal(0, 0.3, 3)
        heading /= np.linalg.norm(heading)
        length = rng.uniform(2.0, 8.0)
        radius = rng.uniform(0.25, 0.5)
        places = np.arange(0, length, radius)
        parts.append(
            (
                start + places[:, None] * heading,
                np.full(len(places), radius) * rng.uniform(0.85, 1.1, len(places)),
                np.full(len(places), 6.0),
            )
        )
    return parts


def _skin(rng: np.random.Generator, size: float) -> list[_Part]:
    """Round calcifications with a lucent centre."""
    parts: list[_Part] = []
    for _ in range(int(rng.integers(2, 9))):
        at = rng.normal(0, 0.35 * size, 3)
        radius = rng.uniform(0.25, 0.6)
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ring = np.concatenate(
            [
                np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]),
                np.column_stack([np.cos(angle), 0 * angle, np.sin(angle)]),
            ]
        )
        parts.append((at + radius * ring, np.full(28, 0.12), np.full(28, 8.0)))
    return parts


def _clip(rng: np.random.Generator, size: float) -> list[_Part]:
    angle = np.linspace(0, rng.uniform(2.5, 6.0), 26)
    bent = np.column_stack([np.cos(angle), np.sin(angle), 0.3 * np.sin(2 * angle)]) * size / 2
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return [(bent @ turn, np.full(26, 0.2), np.full(26, _METAL / 3))]


def _marker(rng: np.random.Generator, size: float) -> list[_Part]:
    return [(np.zeros((1, 3)), np.array([size / 2]), np.array([_METAL]))]


def _scar_wire(rng: np.random.Generator, size: float) -> list[_Part]:
    """A wire that marks the scar on the skin; half of the scars have one."""
    if rng.random() < 0.5:
        return [(np.zeros((1, 3)), np.array([0.01]), np.array([0.0]))]
    along = np.linspace(-0.5, 0.5, int(size / 0.3)) * size
    heading, side = rng.normal(size=(2, 3))
    heading /= np.linalg.norm(heading)
    wave = 0.08 * size * (1 - (2 * along / size) ** 2)
    path = along[:, None] * heading + wave[:, None] * side
    return [(path, np.full(len(path), 0.3), np.full(len(path), _METAL / 5))]


_DRAWN = {
    "single speck": _one,
    "coarse": _coarse,
    "popcorn": _popcorn,
    "rim": _rim,
    "rods": _rods,
    "skin calcifications": _skin,
    "clip": _clip,
    "skin marker": _marker,
    "scar": _scar_wire,
}
