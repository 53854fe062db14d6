"""One breast as a small three-dimensional volume, and its projections.

Coordinates are relative: ``xi`` from the chest wall (0) to the nipple (1), ``eta`` lateral and
``zeta`` upwards from the axis of the nipple, each -1 to 1; the breast is the half-ball of radius 1.
Compression stretches it: a view maps its own two coordinates to millimetres, and a path through
the breast is the column of the ball that lies along the beam.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mammorisk._utils.typing import Floats
from mammorisk.simulation.random_fields import power_law_pair

Single = NDArray[np.float32]

#: Grid of the volume along xi, eta, zeta.
GRID = (48, 72, 72)
#: Beam directions, degrees from vertical towards lateral.
ANGLE_DEG = {"CC": 0, "MLO": 45}
#: Minimum share of a path inside the fibroglandular region for it to count as dense.
DENSE_PATH = 0.25
#: Correlation of the parenchymal pattern of the two sides (assumed).
LEFT_RIGHT_CORRELATION = 0.6
#: Steepness of the border of the fibroglandular region, in SD of the field.
_BORDER = np.float32(0.35)
#: Share of the pattern that is stretched along the ducts.
_DUCTAL = np.float32(0.5)


@dataclass(frozen=True, kw_only=True)
class Septum:
    """A vessel or ligament: a curve in relative coordinates, shape (points, 3), and its width."""

    points: Floats
    width_mm: float


@dataclass(frozen=True, kw_only=True)
class Breast:
    """One breast of a woman, independent of view and compression.

    Attributes
    ----------
    side : {"L", "R"}
    region : dict of str to ndarray, shape (GRID[0], GRID[1])
        By view, the share of each path inside the fibroglandular region; rows from the chest
        wall, columns from eta' = -1 to 1 (upwards in the picture).
    gland_share : float
        Share of fibroglandular tissue within that region, so that the whole breast has its
        volumetric density.
    dense_area_percent : float
        Share of the projected breast whose path is dense, mean of the views.
    vessels, ligaments : tuple of Septum
    """

    side: str
    region: dict[str, Single]
    gland_share: float
    dense_area_percent: float
    vessels: tuple[Septum, ...]
    ligaments: tuple[Septum, ...]


@lru_cache(maxsize=1)
def _ball() -> tuple[NDArray[np.bool_], Single, NDArray[np.intp]]:
    """Return cells inside the breast, the prior position of the gland, and duct coordinates."""
    xi = (np.arange(GRID[0], dtype=np.float32) + 0.5)[:, None, None] / GRID[0]
    eta = (np.arange(GRID[1], dtype=np.float32) + 0.5)[None, :, None] / GRID[1] * 2 - 1
    zeta = (np.arange(GRID[2], dtype=np.float32) + 0.5)[None, None, :] / GRID[2] * 2 - 1
    radius = np.sqrt(xi**2 + eta**2 + zeta**2)
    inside = radius < 1
    # A cone behind the areola, towards the upper outer quadrant; fat under the skin and behind it.
    centre = np.sqrt(
        ((xi - 0.52) / 0.9) ** 2 + ((eta - 0.12) / 1.0) ** 2 + ((zeta - 0.10) / 1.0) ** 2
    )
    favour = -3.2 * centre**1.5
    favour -= 3.0 * np.clip(radius - 0.80, 0, None) / 0.20 * (1 - np.clip((xi - 0.85) / 0.1, 0, 1))
    favour -= 1.5 * np.clip(0.15 - xi, 0, None) / 0.15
    # Spherical coordinates around the nipple. Along a duct the pattern changes at a third the rate.
    along = np.sqrt((1 - xi) ** 2 + eta**2 + zeta**2) / np.sqrt(2.0)
    unit = np.maximum(along * np.sqrt(2.0), 1e-3)
    source = (
        np.floor(along * 0.35 * GRID[0]).astype(np.intp) % GRID[0],
        np.floor((eta / unit + 1) / 2 * (GRID[1] - 1)).astype(np.intp),
        np.floor((zeta / unit + 1) / 2 * (GRID[2] - 1)).astype(np.intp),
    )
    index = np.ravel_multi_index(np.broadcast_arrays(*source), GRID)
    return inside, favour.astype(np.float32), index.ravel()


@lru_cache(maxsize=4)
def _projector(angle_deg: int) -> tuple[sparse.csr_matrix, Single]:
    """Sum over columns along the beam, and count the inside cells of each."""
    inside, _, _ = _ball()
    centre = (np.arange(GRID[1]) + 0.5) / GRID[1] * 2 - 1
    eta, zeta = np.meshgrid(centre, centre, indexing="ij")
    turn = np.deg2rad(angle_deg)
    # At 0 degrees the beam is vertical and the picture shows eta; turned, it shows the direction
    # between lateral and up.
    across = (eta * np.cos(turn) + zeta * np.sin(turn)).ravel()
    position = np.clip((across + 1) / 2 * GRID[1] - 0.5, 0, GRID[1] - 1.001)
    low = np.floor(position).astype(int)
    share = position - low
    cell = np.arange(across.size)
    keep = np.hypot(eta, zeta).ravel() < 1.05
    matrix = sparse.csr_matrix(
        (
            np.concatenate([(1 - share)[keep], share[keep]]).astype(np.float32),
            (
                np.concatenate([low[keep], low[keep] + 1]),
                np.concatenate([cell[keep], cell[keep]]),
            ),
        ),
        shape=(GRID[1], across.size),
    )
    count = matrix @ inside.reshape(GRID[0], -1).T.astype(np.float32)
    return matrix, np.ascontiguousarray(count.T)


def project(volume: Single, view: str) -> Single:
    """Average a volume along each path of a view.

    Parameters
    ----------
    volume : ndarray of float32, shape GRID
        Zero outside the breast.
    view : {"CC", "MLO"}

    Returns
    -------
    ndarray of float32, shape (GRID[0], GRID[1])
        Zero outside the breast.
    """
    matrix, count = _projector(ANGLE_DEG[view])
    total = (matrix @ volume.reshape(GRID[0], -1).T).T
    return np.asarray(np.divide(total, count, out=np.zeros_like(count), where=count > 0.5))


def draw_breasts(
    seed: list[int],
    *,
    area_percent: dict[str, float],
    volumetric_percent: dict[str, float],
    exponent: float,
) -> dict[str, Breast]:
    """Create both breasts of a woman.

    Parameters
    ----------
    seed : list of int
        Seed of the woman. With other densities it gives the same breasts, more or less dense.
    area_percent, volumetric_percent : dict of str to float
        By side, 0-100: share of the projection that is dense, and of the volume that is
        fibroglandular tissue.
    exponent : float
        Exponent of the power spectrum of the parenchymal pattern, 2-4.

    Returns
    -------
    dict of str to Breast
        By side, ``"L"`` and ``"R"``.
    """
    rng = np.random.default_rng(seed)
    inside, favour, ducts = _ball()
    common, apart = power_law_pair(rng, GRID, exponent)
    common_d, apart_d = power_law_pair(rng, GRID, exponent)
    # Sum and difference of independent fields: each has variance 1.
    plus = np.float32(np.sqrt((1 + LEFT_RIGHT_CORRELATION) / 2))
    minus = np.float32(np.sqrt((1 - LEFT_RIGHT_CORRELATION) / 2))
    breasts = {}
    for side, sign in (("L", minus), ("R", -minus)):
        pattern = (1 - _DUCTAL) * (plus * common + sign * apart)
        ductal = (plus * common_d + sign * apart_d).ravel()[ducts].reshape(GRID)
        pattern = (pattern + _DUCTAL * ductal) / np.sqrt((1 - _DUCTAL) ** 2 + _DUCTAL**2)
        region = _grow(pattern + favour, inside, area_percent[side] / 100)
        paths = {view: project(region, view) for view in ANGLE_DEG}
        breasts[side] = Breast(
            side=side,
            region=paths,
            gland_share=_gland_share(region, inside, volumetric_percent[side] / 100),
            dense_area_percent=100 * _dense_area(paths),
            vessels=tuple(_vessel(rng) for _ in range(3)),
            ligaments=tuple(_ligament(rng) for _ in range(14)),
        )
    return breasts


def _gland_share(region: Single, inside: NDArray[np.bool_], density: float) -> float:
    return float(np.clip(density / max(float(region.sum()) / inside.sum(), 1e-3), 0.1, 1.0))


def _dense_area(paths: dict[str, Single]) -> float:
    shares = []
    for view, share in paths.items():
        seen = _projector(ANGLE_DEG[view])[1] > 0.5
        # A soft step, because with a hard one density would jump from cell to cell of the grid.
        dense = np.clip((share[seen] - DENSE_PATH) / 0.06 + 0.5, 0, 1)
        shares.append(float(dense.mean()))
    return float(np.mean(shares))


def _grow(field: Single, inside: NDArray[np.bool_], area: float) -> Single:
    """Return the region above the level of the field that gives the requested area."""
    values = field[inside]
    low, high = float(values.min()) - 1, float(values.max()) + 1
    region = np.zeros(GRID, dtype=np.float32)

    def at(level: float) -> Single:
        with np.errstate(over="ignore"):
            region[inside] = 1 / (1 + np.exp((np.float32(level) - values) / _BORDER))
        return region

    for _ in range(11):
        level = (low + high) / 2
        at(level)
        if _dense_area({view: project(region, view) for view in ANGLE_DEG}) > area:
            low = level
        else:
            high = level
    return at((low + high) / 2)


def _vessel(rng: np.random.Generator) -> Septum:
    """A curve from near the chest wall towards the areola, under the skin."""
    steps = np.linspace(0, 1, 24)
    start = rng.uniform(-0.8, 0.8, 2)
    end = rng.uniform(-0.25, 0.25, 2)
    wave = np.cumsum(rng.normal(0, 0.03, (24, 2)), axis=0)
    plane = start + steps[:, None] ** 1.3 * (end - start) + wave
    xi = 0.02 + 0.8 * steps * rng.uniform(0.7, 1.0)
    points = np.column_stack([xi, plane])
    return Septum(points=_within(points, 0.93), width_mm=float(rng.uniform(1.0, 2.2)))


def _ligament(rng: np.random.Generator) -> Septum:
    """A short bent septum between the gland and the skin."""
    direction = rng.normal(size=3)
    direction[0] = abs(direction[0])
    direction /= np.linalg.norm(direction)
    bend = rng.normal(0, 0.12, 3)
    reach = np.linspace(rng.uniform(0.45, 0.65), 0.97, 10)
    turn = np.linspace(0, 1, 10)[:, None]
    points = reach[:, None] * direction + 4 * turn * (1 - turn) * bend
    return Septum(points=_within(points, 0.98), width_mm=float(rng.uniform(0.3, 0.7)))


def _within(points: Floats, radius: float) -> Floats:
    points = np.asarray(points, dtype=float)
    points[:, 0] = np.clip(points[:, 0], 0.01, None)
    norm = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points * np.minimum(1.0, radius / np.maximum(norm, 1e-9)))
