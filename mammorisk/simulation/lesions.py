"""Lesions with a place in the breast: masses, calcifications, asymmetries and distortions.

A lesion belongs to a woman. Both views of an exam show the same lesion, and a prior exam shows it
smaller, unchanged or not at all. Shares of descriptors follow the order of published positive
predictive values (Liberman 1998, doi:10.2214/ajr.171.1.9648759). Places favour the upper outer
quadrant, as those of cancers do. The numbers are assumed. Lesions do not depend on later cancer.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from mammorisk.simulation.options import LesionOptions

TYPES = ("mass", "calcification", "asymmetry", "distortion")
#: Highest number of lesions of one type in an exam.
_MOST = 3


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One lesion of a woman in one exam.

    Attributes
    ----------
    lesion_id : str
        Unique in a study; the same in the prior exam.
    type : {"mass", "calcification", "asymmetry", "distortion"}
    side : {"L", "R"}
    place : (float, float, float)
        Relative coordinates (:mod:`mammorisk.simulation.anatomy`).
    size_mm : float
        Diameter of a mass, an asymmetry, or the reach of a distortion; length of a group of
        calcifications.
    visibility : float
        Contrast to the surrounding tissue in its SD, which is aimed at. For calcifications it is
        a factor of the density of the mineral.
    views : tuple of str
        Views that show it.
    pathology : {"benign", "malignant"}
    shape, margin, morphology, distribution : str or None
        BI-RADS descriptors; None where not of that type.
    seed : int
        Seed of its form.
    grown : float
        Share of the specks that are there, 0-1; below 1 in a prior exam.
    """

    lesion_id: str
    type: str
    side: str
    place: tuple[float, float, float]
    size_mm: float
    visibility: float
    views: tuple[str, ...]
    pathology: str
    shape: str | None = None
    margin: str | None = None
    morphology: str | None = None
    distribution: str | None = None
    seed: int = 0
    grown: float = 1.0


class _Shares(NamedTuple):
    benign: dict[str, float]
    malignant: dict[str, float]


_MALIGNANT = {"mass": 0.35, "calcification": 0.3, "asymmetry": 0.12, "distortion": 0.6}
_SHAPE = _Shares(
    {"oval": 0.60, "round": 0.25, "irregular": 0.15},
    {"oval": 0.10, "round": 0.15, "irregular": 0.75},
)
_MARGIN = _Shares(
    {
        "circumscribed": 0.55,
        "obscured": 0.25,
        "microlobulated": 0.07,
        "indistinct": 0.10,
        "spiculated": 0.03,
    },
    {
        "circumscribed": 0.05,
        "obscured": 0.10,
        "microlobulated": 0.15,
        "indistinct": 0.30,
        "spiculated": 0.40,
    },
)
_MORPHOLOGY = _Shares(
    {
        "round": 0.40,
        "amorphous": 0.25,
        "coarse heterogeneous": 0.23,
        "fine pleomorphic": 0.10,
        "fine linear branching": 0.02,
    },
    {
        "round": 0.08,
        "amorphous": 0.20,
        "coarse heterogeneous": 0.12,
        "fine pleomorphic": 0.40,
        "fine linear branching": 0.20,
    },
)
_DISTRIBUTION = _Shares(
    {"grouped": 0.72, "regional": 0.16, "linear": 0.07, "segmental": 0.05},
    {"grouped": 0.60, "regional": 0.05, "linear": 0.17, "segmental": 0.18},
)
#: Median and SD of the logarithm of sizes in mm, and their range.
_SIZE = {
    "mass": (13.0, 0.45, 5.0, 40.0),
    "grouped": (8.0, 0.35, 4.0, 18.0),
    "linear": (20.0, 0.30, 12.0, 40.0),
    "segmental": (30.0, 0.25, 20.0, 50.0),
    "regional": (30.0, 0.25, 21.0, 50.0),
    "asymmetry": (28.0, 0.35, 12.0, 55.0),
    "distortion": (25.0, 0.35, 13.0, 50.0),
}
#: Median and SD of the logarithm of the visibility.
_VISIBILITY = {
    "mass": (1.75, 0.35),
    "calcification": (1.15, 0.35),
    "asymmetry": (1.9, 0.35),
    "distortion": (1.2, 0.35),
}
#: Centres and SD of places in relative coordinates, with the share of cancers there. Upper outer,
#: upper inner, lower outer, lower inner, subareolar, axillary tail.
_PLACES = (
    (0.44, (0.45, 0.38, 0.36), (0.17, 0.18, 0.18)),
    (0.14, (0.45, -0.38, 0.32), (0.17, 0.16, 0.16)),
    (0.11, (0.45, 0.36, -0.34), (0.17, 0.16, 0.16)),
    (0.07, (0.45, -0.36, -0.34), (0.17, 0.16, 0.16)),
    (0.17, (0.80, 0.02, 0.02), (0.07, 0.12, 0.12)),
    (0.07, (0.14, 0.55, 0.58), (0.06, 0.08, 0.08)),
)


