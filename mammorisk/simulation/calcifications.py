"""Specks of calcium in three dimensions, by morphology and distribution.

Every speck is a set of balls in millimetres around a centre: x towards the nipple, y lateral, z
upwards. Calcium is given as the thickness of fibroglandular tissue that attenuates alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.simulation.lesions import Lesion


@dataclass(frozen=True, kw_only=True)
class Balls:
    """Balls of calcium.

    Attributes
    ----------
    centres_mm : ndarray, shape (n, 3)
    radii_mm : ndarray, shape (n,)
    density : ndarray, shape (n,)
        Millimetres of fibroglandular tissue for each millimetre.
    speck : ndarray of int, shape (n,)
        Number of the speck to which each ball belongs.
    """

    centres_mm: Floats
    radii_mm: Floats
    density: Floats
    speck: NDArray[np.intp]

    def speck_centres(self) -> Floats:
        """Return the mean place of each speck, shape (specks, 3)."""
        count = np.bincount(self.speck)
        sums = [np.bincount(self.speck, self.centres_mm[:, i]) for i in range(3)]
        return np.column_stack(sums) / count[:, None]


#: Median and SD of the logarithm of the diameter of a speck in mm, and its density.
_SPECK = {
    "round": (0.30, 0.28, 14.0),
    "amorphous": (0.32, 0.25, 14.0),
    "coarse heterogeneous": (0.55, 0.25, 9.0),
    "fine pleomorphic": (0.34, 0.35, 18.0),
    "fine linear branching": (0.17, 0.2, 15.0),
}
#: Lowest number of specks, and median number of a group of each distribution.
_FEWEST = 5
_COUNT = {"grouped": 11, "linear": 13, "segmental": 28, "regional": 26}


@lru_cache(maxsize=16)
def specks(lesion: Lesion, to_nipple: tuple[float, float, float]) -> Balls:
    """Return the specks of a group.

    Parameters
    ----------
    lesion : Lesion
        Of type ``calcification``.
    to_nipple : (float, float, float)
        Direction of the ducts at its place.
    """
    rng = np.random.default_rng([lesion.seed, 3])
    morphology, distribution = str(lesion.morphology), str(lesion.distribution)
    median = _COUNT[distribution]
    count = int(np.clip(np.round(median * np.exp(0.4 * rng.standard_normal())), _FEWEST, 70))
    duct = np.asarray(to_nipple) / max(float(np.linalg.norm(to_nipple)), 1e-9)
    places = _places(rng, distribution, lesion.size_mm, count, duct)
    size, spread, density = _SPECK[morphology]
    parts = []
    for place in places:
        diameter = size * float(np.exp(spread * np.clip(rng.standard_normal(), -2, 2)))
        mineral = density * lesion.visibility * float(np.exp(0.25 * rng.standard_normal()))
        parts.append(_speck(rng, morphology, place, diameter, mineral, duct))
    return join(parts[: max(2, round(lesion.grown * count))])


def join(parts: list[tuple[Floats, Floats, Floats]]) -> Balls:
    """Join specks, each of centres, radii and densities."""
    return Balls(
        centres_mm=np.concatenate([part[0] for part in parts]),
        radii_mm=np.concatenate([part[1] for part in parts]),
        density=np.concatenate([part[2] for part in parts]),
        speck=np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts]),
    )


def _places(
    rng: np.random.Generator, distribution: str, size_mm: float, count: int, duct: Floats
) -> Floats:
    side = np.cross(duct, rng.normal(size=3))
    side /= np.linalg.norm(side)
    other = np.cross(duct, side)
    half = size_mm / 2
    if distribution == "linear":
        along = rng.uniform(-half, half, count)
        bow = rng.normal(0, 0.12) * size_mm
        wave = bow * ((along / half) ** 2 - 0.4)
        across = rng.normal(0, 0.7, (count, 2))
        return along[:, None] * duct + (wave + across[:, 0])[:, None] * side + across[:, 1:] * other
    if distribution == "segmental":
        # A wedge with its tip towards the nipple.
        depth = np.sqrt(rng.random(count))
        width = 0.32 * size_mm * depth
        across = rng.normal(0, 0.5, (count, 2)) * width[:, None]
        along = half - size_mm * depth
        return along[:, None] * duct + across[:, :1] * side + 0.7 * across[:, 1:] * other
    spread = 0.45 if distribution == "grouped" else 0.5
    axes = np.exp(rng.normal(0, 0.25, 3))
    local = np.clip(rng.normal(0, spread, (count, 3)), -1, 1) * axes * half
    return local[:, :1] * duct + local[:, 1:2] * side + local[:, 2:] * other


def _speck(
    rng: np.random.Generator,
    morphology: str,
    place: Floats,
    diameter: float,
    density: float,
    duct: Floats,
) -> tuple[Floats, Floats, Floats]:
    radius = diameter / 2
    if morphology == "round":
        return place[None], np.array([radius]), np.array([density])
    if morphology == "fine linear branching":
        chains = [_rod(rng, place, duct, float(rng.uniform(0.5, 2.2)), radius)]
        if rng.random() < 0.35:
            side = duct + rng.normal(0, 0.5, 3)
            chains.append(_rod(rng, place, side, float(rng.uniform(0.4, 1.2)), radius))
        centres = np.concatenate(chains)
        radii = radius * rng.uniform(0.7, 1.15, len(centres))
        # Balls of a chain overlap.
        return centres, radii, np.full(len(centres), 0.6 * density)
    number = {"amorphous": 4, "coarse heterogeneous": 6, "fine pleomorphic": 3}[morphology]
    spread = {"amorphous": 1.1, "coarse heterogeneous": 0.6, "fine pleomorphic": 0.7}[morphology]
    centres = place + rng.normal(0, spread * radius, (number, 3))
    radii = radius * rng.uniform(0.35, 0.9, number)
    return centres, radii, np.full(number, 0.75 * density)


def _rod(
    rng: np.random.Generator, start: Floats, direction: Floats, length: float, radius: float
) -> Floats:
    count = max(3, int(np.ceil(length / max(radius, 0.05))))
    heading = direction / np.linalg.norm(direction) + np.cumsum(
        rng.normal(0, 0.07, (count, 3)), axis=0
    )
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    return np.asarray(start + np.cumsum(heading * length / count, axis=0))
