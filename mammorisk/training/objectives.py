"""Losses by name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mammorisk.metrics import fit_censoring
from mammorisk.networks.hazards import (
    YEARS,
    cumulative_risk,
    exposure,
    negative_log_likelihood,
)
from mammorisk.risk_models.recipe import Loss
from mammorisk.training.outcomes import Outcomes


def loss_of(
    kind: Loss,
    log_hazard: Tensor,
    log_death_hazard: Tensor | None,
    outcomes: Outcomes,
    censoring_weight: Tensor,
) -> Tensor:
    """Compute the weighted loss of each woman, shape (n,)."""
    if kind == "case_control":
        return _case_control(log_hazard, outcomes)
    if kind == "binary_5y":
        risk = cumulative_risk(log_hazard, log_death_hazard)[:, -1].clamp(1e-7, 1 - 1e-7)
        case = ((outcomes.event == 1) & (outcomes.time <= YEARS)).float()
        entropy = -(case * risk.log() + (1 - case) * (1 - risk).log())
        return censoring_weight * outcomes.weight * entropy
    time = outcomes.time
    if log_death_hazard is None:
        # One curve for the risk in the presence of death: women who died stay at risk up to the
        # last year, as in a subdistribution hazard (Fine 1999,
        # doi:10.1080/01621459.1999.10474144). Their later censoring is ignored: deaths are few.
        time = torch.where(outcomes.event == 2, torch.full_like(time, YEARS), time)
    capped = time.clamp(max=YEARS)
    cancer = ((outcomes.event == 1) & (outcomes.time <= YEARS)).float()
    loss = negative_log_likelihood(log_hazard, capped, cancer, outcomes.entry, outcomes.weight)
    if log_death_hazard is not None:
        death = ((outcomes.event == 2) & (outcomes.time <= YEARS)).float()
        loss = loss + negative_log_likelihood(
            log_death_hazard, capped, death, outcomes.entry, outcomes.weight
        )
    return loss


def _case_control(log_hazard: Tensor, outcomes: Outcomes) -> Tensor:
    """Cross-entropy of the event, given that a woman was sampled.

    Let H be the cumulative hazard over her follow-up. As long as cancer is rare, her odds are H
    times the ratio of the sampling weights of women without and with the event (Prentice 1979,
    doi:10.1093/biomet/66.3.403). In contrast to the weighted likelihood, no single woman dominates
    a step.
    """
    logit = log_cumulative(log_hazard, outcomes) + outcomes.log_sampling_ratio
    case = (outcomes.event == 1).float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logit, case, reduction="none")
    return outcomes.relative_weight * entropy


def log_cumulative(log_hazard: Tensor, outcomes: Outcomes) -> Tensor:
    """Log of the cumulative hazard over planned follow-up; the last rate applies after its end."""
    time = outcomes.planned_time
    inside = exposure(time.clamp(max=YEARS), outcomes.entry.clamp(max=YEARS))
    beyond = (time - torch.clamp(outcomes.entry, min=YEARS)).clamp(min=0)
    spent = torch.cat([inside[:, :-1], inside[:, -1:] + beyond[:, None]], dim=1)
    return torch.logsumexp(log_hazard + spent.clamp(min=1e-12).log(), dim=1)


def censoring_weights(outcomes: Outcomes, horizon: float = YEARS) -> Tensor:
    """Inverse probability of censoring weights for cancer by the horizon.

    Parameters
    ----------
    outcomes : Outcomes
        Late entry and sampling weights are used in the estimate.
    horizon : float
        Years.

    Returns
    -------
    Tensor, shape (n,)
        0 if the outcome by the horizon is not known, and in all rows if nobody is followed to the
        horizon. A death from another cause counts as known, without cancer. The result does not
        include the sampling weights.

    Notes
    -----
    See :func:`mammorisk.metrics.fit_censoring` (Uno 2007, doi:10.1198/016214507000000149).
    """
    outcome = outcomes.as_record()
    found = fit_censoring(outcome).weights(horizon)
    if found is None:
        return torch.zeros(len(outcome))
    weight = outcome.weight
    inverse = np.divide(found, weight, out=np.zeros(len(outcome)), where=weight > 0)
    return torch.from_numpy(inverse).float()
