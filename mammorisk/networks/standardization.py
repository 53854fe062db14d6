"""Standardization: features of views by their means and standard deviations in the training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

#: Standardised features are clipped to this, so that one unusual value cannot dominate a risk.
_LIMIT = 4.0
#: Features that vary less in the training are not scaled: a map that is 0 there can be almost 0 on
#: other systems, which would else become the limit.
_LEAST_SD = 1e-6


class Standardization(nn.Module):
    """Standardise features by their means and standard deviations in the training.

    Statistics of the maps of several stages differ in scale by orders of magnitude, and each
    varies little between women.

    Parameters
    ----------
    width : int
        Number of features.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("sd", torch.ones(width))

    def fit(self, parts: Iterable[Tensor]) -> None:
        """Take the means and standard deviations of features in parts, shape (n, width) each."""
        # A prediction does not need it.
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        for part in parts:
            if len(part):
                scaler.partial_fit(part.double().cpu().numpy())
        sd = np.sqrt(scaler.var_)
        self.mean.copy_(torch.from_numpy(scaler.mean_))
        self.sd.copy_(torch.from_numpy(np.where(sd > _LEAST_SD, sd, 1.0)))

    def forward(self, features: Tensor) -> Tensor:
        return ((features - self.mean) / self.sd).clamp(-_LIMIT, _LIMIT)
