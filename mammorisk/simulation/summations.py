"""Summations: normal tissue that overlaps in one picture and looks like an asymmetry.

Of the screening exams with a finding in one view alone, 82.7% show a summation (Sickles 1998,
doi:10.1148/radiology.208.2.9680578). They belong to one picture, because the other view and an exam
at another time take the tissue apart. Their frequency and brightness are assumed.
"""

from __future__ import annotations

import numpy as np

from mammorisk.simulation.lesions import Lesion, draw_place

#: Mean number in a picture.
RATE = 0.3
#: Median and SD of the logarithm of sizes in mm, and their range.
_SIZE_MM = (22.0, 0.35, 12.0, 45.0)
#: Median and SD of the logarithm of the contrast to the tissue around in its SD.
_VISIBILITY = (1.4, 0.3)


def draw_summations(seed: list[int], side: str, view: str) -> tuple[Lesion, ...]:
    """Draw the summations of one picture.

    Parameters
    ----------
    seed : list of int
        Seed of the picture.
    side : {"L", "R"}
    view : {"CC", "MLO"}

    Returns
    -------
    tuple of Lesion
        Forms of the type ``"asymmetry"`` without an identifier. They are no rows of the table of
        lesions.
    """
    rng = np.random.default_rng([*seed, 6])
    median, spread, low, high = _SIZE_MM
    level, level_spread = _VISIBILITY
    return tuple(
        Lesion(
            lesion_id="",
            type="asymmetry",
            side=side,
            place=draw_place(rng),
            size_mm=float(np.clip(median * np.exp(spread * rng.standard_normal()), low, high)),
            visibility=float(level * np.exp(level_spread * np.clip(rng.standard_normal(), -2, 2))),
            views=(view,),
            pathology="benign",
            seed=int(rng.integers(2**31)),
        )
        for _ in range(int(rng.poisson(RATE)))
    )
