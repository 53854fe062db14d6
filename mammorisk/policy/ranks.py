"""Ranks of risks among the women of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Minimum number of women for a rank: the highest 2.5% are two or three of them. An assumption.
MIN_WOMEN = 100
#: Women "of her age" are in the same age band of five years. An assumption.
BAND_YEARS = 5


def ranks(
    risk: NDArray[np.floating], eligible: NDArray[np.bool_], age: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """Return for each woman the share of eligible women (of her age) with a lower risk.

    Parameters
    ----------
    risk : ndarray, shape (n,)
    eligible : ndarray of bool, shape (n,)
        Women who are ranked.
    age : ndarray, shape (n,), or None
        Years; ranks are taken within bands of ``BAND_YEARS``. None ranks all together.

    Returns
    -------
    ndarray, shape (n,)
        In [0, 1). Tied risks share the lowest of their ranks, so that no more than the stated
        share is ever selected. NaN where there is no risk (or no age), the woman is not
        eligible, or fewer than ``MIN_WOMEN`` are ranked with her.
    """
    ranked = eligible & ~np.isnan(risk)
    band = np.zeros(len(risk))
    if age is not None:
        ranked &= ~np.isnan(age)
        band = np.floor_divide(age, BAND_YEARS)
    table = pd.DataFrame({"risk": risk[ranked], "band": band[ranked]})
    groups = table.groupby("band")["risk"]
    n = groups.transform("size")
    rank = ((groups.rank(method="min") - 1) / n).where(n >= MIN_WOMEN)
    result = np.full(len(risk), np.nan)
    result[ranked] = rank
    return result
