"""Fit of a risk interval on simulated women, whose true risk is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from mammorisk._utils.typing import Floats
from mammorisk.inputs.batches import Inputs, baseline_offset
from mammorisk.networks.hazards import YEARS
from mammorisk.networks.head_ensemble import VIEW_SETS, with_views
from mammorisk.networks.hybrid import Batch
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.result_tables import Evaluation, risk_table
from mammorisk.risk_models.hybrid.risk_interval import NORMAL_975, RiskInterval, pattern_of

#: Share of the women of a fit that the interval covers. Slightly more than the nominal 95%,
#: because the share among other women is a little lower.
_COVERED = 0.955


def restrict(
    inputs: Inputs, batch: Batch, *, views: int, acquisition: bool, answers: bool, density: bool
) -> tuple[Inputs, Batch]:
    """Remove views, acquisition, answers or the density category from all women.

    Parameters
    ----------
    inputs : Inputs
    batch : Batch
    views : int
        Set of views that stay; bit k stands for standard view k.
    acquisition, answers, density : bool
        Whether they stay.
    """
    some = with_views(batch, views, acquisition=acquisition)
    if not answers:
        some = replace(some, answered=torch.zeros_like(some.answered))
    if not density and inputs.baseline is not None:
        frame = inputs.frame.drop(columns="breast_density", errors="ignore")
        scores = replace(inputs.baseline, density=np.zeros(len(inputs)))
        inputs = replace(inputs, frame=frame, baseline=scores)
    seen, answered = some.mask.any(dim=1).numpy(), some.answered.numpy()
    return inputs, replace(some, offset=baseline_offset(inputs, seen, answered))


def five_year_risk(model: HybridModel, found: Evaluation) -> Floats:
    """Recalibrated five-year risk, shape (n,)."""
    table = risk_table(found, model.recalibration, (YEARS,), pd.RangeIndex(len(found.risk)))
    return table[YEARS].to_numpy(dtype=float)


def fit_interval(
    model: HybridModel,
    inputs: Inputs,
    batch: Batch,
    truth: Mapping[str, Floats],
    weight: Floats,
) -> RiskInterval:
    """Find the approximation gap of every pattern of inputs.

    Parameters
    ----------
    model : HybridModel
    inputs : Inputs, n women
        Women with all views, acquisition, answers and density category who were not used to train
        the heads.
    batch : Batch, n women
        With features.
    truth : mapping of str to ndarray of shape (n,)
        Best attainable five-year risk by the kinds of inputs: any of ``i`` (images), ``a``
        (acquisition), ``q`` (answers) and ``d`` (density category), in this order. A set of fewer
        views is compared with the truth given the whole exam.
    weight : ndarray, shape (n,)
        Sampling weights.

    Returns
    -------
    RiskInterval
        Without terms for unknown answers.
    """
    gap = {}
    for kinds, true in truth.items():
        sets = range(1, VIEW_SETS) if "i" in kinds else (0,)
        for views in sets:
            own, some = restrict(
                inputs,
                batch,
                views=views,
                acquisition="a" in kinds,
                answers="q" in kinds,
                density="d" in kinds,
            )
            found = model.evaluate_batch(own, some)
            apart = log_hazard_ratio(five_year_risk(model, found), true)
            gap[str(pattern_of(own, some)[0])] = gap_of(apart, found.spread, weight)
    return RiskInterval(gap=gap)


def log_hazard_ratio(risk: Floats, true: Floats) -> Floats:
    """Log ratio of the cumulative hazards of two risks."""
    return np.asarray(np.log(np.log1p(-risk) / np.log1p(-true)))


def gap_of(apart: Floats, spread: Floats, weight: Floats, covered: float = _COVERED) -> float:
    """Smallest gap with which the interval covers a share of the women.

    Parameters
    ----------
    apart : ndarray, shape (n,)
        Differences of the log hazards.
    spread : ndarray, shape (n,)
        Standard deviation between the heads.
    weight : ndarray, shape (n,)
    covered : float
        Share in (0, 1).
    """
    # A woman is covered from the gap on at which her half-width equals her difference.
    needed = np.sqrt(np.maximum((apart / NORMAL_975) ** 2 - spread**2, 0.0))
    order = np.argsort(needed)
    share = np.cumsum(weight[order]) / weight.sum()
    place = min(int(np.searchsorted(share, covered)), len(order) - 1)
    return float(needed[order][place])
