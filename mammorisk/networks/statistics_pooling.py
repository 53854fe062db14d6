"""Statistics pooling: mean and standard deviation of the maps of several stages of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Share of breast from which on a place is wholly inside; less than 1 because of rounding.
_WHOLE = 0.9999
#: Least variance, so that the gradient of a standard deviation is finite.
_LEAST_VARIANCE = 1e-10


class StatisticsPooling(nn.Module):
    """An encoder whose features are means and standard deviations over the places of the breast.

    The maps of all stages are used, from fine to coarse, as in descriptions of texture (Gatys 2015,
    arXiv:1505.07376, has the second moments of the maps of several layers; Huang 2017,
    doi:10.1109/ICCV.2017.167, mean and standard deviation of each map; Ustyuzhaninov 2016,
    arXiv:1606.00021, shows that random weights are enough for many textures). Snyder 2018,
    doi:10.1109/ICASSP.2018.8461375, pools speech so. The mean of the last maps alone, the usual
    pooling, keeps little of fine texture.

    Only places that are inside the breast as a whole count.

    Parameters
    ----------
    network : Module
        With a method ``forward_intermediates`` as that of models of timm.
    background : sequence of float
        Value of a pixel outside the breast, one a channel.
    """

    background: Tensor

    def __init__(self, network: nn.Module, background: Sequence[float] = (0.0,)) -> None:
        super().__init__()
        self.network = network
        value = torch.tensor(list(background)).reshape(1, -1, 1, 1)
        self.register_buffer("background", value, persistent=False)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the activations again in the backward pass, as models of timm do."""
        self.network.set_grad_checkpointing(enable)  # type: ignore[operator]

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute features, shape (n, 2 * channels of all stages)."""
        stages: Callable[..., list[Tensor]] = self.network.forward_intermediates  # type: ignore[assignment]
        breast = (pixels != self.background).any(dim=1, keepdim=True).float()
        found: list[Tensor] = []
        for maps in stages(pixels, intermediates_only=True):
            found += mean_and_sd(maps.float(), inner_places(breast, maps.shape[-2:]))
        return torch.cat(found, dim=1)


def network_of(encoder: nn.Module) -> nn.Module:
    """The network of an encoder without the pooling of this module."""
    return encoder.network if isinstance(encoder, StatisticsPooling) else encoder


def inner_places(breast: Tensor, size: Sequence[int]) -> Tensor:
    """Weights of the places of a map.

    Parameters
    ----------
    breast : Tensor, shape (n, 1, rows, columns)
        1 inside the breast, 0 outside.
    size : sequence of int
        Rows and columns of the map.

    Returns
    -------
    Tensor, shape (n, 1, *size)
        1 for places inside the breast, 0 for others. A view that has no place wholly inside, as
        coarse maps of small breasts, gets the share of breast of each place.
    """
    share = functional.adaptive_avg_pool2d(breast, (size[0], size[1]))
    whole = (share > _WHOLE).float()
    has_whole = whole.amax(dim=(2, 3), keepdim=True)
    return torch.where(has_whole > 0, whole, share)


def mean_and_sd(maps: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each map over the places, shape (n, channels) each.

    Parameters
    ----------
    maps : Tensor, shape (n, channels, rows, columns)
    weight : Tensor, shape (n, 1, rows, columns)
        Of the places. With weights that are all 0 the mean is 0 and the standard deviation almost.
    """
    share = weight / weight.sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    mean = (maps * share).sum(dim=(2, 3))
    variance = ((maps - mean[..., None, None]) ** 2 * share).sum(dim=(2, 3))
    return mean, (variance + _LEAST_VARIANCE).sqrt()
