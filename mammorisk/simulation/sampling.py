"""Sampling of the study from the population, with weights that represent the population."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats


def case_cohort_weights(event: NDArray[np.int8], subcohort: Floats, fraction: float) -> Floats:
    """Sample every cancer and a random subcohort of all women.

    Parameters
    ----------
    event : ndarray of int, shape (n,)
        1 is breast cancer.
    subcohort : ndarray, shape (n,)
        Uniform numbers. Women with a number below ``fraction`` are in the subcohort.
    fraction : float

    Returns
    -------
    ndarray, shape (n,)
        1 for cancers, 1/fraction for others in the subcohort, 0 for women not in the study.

    References
    ----------
    Prentice 1986, doi:10.1093/biomet/73.1.1; weights with all cases at 1 as in Borgan 2000,
    doi:10.1023/A:1009661900674 (estimator II, with the fraction known).
    """
    weight = np.where(subcohort < fraction, 1.0 / fraction, 0.0)
    return np.where(event == 1, 1.0, weight)


def nested_case_control_weights(
    time: Floats,
    event: NDArray[np.int8],
    stratum: NDArray[np.int64],
    controls_per_case: int,
    rng: np.random.Generator,
) -> Floats:
    r"""Sample every cancer, and controls among the women at risk when it occurs.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Years to event or last follow-up.
    event : ndarray of int, shape (n,)
        1 is breast cancer.
    stratum : ndarray of int, shape (n,)
        Controls are matched on the stratum.
    controls_per_case : int
        If fewer women are at risk, all of them are controls.
    rng : Generator

    Returns
    -------
    ndarray, shape (n,)
        1 for cancers, 1/p for controls, 0 for women not in the study; with
        :math:`p_j = 1 - \prod_{t_i \le t_j} (1 - m_i / (n_i - 1))` over the cancers of the
        stratum, :math:`n_i` women at risk and :math:`m_i` controls drawn at time :math:`t_i`.

    References
    ----------
    Samuelsen 1997, doi:10.1093/biomet/84.2.379
    """
    weight = np.zeros(len(time))
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        members = members[np.argsort(time[members], kind="stable")]
        cases = np.flatnonzero(event[members] == 1)
        # Members are in order of time. Those after position k are at risk at the time of case k.
        others = len(members) - 1 - cases
        drawn = np.minimum(controls_per_case, others)
        chosen = np.zeros(len(members), dtype=bool)
        for position, n_others, m in zip(cases, others, drawn, strict=True):
            if m:
                chosen[position + 1 + rng.choice(n_others, m, replace=False, shuffle=False)] = True
        never = np.ones(len(members))
        never[cases] = 1 - drawn / np.maximum(others, 1)
        # A woman can only be drawn for cases before her own time.
        inclusion = 1 - np.cumprod(never)
        controls = chosen & (event[members] != 1)
        weight[members[controls]] = 1 / inclusion[controls]
        weight[members[cases]] = 1.0
    return weight
