r"""Acquisition of a simulated view: size, compression, automatic exposure, dose, attenuation.

Attenuation coefficients of fat and fibroglandular tissue follow Johns 1987
(doi:10.1088/0031-9155/32/6/002; values quoted from memory, not checked against the paper). The
beam is represented by one effective energy, which increases with the voltage, the filter and the
thickness that hardens it. This rule, the exposure rule and the dose are assumptions, within the
ranges seen in screening.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammorisk.simulation.traits import bmi_score
from mammorisk.simulation.vendors import Vendor

_ENERGY_KEV = (15.0, 18.0, 20.0, 25.0, 30.0)
#: Per mm. The values at 15 keV are extrapolated.
_FAT = (0.0880, 0.0558, 0.0456, 0.0322, 0.0264)
_GLAND = (0.1690, 0.1028, 0.0802, 0.0506, 0.0378)


@dataclass(frozen=True, kw_only=True)
class Habit:
    """Properties of a woman that affect the acquisition of her exams.

    Attributes
    ----------
    volume_mm3 : float
        Volume of a breast, mean of both sides.
    shape : float
        Half-width of the compressed breast over its depth, in CC.
    ptosis : float
        Normal score; a higher score is a lower breast.
    thickness_mm : float
        Compressed thickness, mean of the views.
    force_n : float
        Usual compression force.
    side_log_ratio : float
        Logarithm of the ratio of the volumes, left to right.
    roll_mm : float
        Width over which the free edge becomes thinner; almost independent of the thickness.
    """

    volume_mm3: float
    shape: float
    ptosis: float
    thickness_mm: float
    force_n: float
    side_log_ratio: float
    roll_mm: float


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Acquisition of one view; attributes as in :class:`~mammorisk.Acquisition`."""

    thickness_mm: float
    force_n: float
    kvp: float
    mas: float
    anode: str
    filter: str
    energy_kev: float
    glandular_dose_mgy: float
    entrance_dose_mgy: float


def habit_of(woman: pd.Series, rng: np.random.Generator) -> Habit:
    """Draw the properties of a woman.

    Size depends on BMI. Force increases with size and decreases with discomfort. With a low force
    the breast is thicker. Beyond BMI and density, these properties do not affect cancer.
    """
    score = float(
        bmi_score(
            np.array([woman["age"]]),
            np.array([woman["height_cm"]]),
            np.array([woman["weight_kg"]]),
        )[0]
    )
    size, shape, ptosis, discomfort, ratio, roll = rng.standard_normal(6)
    volume = 620e3 * np.exp(0.42 * score + 0.28 * size)
    # Part of the thickness that answers and size do not explain is due to the force.
    force = 112 + 5 * (0.6 * score + size) - 13 * discomfort - 7 * float(woman["thickness_score"])
    return Habit(
        volume_mm3=float(np.clip(volume, 150e3, 2000e3)),
        shape=float(np.exp(0.08 + 0.10 * shape)),
        ptosis=float(ptosis + 0.4 * score),
        thickness_mm=float(woman["thickness_mm"]),
        force_n=float(np.clip(force, 45, 200)),
        side_log_ratio=float(0.08 * ratio),
        roll_mm=float((0.05 * woman["thickness_mm"] + 16) * np.exp(0.2 * roll)),
    )


def expose(
    habit: Habit,
    vendor: Vendor,
    view: str,
    *,
    gland_fraction: float,
    rng: np.random.Generator,
) -> Exposure:
    """Compute the automatic exposure of one view.

    Parameters
    ----------
    habit : Habit
    vendor : Vendor
    view : {"CC", "MLO"}
    gland_fraction : float
        Volumetric share of fibroglandular tissue, to which the exposure meter responds.
    rng : Generator

    Returns
    -------
    Exposure
    """
    force_score, thickness_score, jitter = rng.standard_normal(3)
    oblique = 1.0 if view == "MLO" else -1.0
    force = float(np.clip(habit.force_n + 3 * oblique + 8 * force_score, 40, 210))
    thickness = habit.thickness_mm * (1 + 0.03 * oblique) + 1.5 * thickness_score
    thickness = float(np.clip(thickness - 0.03 * (force - habit.force_n), 18, 115))
    anode, filter_, harder = next(
        (anode, filter_, harder)
        for limit, anode, filter_, harder in vendor.beams
        if thickness <= limit
    )
    rule = np.interp(thickness, [20, 30, 45, 60, 75, 110], [25.5, 26.5, 28.3, 30.2, 31.8, 34.0])
    kvp = float(np.clip(round(rule + vendor.kv_shift + 2.5 * (gland_fraction - 0.15)), 24, 35))
    energy = float(np.clip(effective_energy(kvp, harder, thickness), 16.0, 29.0))
    fat, gland = attenuation(energy)
    path = thickness * (fat + gland_fraction * (gland - fat))
    # Tube output per mAs increases with the voltage. The signal at the detector is constant.
    output = 0.045 * (kvp / 28) ** 2.6
    entrance = 3.6 * np.exp(0.62 * (path - 2.4)) * (vendor.detector_quanta_per_mm2 / 4e5)
    entrance = float(entrance * np.exp(0.05 * jitter))
    glandular = entrance * float(
        np.interp(thickness, [20, 40, 60, 80, 110], [0.5, 0.31, 0.22, 0.17, 0.13])
    )
    return Exposure(
        thickness_mm=float(round(thickness)),
        force_n=float(round(force)),
        kvp=kvp,
        mas=float(np.clip(round(entrance / output, 1), 5, 500)),
        anode=anode,
        filter=filter_,
        energy_kev=energy,
        glandular_dose_mgy=round(glandular, 3),
        entrance_dose_mgy=round(entrance, 3),
    )


def effective_energy(kvp: float, harder_kev: float, thickness_mm: float) -> float:
    """Return the effective energy of the beam behind the breast, keV."""
    return 20.2 + 0.42 * (kvp - 28) + harder_kev + 0.02 * (thickness_mm - 50)


def attenuation(energy_kev: float) -> tuple[float, float]:
    """Return the linear attenuation of fat and of fibroglandular tissue, per mm."""
    # Linear interpolation of logarithms, in which attenuation is nearly linear.
    fat, gland = (
        np.exp(np.interp(np.log(energy_kev), np.log(_ENERGY_KEV), np.log(values)))
        for values in (_FAT, _GLAND)
    )
    return float(fat), float(gland)
