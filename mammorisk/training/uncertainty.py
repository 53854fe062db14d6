"""Parameter uncertainty of the last layer, by a robust (sandwich) Laplace approximation.

With the features of the last layer taken as given, the log hazard is linear in its weights. Their
covariance is inverse information times the variance of the scores times inverse information (Lin
1989, doi:10.1080/01621459.1989.10478874), which holds with sampling weights. The encoder's own
uncertainty is not in it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammorisk.networks.hazards import YEARS, exposure
from mammorisk.networks.hybrid import Batch, HybridHead
from mammorisk.risk_models.recipe import Loss
from mammorisk.training.objectives import log_cumulative
from mammorisk.training.outcomes import Outcomes

Floats = NDArray[np.float64]


def weight_covariance(
    head: HybridHead, batch: Batch, outcomes: Outcomes, *, loss: Loss, ridge: float
) -> Floats:
    """Covariance of the last layer's weights.

    Parameters
    ----------
    head : HybridHead
        Fitted.
    batch, outcomes
        Of the women it was fitted on.
    loss : str
        That it was fitted by; five-year cross-entropy counts as the likelihood here.
    ridge : float
        Prior precision of a weight, which regularisation stands for.

    Returns
    -------
    ndarray, shape (p, p)
        In the order of :meth:`HybridHead.design`.
    """
    with torch.no_grad():
        design = head.design(batch).double()
        log_hazard = head(batch).double()
        if loss == "case_control":
            probability = torch.sigmoid(
                log_cumulative(log_hazard, outcomes) + outcomes.log_sampling_ratio
            )
            case = (outcomes.event == 1).double()
            weight = outcomes.relative_weight.double()
            residual = weight * (case - probability)
            curvature = weight * probability * (1 - probability)
        else:
            time = torch.where(outcomes.event == 2, float(YEARS), outcomes.time.double())
            spent = exposure(time.clamp(max=YEARS), outcomes.entry.double())
            expected = (log_hazard.exp() * spent).sum(dim=1)
            case = ((outcomes.event == 1) & (outcomes.time <= YEARS)).double()
            weight = outcomes.weight.double()
            residual, curvature = weight * (case - expected), weight * expected
        information = (design * curvature[:, None]).T @ design
        scores = design * residual[:, None]
        meat = scores.T @ scores
        penalised = information + ridge * torch.eye(design.shape[1], dtype=torch.float64)
        inverse = torch.linalg.inv(penalised)
        covariance: Tensor = inverse @ (meat + ridge * torch.eye(len(inverse))) @ inverse
    return covariance.numpy()
