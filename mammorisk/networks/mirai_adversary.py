"""Conditional adversary of Mirai: predicts the device from a view and the predicted risk."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mammorisk.networks.mirai import YEARS


class MiraiAdversary(nn.Module):
    """Three linear layers. The network learns features without information on the device.

    Parameters
    ----------
    width : int
        Width of the transformer's output for a view.
    devices : int
        Number of devices.
    """

    def __init__(self, width: int, devices: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width + YEARS, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, devices),
        )

    def forward(self, views: Tensor, logits: Tensor) -> Tensor:
        """Compute the logits of the devices, shape (n, views, devices).

        Parameters
        ----------
        views : Tensor, shape (n, views, width)
        logits : Tensor, shape (n, 5)
            Logits of the risk by year. No gradient is propagated through them.
        """
        n, tokens, _ = views.shape
        risks = logits.detach()[:, None].expand(n, tokens, logits.shape[1])
        joined = torch.cat([views, risks], dim=2).flatten(0, 1)
        return torch.as_tensor(self.layers(joined).unflatten(0, (n, tokens)))
