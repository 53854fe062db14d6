"""Forms of masses and asymmetries in three dimensions, curves, and their projections.

A form lives in millimetres around its centre: x towards the nipple, y lateral, z upwards. A view
shows x, and the direction across the beam between y and z. Both views therefore show one form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mammorisk._utils.typing import Floats
from mammorisk.simulation.anatomy import ANGLE_DEG
from mammorisk.simulation.lesions import Lesion
from mammorisk.simulation.random_fields import power_law_pair

Single = NDArray[np.float32]

#: Cells of a form along each axis, and the half-width of its box in radii of the lesion.
CELLS = 48
_REACH = 1.7
#: Power of the thickness of masses with a sharp border: compressed, they are flatter than balls.
_FLAT = {"circumscribed": 0.55, "microlobulated": 0.6, "obscured": 0.7}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A strand in millimetres around the centre, shape (points, 3); it tapers to its end."""

    points: Floats
    width_mm: float
    strength: float


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Projection of a form.

    Attributes
    ----------
    image : ndarray of float32, shape (CELLS, CELLS)
        Relative thickness, with mean 1 within the mask. Rows upwards (across the beam), columns
        towards the nipple.
    mask : ndarray of bool, shape (CELLS, CELLS)
        Where the form is thicker than a quarter of its maximum.
    step_mm : float
        Size of a cell.
    """

    image: Single
    mask: NDArray[np.bool_]
    step_mm: float


@lru_cache(maxsize=1)
def _axes() -> tuple[Single, Single, Single]:
    cells = (np.arange(CELLS) + 0.5) / CELLS * 2 - 1
    one = (cells * _REACH).astype(np.float32)
    return one[:, None, None], one[None, :, None], one[None, None, :]


@lru_cache(maxsize=1)
def _fade() -> Single:
    """Fall to 0 before the border of the box, so that no form ends at a straight line."""
    x, y, z = _axes()
    radius = np.sqrt(x**2 + y**2 + z**2)
    return np.asarray(np.clip((np.float32(_REACH) - radius) / np.float32(0.5), 0, 1))


@lru_cache(maxsize=4)
def _across(angle_deg: int) -> sparse.csr_matrix:
    """Sum the cells of (y, z) along the beam."""
    y, z = np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij")
    middle = (CELLS - 1) / 2
    turn = np.deg2rad(angle_deg)
    place = (y - middle) * np.cos(turn) + (z - middle) * np.sin(turn) + middle
    keep = (place >= 0) & (place < CELLS - 1)
    place, cell = place[keep], np.arange(CELLS**2).reshape(CELLS, CELLS)[keep]
    low = np.floor(place).astype(int)
    share = place - low
    return sparse.csr_matrix(
        (
            np.concatenate([1 - share, share]).astype(np.float32),
            (np.concatenate([low, low + 1]), np.concatenate([cell, cell])),
        ),
        shape=(CELLS, CELLS**2),
    )


@lru_cache(maxsize=16)
def shadow(lesion: Lesion, view: str) -> Shadow:
    """Return the projection of a mass, an asymmetry or the core of a distortion."""
    volume = _volume(lesion) * _fade()
    summed = np.asarray(_across(ANGLE_DEG[view]) @ volume.reshape(CELLS, -1).T)
    # Sums along oblique columns have ripples of the grid.
    image = cv2.GaussianBlur(summed, (0, 0), 0.8)
    flat = _FLAT.get(str(lesion.margin), 1.0)
    image = image.max() * (np.maximum(image, 0) / image.max()) ** np.float32(flat)
    mask = image > 0.25 * image.max()
    image = image / image[mask].mean()
    return Shadow(
        image=np.asarray(image, dtype=np.float32),
        mask=mask,
        step_mm=_REACH * lesion.size_mm / CELLS,
    )


@lru_cache(maxsize=8)
def _volume(lesion: Lesion) -> Single:
    """Density of a form, 0 to about 1, shape (CELLS, CELLS, CELLS) along x, y, z."""
    rng = np.random.default_rng([lesion.seed, 1])
    smooth, lobes = power_law_pair(rng, (CELLS,) * 3, 4.5)
    fine, inner = power_law_pair(rng, (CELLS,) * 3, 2.5)
    x, y, z = _turned(rng)
    if lesion.type == "asymmetry":
        axes = np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
        radius = np.sqrt((x / axes[0]) ** 2 + (y / axes[1]) ** 2 + (z / axes[2]) ** 2)
        # Parenchyma with fat between: no border of its own, concave outlines.
        field = 0.9 * smooth + 0.45 * inner - np.float32(1.6) * radius**2 + np.float32(0.6)
        return np.asarray(_step(field, 0.45) * np.exp(-(radius**2)), dtype=np.float32)
    if lesion.type == "distortion":
        radius = np.sqrt(x**2 + (1.3 * y) ** 2 + (0.8 * z) ** 2) / np.float32(0.45)
        return np.asarray(_step(0.8 + 0.3 * smooth + 0.25 * fine - radius, 0.25))
    stretch = {"round": 0.06, "oval": 0.22, "irregular": 0.22}[lesion.shape or "oval"]
    axes = np.exp(np.clip(rng.normal(0, stretch, 3), -0.4, 0.4))
    if lesion.shape == "oval":
        axes *= (1.15, 0.92, 0.92)
    inverse = (axes.max() / axes).astype(np.float32)
    radius = np.sqrt((x * inverse[0]) ** 2 + (y * inverse[1]) ** 2 + (z * inverse[2]) ** 2)
    lumpy = {"round": 0.02, "oval": 0.05, "irregular": 0.20}[lesion.shape or "oval"]
    border: Single = 1 + np.float32(lumpy) * (smooth + np.float32(0.5) * lobes)
    soft = 0.05
    if lesion.margin == "microlobulated":
        border = np.asarray(
            border + 0.11 * np.abs(lobes) + 0.05 * np.abs(fine) - 0.1, dtype=np.float32
        )
    elif lesion.margin == "indistinct":
        border, soft = border + np.float32(0.06) * fine, 0.20
    elif lesion.margin == "spiculated":
        border, soft = border * np.float32(0.85) + np.float32(0.08) * fine, 0.15
    elif lesion.margin == "obscured":
        # Part of the border fades into tissue beside it.
        towards = rng.normal(size=3)
        towards /= np.linalg.norm(towards)
        beside = x * towards[0] + y * towards[1] + z * towards[2]
        soft_cells = 0.05 + 0.20 * _step(beside.astype(np.float32), 0.25)
        density = _step((border - radius) / soft_cells, 1.0)
        return np.asarray(density * (1 + 0.08 * inner), dtype=np.float32)
    return np.asarray(_step(border - radius, soft) * (1 + 0.08 * inner), dtype=np.float32)


def _turned(rng: np.random.Generator) -> tuple[Single, Single, Single]:
    """Coordinates in radii, turned at random."""
    x, y, z = _axes()
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn = turn.astype(np.float32)
    rows = [turn[i, 0] * x + turn[i, 1] * y + turn[i, 2] * z for i in range(3)]
    return rows[0], rows[1], rows[2]


def _step(value: Single, width: float) -> Single:
    return np.asarray(1 / (1 + np.exp(np.clip(-value / np.float32(width), -30, 30))))


def random_walk(
    rng: np.random.Generator,
    start: Floats,
    direction: Floats,
    length_mm: float,
    bend: float,
    points: int = 14,
) -> Floats:
    """Return a curved path, shape (points, 3), whose direction drifts.

    Parameters
    ----------
    rng : Generator
    start, direction : ndarray, shape (3,)
    length_mm : float
    bend : float
        Drift of the direction over the whole path, radians (SD).
    points : int
    """
    drift = np.cumsum(rng.normal(0, bend / np.sqrt(points), (points - 1, 3)), axis=0)
    heading = direction / np.linalg.norm(direction) + drift
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    steps = heading * (length_mm / (points - 1))
    return np.asarray(np.concatenate([start[None], start + np.cumsum(steps, axis=0)]))


@lru_cache(maxsize=16)
def curves(lesion: Lesion) -> tuple[Curve, ...]:
    """Return the spicules of a spiculated mass, or the strands of a distortion."""
    rng = np.random.default_rng([lesion.seed, 2])
    radius = lesion.size_mm / 2
    if lesion.type == "mass" and lesion.margin == "spiculated":
        return tuple(_spicule(rng, radius) for _ in range(int(rng.integers(12, 28))))
    if lesion.type == "distortion":
        return tuple(_strand(rng, radius) for _ in range(int(rng.integers(4, 9))))
    return ()


def _spicule(rng: np.random.Generator, radius: float) -> Curve:
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    length = radius * float(np.clip(np.exp(rng.normal(-0.1, 0.5)), 0.4, 2.2))
    return Curve(
        points=random_walk(rng, 0.65 * radius * direction, direction, length, 0.3),
        width_mm=float(rng.uniform(0.25, 0.65)),
        strength=float(rng.uniform(0.25, 0.9)),
    )


def _strand(rng: np.random.Generator, radius: float) -> Curve:
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    # Strands pass near the centre rather than through one point.
    start = rng.normal(0, 0.16 * radius, 3) + direction * radius * rng.uniform(0.05, 0.45)
    length = radius * float(rng.uniform(0.5, 1.3))
    return Curve(
        points=random_walk(rng, start, direction, length, 0.5, 18),
        width_mm=float(rng.uniform(0.25, 0.7)),
        strength=float(rng.uniform(0.25, 0.8)),
    )


@dataclass(frozen=True, kw_only=True)
class Retraction:
    """How a distortion draws in the tissue around it.

    Attributes
    ----------
    strength : float
        At the centre.
    from_mm : ndarray, shape (3,)
        Direction from which tissue is drawn most, of length 0 to 1.
    """

    strength: float
    from_mm: Floats


def retraction(lesion: Lesion) -> Retraction:
    """Return the retraction of a distortion, which is never the same from all sides."""
    rng = np.random.default_rng([lesion.seed, 3])
    direction = rng.normal(size=3)
    return Retraction(
        strength=float(rng.uniform(0.3, 0.65)),
        from_mm=direction * (rng.uniform(0.3, 0.9) / np.linalg.norm(direction)),
    )
