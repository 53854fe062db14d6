"""Comparison of the risk from every set of views with that from all views, at the end of a fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk.networks.hazards import cumulative_risk
from mammorisk.networks.head_ensemble import (
    ALL_VIEWS,
    VIEW_SETS,
    HeadEnsemble,
    view_set,
    with_views,
)
from mammorisk.networks.hybrid import Batch
from mammorisk.risk_models.hybrid.view_sets import ViewSets
from mammorisk.training.in_parts import parts_of
from mammorisk.training.problem import Problem

#: Share of the training exams with a set of views, from which on the set is usable in any case.
_FREQUENT = 0.05
#: Fewest complete validation exams for the comparison.
_FEWEST_COMPLETE = 50


def compare_view_sets(heads: HeadEnsemble, batch: Batch, problem: Problem) -> ViewSets | None:
    """Compare the risk from every set of views with that from all views, in validation."""
    if not heads.settings.n_features:
        return None
    there = view_set(batch.mask).numpy()
    own = there[problem.train][there[problem.train] > 0]
    frequent = np.bincount(own, minlength=VIEW_SETS) >= _FREQUENT * max(len(own), 1)
    common = tuple(int(views) for views in np.flatnonzero(frequent) if views)
    rows = problem.validation[there[problem.validation] == ALL_VIEWS]
    risks: dict[int, NDArray[np.float64]] = {}
    if len(rows) < _FEWEST_COMPLETE:
        return ViewSets(usable=common, agreement={})
    complete = torch.from_numpy(rows)
    for views in range(1, VIEW_SETS):
        risks[views] = risk_of(heads, batch, complete, partial(with_views, views=views))[:, -1]
    weight = problem.outcomes.weight[rows].double().numpy()
    return ViewSets.measure(risks, risks.pop(ALL_VIEWS), weight, common)


def risk_of(
    heads: HeadEnsemble,
    batch: Batch,
    rows: Tensor | None = None,
    change: Callable[[Batch], Batch] | None = None,
) -> NDArray[np.float64]:
    """Risk by the end of each year, before recalibration, shape (n, years).

    Parameters
    ----------
    heads : HeadEnsemble
    batch : Batch
    rows : Tensor of int, shape (n,), optional
        Default: all women.
    change : callable, optional
        Change of the inputs.
    """
    found = []
    with torch.no_grad():
        for part in parts_of(batch, torch.arange(len(batch)) if rows is None else rows):
            some = part if change is None else change(part)
            death = heads.log_death_hazard(some)
            risk = cumulative_risk(heads(some).double(), None if death is None else death.double())
            found.append(risk.numpy())
    return np.concatenate(found)
