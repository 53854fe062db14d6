r"""Piecewise-constant yearly hazards: likelihood and cumulative risk.

The hazard in year :math:`k` is :math:`\lambda_k`. The log-likelihood of a woman followed from
``entry`` to ``time`` is :math:`\delta \log\lambda_{k(t)} - \sum_k \lambda_k e_k`, where :math:`e_k`
is her time in year :math:`k` (Holford 1980, doi:10.2307/2529982).
"""

from __future__ import annotations

import torch
from torch import Tensor

YEARS = 5


def exposure(time: Tensor, entry: Tensor, years: int = YEARS) -> Tensor:
    """Compute the time spent in each year of follow-up.

    Parameters
    ----------
    time, entry : Tensor, shape (n,)
        Years since the exam.
    years : int

    Returns
    -------
    Tensor, shape (n, years)
    """
    edges = torch.arange(years, dtype=time.dtype, device=time.device)
    until = (time[:, None] - edges).clamp(0, 1)
    before = (entry[:, None] - edges).clamp(0, 1)
    return until - torch.minimum(before, until)


def negative_log_likelihood(
    log_hazard: Tensor, time: Tensor, event: Tensor, entry: Tensor, weight: Tensor
) -> Tensor:
    """Compute the weighted negative log-likelihood of one cause for each woman.

    Parameters
    ----------
    log_hazard : Tensor, shape (n, years)
        Log hazard per year.
    time : Tensor, shape (n,)
        Years to the event or the end of follow-up.
    event : Tensor, shape (n,)
        1 where the cause occurred at ``time``, else 0.
    entry, weight : Tensor, shape (n,)

    Returns
    -------
    Tensor, shape (n,)
    """
    years = log_hazard.shape[1]
    spent = exposure(time, entry, years)
    total = (log_hazard.exp() * spent).sum(dim=1)
    # An event at exactly k years belongs to year k. An event after the last year belongs to none.
    year = (time.ceil().long() - 1).clamp(0, years - 1)
    counted = event * (time <= years)
    at_event = log_hazard.gather(1, year[:, None])[:, 0]
    return weight * (total - counted * at_event)


def cumulative_risk(log_hazard: Tensor, log_death_hazard: Tensor | None = None) -> Tensor:
    """Compute the risk by the end of each year, with or without a competing cause.

    Parameters
    ----------
    log_hazard, log_death_hazard : Tensor, shape (n, years)

    Returns
    -------
    Tensor, shape (n, years)
        Risks in [0, 1], not decreasing from year to year.
    """
    hazard = log_hazard.exp()
    if log_death_hazard is None:
        return -torch.expm1(-hazard.cumsum(dim=1))
    both = hazard + log_death_hazard.exp()
    free = torch.exp(-(both.cumsum(dim=1) - both))
    return (free * hazard / both * -torch.expm1(-both)).cumsum(dim=1)
