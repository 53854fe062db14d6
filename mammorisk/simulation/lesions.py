"""Lesions with known positions: masses, calcification clusters, asymmetries, distortions.

They are off by default. They are drawn independently of cancer, so that they are of use for
detection and not informative about risk. Their appearance is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mammorisk.simulation.options import LesionShares

KINDS = ("mass", "calcifications", "asymmetry", "distortion")
_RADIUS_MM = {
    "mass": (4.0, 11.0),
    "calcifications": (4.0, 10.0),
    "asymmetry": (10.0, 20.0),
    "distortion": (8.0, 15.0),
}


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A lesion in one breast.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    side : {"L", "R"}
    place : (float, float, float)
        Relative coordinates (:mod:`mammorisk.simulation.anatomy`).
    radius_mm : float
    seed : int
        Seed of its outline or its specks.
    """

    kind: str
    side: str
    place: tuple[float, float, float]
    radius_mm: float
    seed: int


def draw_lesions(rng: np.random.Generator, shares: LesionShares) -> tuple[Lesion, ...]:
    """Draw the lesions of one exam. The random draws do not depend on the shares."""
    lesions = []
    for kind in KINDS:
        chance, side, size, xi, eta, zeta = rng.random(6)
        seed = int(rng.integers(2**31))
        if chance < getattr(shares, kind):
            low, high = _RADIUS_MM[kind]
            lesions.append(
                Lesion(
                    kind=kind,
                    side="L" if side < 0.5 else "R",
                    place=(0.25 + 0.45 * xi, -0.4 + 0.8 * eta, -0.4 + 0.8 * zeta),
                    radius_mm=float(low + (high - low) * size),
                    seed=seed,
                )
            )
    return tuple(lesions)
