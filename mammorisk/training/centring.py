"""Centring of a fitted ensemble, so that leaving out a part does not shift the risk."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk._utils.typing import Floats
from mammorisk.networks.head_ensemble import VIEW_SETS, HeadEnsemble, view_set, with_views
from mammorisk.networks.hybrid import Batch, age_terms
from mammorisk.training.in_parts import contributions_of

#: Largest number of women on whom the means are computed.
_MOST_WOMEN = 10_000
#: Weight of the median log hazard against the mean hazard, from the tolerances of both.
_MEDIAN_SHARE = 0.58
#: Fewest women for the means of one set of views.
_FEWEST_WOMEN = 20


def centre(
    heads: HeadEnsemble, batch: Batch, weight: Tensor, rows: Tensor | None = None, seed: int = 0
) -> None:
    """Set the centres of image and acquisition, and the age part of every set of views.

    Parameters
    ----------
    heads : HeadEnsemble
        Changed in place. The hazard of a woman with all her data stays the same.
    batch : Batch, n women
        With features.
    weight : Tensor, shape (n,)
        Sampling weights.
    rows : Tensor of int, optional
        Women to use. Default: all.
    seed : int
        For the choice of women if there are many.

    Notes
    -----
    The age part of a set of views is a quadratic function of age. It lies between two functions:
    with the first one the median log hazard of the set equals that of all data of the same women,
    with the second one the mean hazard does. The median of the risks then differs from that of all
    data by as much as :data:`~mammorisk.risk_models.hybrid.view_sets.MEDIAN_RANGE` allows in
    relation to the mean.
    """
    settings = heads.settings
    for buffer in (heads.image_centre, heads.acquisition_centre, heads.age):
        buffer.zero_()
    if not settings.n_features:
        return
    rows = torch.arange(len(batch)) if rows is None else rows
    if len(rows) > _MOST_WOMEN:
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        rows = rows[chosen[:_MOST_WOMEN]]
    rows = rows[batch.mask[rows].any(dim=1)]
    if len(rows) < _FEWEST_WOMEN:
        return
    contributions = partial(contributions_of, heads, batch, rows)
    batch, weight = replace(batch, features=batch.features[..., :0]).take(rows), weight[rows]
    terms = age_terms(batch.age).double().numpy()
    expected = (weight * batch.offset.exp().sum(dim=1)).double().numpy()
    sampled = weight.double().numpy()
    whole = _total(contributions(lambda women: women))
    there = view_set(batch.mask)
    told = (batch.given & batch.mask).any(dim=1).numpy()
    image, acquisition, age = (
        torch.zeros_like(b) for b in (heads.image_centre,) * 2 + (heads.age,)
    )
    start = 0 if not settings.published_baseline else 1
    for views in range(start, VIEW_SETS):
        complete = ((there & views) == views).numpy()
        if complete.sum() < _FEWEST_WOMEN:
            continue
        alone = contributions(partial(with_views, views=views, acquisition=False))
        if views:
            image[views] = _mean(terms, alone["image"], sampled, complete)
        shift = _shift(terms, whole - _total(alone), _total(alone), expected, complete)
        age[views, 0] = image[views] + shift
        age[views, 1] = age[views, 0]
        both = complete & told
        if "acquisition" not in alone or not views or both.sum() < _FEWEST_WOMEN:
            continue
        joint = contributions(partial(with_views, views=views))
        acquisition[views] = _mean(terms, joint["acquisition"], sampled, both)
        shift = _shift(terms, whole - _total(joint), _total(joint), expected, both)
        age[views, 1] = image[views] + acquisition[views] + shift
    heads.image_centre.copy_(image)
    heads.acquisition_centre.copy_(acquisition)
    heads.age.copy_(age)


def _total(parts: dict[str, Tensor]) -> Floats:
    return np.asarray(torch.stack(list(parts.values())).sum(dim=0).double().numpy())


def _mean(terms: Floats, part: Tensor, weight: Floats, rows: NDArray[np.bool_]) -> Tensor:
    """Weighted least squares of a contribution on age."""
    root = np.sqrt(weight[rows])
    found = np.linalg.lstsq(
        terms[rows] * root[:, None], part.double().numpy()[rows] * root, rcond=None
    )
    return torch.from_numpy(found[0]).float()


def _shift(
    terms: Floats, difference: Floats, total: Floats, expected: Floats, rows: NDArray[np.bool_]
) -> Tensor:
    """Compromise of the shifts that equate the median log hazards and the mean hazards."""
    weight = expected[rows]
    root = np.sqrt(weight)
    logs = np.asarray(
        np.linalg.lstsq(terms[rows] * root[:, None], difference[rows] * root, rcond=None)[0],
        dtype=np.float64,
    )
    means = _log_ratio(terms[rows], difference[rows], weight * np.exp(total[rows]), logs)
    # The differences are skewed: from the mean to the median of what the age does not explain.
    left = difference[rows] - terms[rows] @ logs
    order = np.argsort(left)
    cumulative = np.cumsum(weight[order])
    logs[0] += left[order][np.searchsorted(cumulative, cumulative[-1] / 2)]
    return torch.from_numpy(_MEDIAN_SHARE * logs + (1 - _MEDIAN_SHARE) * means).float()


def _log_ratio(terms: Floats, difference: Floats, weight: Floats, start: Floats) -> Floats:
    """Coefficients of a log-linear mean of the hazard ratios (Poisson score equations)."""
    ratio, found = np.exp(difference), start.copy()
    for _ in range(50):
        mean = weight * np.exp(terms @ found)
        step = np.linalg.solve(
            (terms * mean[:, None]).T @ terms + 1e-9 * weight.sum() * np.eye(terms.shape[1]),
            terms.T @ (weight * ratio - mean),
        )
        found = found + step
        if np.abs(step).max() < 1e-8:
            break
    return found
