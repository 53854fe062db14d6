"""Rounding of numbers in tables, pages and documents.

The number of decimals of an estimate and its limits gives the half-width of the interval two
significant digits. It is the same in all rows of a table with the same measure, and is derived from
the median half-width. Without an interval, the median value has three significant digits. P values
have three decimals, or are "< 0.001". Counts are whole. The tables themselves are not rounded.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats

RULE = (
    "estimates and limits: decimals at which the half-width of the interval has two significant "
    "digits, the same for all rows of a table with one measure; without an interval three "
    "significant digits; p: three decimals"
)
_MOST_DECIMALS = 6


def decimals_for(values: Floats, lower: Floats, upper: Floats) -> int:
    """Decimals of the estimates of one measure in one table.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.evaluation.rounding import decimals_for
    >>> decimals_for(np.array([0.7929]), np.array([0.7521]), np.array([0.8337]))
    3
    >>> nothing = np.array([np.nan])
    >>> decimals_for(np.array([0.001876]), nothing, nothing)
    5
    """
    half = (upper - lower) / 2
    half = half[np.isfinite(half) & (half > 0)]
    if len(half):
        return _decimals(float(np.median(half)), 2)
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return _decimals(float(np.median(sizes)), 3) if len(sizes) else 0


def _decimals(size: float, significant: int) -> int:
    return min(max(significant - 1 - math.floor(math.log10(size)), 0), _MOST_DECIMALS)


def rounded(value: float, decimals: int) -> str:
    """A number as text; empty if it is missing. Zero has no sign.

    Examples
    --------
    >>> from mammorisk.evaluation.rounding import rounded
    >>> rounded(-0.001, 2), rounded(12345.6, 0), rounded(float("inf"), 2)
    ('0.00', '12,346', 'infinite')
    """
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if text.startswith("-") and not text.strip("-0.,") else text


def p_value(p: float | None) -> str:
    """A p value as text: three decimals, or ``"< 0.001"``."""
    if p is None or math.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def by_measure(table: pd.DataFrame, value: str, lower: str | None, upper: str | None) -> pd.Series:
    """Decimals of every row: those of its measure, or of the table where it has no measures."""
    nothing = pd.Series(np.nan, index=table.index)
    low = table[lower].astype(float) if lower else nothing
    high = table[upper].astype(float) if upper else nothing
    values = pd.to_numeric(table[value], errors="coerce").astype(float)
    key = pd.Series("", index=table.index)
    for name in ("measure", "item"):
        if name in table.columns:
            key = table[name]
    found = pd.Series(0, index=table.index)
    for _, rows in table.groupby(key, sort=False).groups.items():
        parts = [np.asarray(part[rows], dtype=np.float64) for part in (values, low, high)]
        found[rows] = decimals_for(*parts)
    return found
