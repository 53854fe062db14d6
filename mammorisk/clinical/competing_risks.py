"""Absolute risk from piecewise-constant hazards with competing mortality.

Rates are constant within a year of age. The first and last year of an interval may be partial. One
pass over the years computes the risks to any number of end ages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class YearlyRates:
    """Hazards by group and year of age, per woman and year.

    Attributes
    ----------
    first_age : int
        Age of the first column. Column j applies from ``first_age + j`` to the next birthday.
    cause, other : ndarray, shape (n_groups, n_ages)
        Breast cancer, and death from other causes.

    See Also
    --------
    absolute_risk : Uses them.
    mammorisk.Rates : Rates by age and group, with their source.
    """

    first_age: int
    cause: Floats
    other: Floats


class AbsoluteRisk(NamedTuple):
    """Risk and event-free survival by end age.

    Attributes
    ----------
    risk, survival : ndarray, shape (n, k)
        Probability of breast cancer, and of neither cancer nor death, of n women up to k ages.

    See Also
    --------
    absolute_risk : Computes it.
    """

    risk: Floats
    survival: Floats


def absolute_risk(
    start: Floats,
    end: Floats,
    rates: YearlyRates,
    *,
    group: Ints,
    multiplier: Floats,
    changes_at: float = np.inf,
    within_year: Literal["exact", "left"] = "exact",
) -> AbsoluteRisk:
    r"""Probability of breast cancer before death from other causes.

    Over each (part of a) year of length :math:`d` with hazards :math:`h_1 = r\,\lambda` and
    :math:`h_2`, survival :math:`S` falls by :math:`e^{-(h_1+h_2)d}` and the risk grows by

    .. math:: S\,\frac{h_1}{h_1+h_2}\left(1-e^{-(h_1+h_2)d}\right)

    Parameters
    ----------
    start : ndarray, shape (n,)
        Present age in years; may be fractional.
    end : ndarray, shape (n, k)
        Ages at the end of the intervals. NaN gives NaN; an age not above ``start`` gives 0.
    rates : YearlyRates
    group : ndarray of int, shape (n,)
        Row of ``rates``.
    multiplier : ndarray, shape (n, 1) or (n, 2)
        Relative hazard of breast cancer; with two columns, before and from ``changes_at``.
    changes_at : float
        Age in whole years from which the second column of ``multiplier`` applies.
    within_year : {"exact", "left"}
        ``"exact"`` uses the formula above. ``"left"`` uses the survival at the beginning of the
        (partial) year, :math:`S\,h_1 d`, as iCARE does.

    Returns
    -------
    AbsoluteRisk

    References
    ----------
    Gail MH et al. J Natl Cancer Inst 1989;81:1879-86, doi:10.1093/jnci/81.24.1879

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.clinical import YearlyRates, absolute_risk
    >>> rates = YearlyRates(
    ...     first_age=20, cause=np.full((1, 70), 0.003), other=np.full((1, 70), 0.01)
    ... )
    >>> women = {"group": np.array([0]), "multiplier": np.array([[2.0]])}
    >>> made = absolute_risk(np.array([50.0]), np.array([[55.0]]), rates, **women)
    >>> round(float(made.risk[0, 0]), 4)
    0.0288
    """
    n, k = end.shape
    risk, survival = np.zeros(n), np.ones(n)
    known = np.isfinite(end) & np.isfinite(start)[:, None]
    out = AbsoluteRisk(np.where(known, 0.0, np.nan), np.where(known, 1.0, np.nan))
    if not known.any():
        return out
    n_ages = rates.cause.shape[1]
    cause, other = rates.cause.ravel(), rates.other.ravel()
    birthday = np.floor(np.where(np.isfinite(start), start, rates.first_age))
    last = np.where(known, end, -np.inf).max(axis=1)
    column = birthday.astype(np.int64) - rates.first_age
    offset = group * n_ages
    for step in range(int(np.max(np.ceil(last) - birthday))):
        age = birthday + step
        begin = start if step == 0 else age
        # Women past their last interval stay in the arrays, so their column must stay in range.
        cell = offset + np.minimum(column + step, n_ages - 1)
        later = (age >= changes_at).astype(np.int64) if multiplier.shape[1] > 1 else 0
        relative = np.where(later, multiplier[:, -1], multiplier[:, 0])
        h1 = cause[cell] * relative
        total = h1 + other[cell]
        for j in range(k):
            partial = np.flatnonzero((end[:, j] > begin) & (end[:, j] < age + 1))
            if partial.size:
                length = end[partial, j] - begin[partial]
                grown, left = _year(h1[partial], total[partial], length, within_year)
                out.risk[partial, j] = risk[partial] + survival[partial] * grown
                out.survival[partial, j] = survival[partial] * left
        grown, left = _year(h1, total, age + 1 - begin, within_year)
        risk = risk + survival * grown
        survival = survival * left
        for j in range(k):
            complete = end[:, j] == age + 1
            out.risk[complete, j] = risk[complete]
            out.survival[complete, j] = survival[complete]
    return out


def _year(
    h1: Floats, total: Floats, length: Floats, within_year: Literal["exact", "left"]
) -> tuple[Floats, Floats]:
    """Risk gained per survivor over a (partial) year, and the share who stay event-free."""
    lost = -np.expm1(-total * length)
    if within_year == "left":
        return h1 * length, 1 - lost
    # If both hazards are zero, there is no event.
    return h1 * np.divide(lost, total, out=np.zeros_like(lost), where=total > 0), 1 - lost