def draw_lesions(
    seed: list[int], patient_id: str, options: LesionOptions, *, prior: bool
) -> tuple[Lesion, ...]:
    """Draw the lesions of one exam of a woman.

    Parameters
    ----------
    seed : list of int
        Seed of the woman. A lesion of one type does not depend on the rates of other types,
        except that one that would lie on a lesion of an earlier type is left out.
    patient_id : str
        First part of the identifiers.
    options : LesionOptions
    prior : bool
        Whether to return the lesions as they were in the prior exam.

    Returns
    -------
    tuple of Lesion
    """
    lesions: list[Lesion] = []
    shown: list[Lesion] = []
    for kind in TYPES:
        rng = np.random.default_rng([*seed, zlib.crc32(kind.encode())])
        count = min(int(rng.poisson(getattr(options, kind))), _MOST)
        for number in range(count):
            # Each lesion has its own numbers, so that it does not depend on the others.
            own = np.random.default_rng([*seed, zlib.crc32(kind.encode()), number])
            lesion = _draw(own, kind, options.malignant)
            lesion = replace(lesion, lesion_id=f"{patient_id}-{kind}-{number + 1}")
            before = _before(own, lesion)
            if _touches(lesion, lesions):
                continue
            lesions.append(lesion)
            if not prior:
                shown.append(lesion)
            elif before is not None:
                shown.append(before)
    return tuple(shown)


def _draw(rng: np.random.Generator, kind: str, malignant: float | None) -> Lesion:
    share = _MALIGNANT[kind] if malignant is None else malignant
    pathology = "malignant" if rng.random() < share else "benign"
    side = "L" if rng.random() < 0.5 else "R"
    place = draw_place(rng)
    descriptors: dict[str, Any] = {}
    size = kind
    views: tuple[str, ...] = ("CC", "MLO")
    if kind == "mass":
        descriptors["shape"] = _choose(rng, getattr(_SHAPE, pathology))
        descriptors["margin"] = _choose(rng, getattr(_MARGIN, pathology))
        # By the lexicon an irregular mass is not circumscribed.
        if descriptors["shape"] == "irregular" and descriptors["margin"] == "circumscribed":
            descriptors["margin"] = "indistinct"
    elif kind == "calcification":
        descriptors["morphology"] = _choose(rng, getattr(_MORPHOLOGY, pathology))
        descriptors["distribution"] = _choose(rng, getattr(_DISTRIBUTION, pathology))
        size = descriptors["distribution"]
    elif kind == "asymmetry" and rng.random() < 0.5:
        # An asymmetry of one view is often a summation of tissue that the other view takes apart.
        views = ("CC",) if rng.random() < 0.5 else ("MLO",)
    median, spread, low, high = _SIZE[size]
    if kind == "mass" and pathology == "malignant":
        median *= 1.25
    level, level_spread = _VISIBILITY[kind]
    if kind == "mass" and descriptors["margin"] == "spiculated":
        level = 1.45
    return Lesion(
        lesion_id="",
        type=kind,
        side=side,
        place=place,
        size_mm=float(np.clip(median * np.exp(spread * rng.standard_normal()), low, high)),
        visibility=float(level * np.exp(level_spread * np.clip(rng.standard_normal(), -2, 2))),
        views=views,
        pathology=pathology,
        seed=int(rng.integers(2**31)),
        **descriptors,
    )


def _before(rng: np.random.Generator, lesion: Lesion) -> Lesion | None:
    """The lesion two years before: unchanged, smaller and fainter (developing), or absent."""
    chance, growth = rng.random(2)
    new, developing = (0.45, 0.45) if lesion.pathology == "malignant" else (0.20, 0.15)
    if chance < new:
        return None
    if chance > new + developing:
        return lesion
    share = 0.45 + 0.35 * float(growth)
    return replace(
        lesion,
        size_mm=lesion.size_mm * (1 if lesion.type == "calcification" else share),
        grown=share,
        visibility=lesion.visibility * (0.6 + 0.25 * float(growth)),
    )


def draw_place(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw a place in a breast, most often in the upper outer quadrant."""
    shares = [share for share, _, _ in _PLACES]
    _, centre, spread = _PLACES[int(rng.choice(len(_PLACES), p=shares))]
    for _ in range(50):
        place = np.array(centre) + np.array(spread) * rng.standard_normal(3)
        if place[0] > 0.06 and np.linalg.norm(place) < 0.88:
            break
    else:
        place = np.array(centre)
    return float(place[0]), float(place[1]), float(place[2])


def _choose(rng: np.random.Generator, shares: dict[str, float]) -> str:
    names = list(shares)
    return names[int(rng.choice(len(names), p=np.array(list(shares.values()))))]


def _touches(lesion: Lesion, others: list[Lesion]) -> bool:
    """Whether a lesion lies on another one of the breast, about 20 mm or less away."""
    return any(
        other.side == lesion.side and np.linalg.norm(np.subtract(other.place, lesion.place)) < 0.25
        for other in others
    )
