"""Structures that resemble lesions, in every exam of a detailed study, with or without lesions.

Benign calcifications (single specks, of the skin, arterial, rim, coarse, popcorn, rods), lymph
nodes, moles, scars, clips and markers belong to a woman and are in both views and in her prior
exam. Skin folds, dust and the label of the film belong to one picture. Vessels and ligaments are
curves in the breast. Frequencies are assumptions of the order seen in screening; arterial
calcifications become more frequent with age.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mammorisk._utils.typing import Floats
from mammorisk.simulation.lesions import draw_place


@dataclass(frozen=True, kw_only=True)
class Distractor:
    """One structure that is not a lesion.

    Attributes
    ----------
    kind : str
    side : {"L", "R"}
    place : (float, float, float)
        Relative coordinates (:mod:`mammorisk.simulation.anatomy`).
    size_mm : float
    seed : int
    """

    kind: str
    side: str
    place: tuple[float, float, float]
    size_mm: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Strands:
    """Curves in relative coordinates: shape (n, points, 3), with widths and strengths (n,)."""

    points: Floats
    width_mm: Floats
    strength: Floats


@dataclass(frozen=True, kw_only=True)
class Detail:
    """Detail of one breast.

    Attributes
    ----------
    ligaments, vessels : Strands
    streakiness : float
        Relative strength of the fine streaks.
    distractors : tuple of Distractor
    """

    ligaments: Strands
    vessels: Strands
    streakiness: float
    distractors: tuple[Distractor, ...]


#: Mean number of each kind in a breast, and range of its size in mm.
_RATE = {
    "skin calcifications": (0.10, 5.0, 14.0),
    "rim": (0.05, 3.0, 12.0),
    "coarse": (0.15, 0.8, 2.5),
    "popcorn": (0.03, 5.0, 14.0),
    "rods": (0.04, 15.0, 45.0),
    "lymph node": (0.10, 4.0, 9.0),
    "mole": (0.10, 3.0, 9.0),
    "scar": (0.04, 15.0, 40.0),
    "clip": (0.05, 1.5, 3.0),
    "skin marker": (0.04, 1.2, 2.0),
}
_SKIN = ("skin calcifications", "mole", "scar", "skin marker")
#: Single specks in a breast, and their least distance in relative coordinates.
_SPECKS, _APART = 3.0, 0.22
#: Number of ligaments and of vessels in a breast.
_LIGAMENTS, _VESSELS = (60, 130), (2, 6)


def draw_detail(seed: list[int], side: str, age: float, texture: float) -> Detail:
    """Draw the detail of one breast of a woman.

    Parameters
    ----------
    seed : list of int
        Seed of the woman.
    side : {"L", "R"}
    age : float
        Years, for arterial calcifications.
    texture : float
        Relative strength of the ligaments.
    """
    rng = np.random.default_rng([*seed, 0 if side == "L" else 1])
    ligaments = _ligaments(rng, texture**0.4)
    vessels = _vessels(rng)
    own = np.random.default_rng([*seed, 10 if side == "L" else 11])
    things: list[Distractor] = []

    def add(kind: str, place: tuple[float, float, float], low: float, high: float) -> None:
        size = float(np.exp(own.uniform(np.log(low), np.log(high))))
        things.append(
            Distractor(
                kind=kind, side=side, place=place, size_mm=size, seed=int(own.integers(2**31))
            )
        )

    for kind, (rate, low, high) in _RATE.items():
        for _ in range(int(own.poisson(rate))):
            place = _on_skin(own) if kind in _SKIN else draw_place(own)
            if kind == "lymph node":
                place = (0.25 + 0.2 * own.random(), 0.55 + 0.1 * own.random(), 0.4)
            add(kind, place, low, high)
    specks: list[Floats] = []
    for _ in range(int(own.poisson(_SPECKS))):
        at = np.array(draw_place(own))
        if all(np.linalg.norm(at - other) > _APART for other in specks):
            specks.append(at)
            add("single speck", (float(at[0]), float(at[1]), float(at[2])), 0.15, 0.7)
    if own.random() < np.clip(0.02 + 0.010 * (age - 45), 0.01, 0.45):
        for _ in range(int(own.integers(1, 3))):
            vessel = int(own.integers(len(vessels.points)))
            add("arterial", (float(vessel), 0.0, 0.0), 20.0, 70.0)
    return Detail(
        ligaments=ligaments,
        vessels=vessels,
        streakiness=float(
            np.clip(texture**0.5 * np.exp(np.random.default_rng(seed).normal(0, 0.4)), 0.3, 1.5)
        ),
        distractors=tuple(things),
    )


def _on_skin(rng: np.random.Generator) -> tuple[float, float, float]:
    direction = rng.normal(size=3)
    direction[0] = abs(direction[0]) + 0.15
    direction *= 0.94 / np.linalg.norm(direction)
    return float(direction[0]), float(direction[1]), float(direction[2])


def _ligaments(rng: np.random.Generator, texture: float) -> Strands:
    """Many thin curved septa, most along the direction to the nipple."""
    count = int(rng.integers(*_LIGAMENTS))
    start = rng.normal(size=(count, 3))
    start[:, 0] = np.abs(start[:, 0])
    start *= (0.97 * rng.random(count) ** 0.4 / np.linalg.norm(start, axis=1))[:, None]
    heading = np.array([1.0, 0.0, 0.0]) - start
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    heading += rng.normal(0, 0.35, (count, 3))
    length = np.clip(np.exp(rng.normal(-1.2, 0.5, count)), 0.08, 0.9)
    return Strands(
        points=_walks(rng, start, heading, length, 0.35, 14),
        width_mm=np.clip(np.exp(rng.normal(-0.85, 0.35, count)), 0.2, 1.1),
        strength=texture * np.exp(rng.normal(-0.2, 0.5, count)).clip(0.2, 2.2),
    )


def _vessels(rng: np.random.Generator) -> Strands:
    """A few long smooth vessels from the chest wall towards the areola."""
    count = int(rng.integers(*_VESSELS))
    start = np.column_stack([rng.uniform(0.0, 0.1, count), rng.uniform(-0.75, 0.75, (count, 2))])
    end = np.column_stack([rng.uniform(0.55, 0.85, count), rng.uniform(-0.35, 0.35, (count, 2))])
    heading = end - start
    length = np.linalg.norm(heading, axis=1) * rng.uniform(0.7, 1.05, count)
    return Strands(
        points=_walks(rng, start, heading, length, 0.4, 30),
        width_mm=rng.uniform(1.0, 2.4, count),
        strength=rng.uniform(0.8, 1.5, count),
    )


def _walks(
    rng: np.random.Generator,
    start: Floats,
    heading: Floats,
    length: Floats,
    bend: float,
    points: int,
) -> Floats:
    """Smooth random walks within the breast, shape (n, points, 3)."""
    # The curvature drifts rather than the direction, so that no strand is a zigzag.
    turn = np.cumsum(rng.normal(size=(len(start), points - 1, 3)), axis=1)
    drift = np.cumsum(turn, axis=1) * (bend * (3 / (points - 1)) ** 1.5)
    unit = heading / np.linalg.norm(heading, axis=1, keepdims=True)
    steps = unit[:, None] + drift
    steps /= np.linalg.norm(steps, axis=2, keepdims=True)
    steps *= (length / (points - 1))[:, None, None]
    path = np.concatenate([start[:, None], start[:, None] + np.cumsum(steps, axis=1)], axis=1)
    path[..., 0] = np.maximum(path[..., 0], 0.0)
    norm = np.linalg.norm(path, axis=2, keepdims=True)
    return np.asarray(path * np.minimum(1.0, 0.97 / np.maximum(norm, 1e-9)))
