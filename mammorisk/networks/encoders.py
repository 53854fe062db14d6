"""Encoders of one view: a timm backbone, or a compact network of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from mammorisk.errors import ModelError
from mammorisk.networks.statistics_pooling import StatisticsPooling

#: Pooling of the places of a view.
Pooling = Literal["mean", "statistics"]
#: Name of the compact network, which can be trained and run on a laptop.
COMPACT = "compact"
#: Parts of the compact network whose activations are computed again with gradient checkpointing.
_CHECKPOINTS = 7
#: Layers of the compact network at which the maps of a resolution begin and end.
_STAGES = ((0, 3), (3, 9), (9, 15), (15, 21))


class Compact(nn.Module):
    """A convolutional network with about 0.4 million parameters.

    Parameters
    ----------
    width : int
        Number of features of a view.
    """

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = (1, 16, 32, 32, 64, 64, 96, width)
        strides = (2, 2, 1, 2, 1, 2, 1)
        for inputs, outputs, stride in zip(channels, channels[1:], strides, strict=False):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.num_features = width
        self._parts = 0

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the activations again in the backward pass, as models of timm do."""
        self._parts = _CHECKPOINTS if enable else 0

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Compute feature maps, shape (n, width, rows / 16, columns / 16)."""
        maps: Tensor
        if self._parts and self.training:
            maps = checkpoint_sequential(  # type: ignore[no-untyped-call]
                self.layers, self._parts, pixels, use_reentrant=False
            )
        else:
            maps = self.layers(pixels)
        return maps

    def forward_intermediates(
        self, pixels: Tensor, *, intermediates_only: bool = True
    ) -> list[Tensor]:
        """Compute the last maps of each resolution, as models of timm do, from fine to coarse."""
        found, maps = [], pixels
        for first, last in _STAGES:
            stage = self.layers[first:last]
            if self._parts and self.training:
                maps = checkpoint(stage, maps, use_reentrant=False)
            else:
                maps = stage(maps)
            found.append(maps)
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        return self.forward_features(pixels).mean(dim=(2, 3))


def make_encoder(
    name: str,
    *,
    pretrained: bool,
    size: tuple[int, int],
    channels: int = 1,
    weights: Mapping[str, Tensor] | None = None,
    options: Mapping[str, Any] | None = None,
    pooling: Pooling = "mean",
    background: Sequence[float] = (0.0,),
) -> nn.Module:
    """Create an encoder by name.

    Parameters
    ----------
    name : str
        ``"compact"``, or a model of timm.
    pretrained : bool
        Download timm's published weights. The first layer is adapted to the channels.
    size : (int, int)
        Rows and columns of a view; needed by transformers.
    channels : int
        Channels of the input.
    weights : mapping of str to Tensor, optional
        Weights of a model of timm, instead of a download. They are adapted in the same way.
    options : mapping, optional
        Further arguments of a model of timm.
    pooling : {"mean", "statistics"}
        ``"mean"``: the pooling of the network, which for most is the mean of the last maps.
        ``"statistics"``: mean and standard deviation of the maps of several stages; see
        :class:`~mammorisk.networks.statistics_pooling.StatisticsPooling`.
    background : sequence of float
        Value of a pixel outside the breast, one a channel; for ``"statistics"``.

    Returns
    -------
    Module
        Module from shape (n, channels, rows, columns) to shape (n, num_features).

    Raises
    ------
    ModelError
        timm does not have the model, cannot create or download it, or it gives no maps of its
        stages for the pooling.
    """
    if name == COMPACT:
        if pretrained:
            raise ModelError(f"{COMPACT} has no pre-trained weights", remedy="Pass init= instead.")
        if channels != 1 or options:
            raise ModelError(f"{COMPACT} has one channel and no options")
        made = Compact()
        if weights is not None:
            made.load_state_dict(weights)
        if pooling == "mean":
            return made
        return _checked(StatisticsPooling(made, background), name, size, channels)
    import timm

    # A name may end in the tag of its weights: resnet18.a1_in1k.
    if name.partition(".")[0] not in timm.list_models():
        raise ModelError(f"there is no encoder {name!r}", remedy="Names are those of timm.")
    given: dict[str, Any] = {**(options or {}), "in_chans": channels, "num_classes": 0}
    given["pretrained"] = pretrained or weights is not None
    if weights is not None:
        given["pretrained_cfg_overlay"] = {
            "state_dict": dict(weights),
            "source": None,
            "custom_load": False,
        }
    try:
        try:
            encoder = timm.create_model(name, img_size=size, **given)
        except TypeError:
            # Convolutional networks accept any size and do not have the argument.
            encoder = timm.create_model(name, **given)
    except (RuntimeError, OSError, AssertionError, ValueError) as error:
        raise ModelError(
            f"the encoder {name} cannot be created ({type(error).__name__})",
            remedy="Check its image size, and the network if weights are downloaded.",
        ) from error
    if pooling == "statistics":
        if not hasattr(encoder, "forward_intermediates"):
            raise ModelError(
                f"the encoder {name} does not give the maps of its stages, which statistics "
                "pooling needs",
                remedy='Use the pooling "mean", or another encoder.',
            )
        encoder = StatisticsPooling(encoder, background)
    return _checked(encoder, name, size, channels)


def _checked(encoder: nn.Module, name: str, size: tuple[int, int], channels: int) -> nn.Module:
    """Measure the width of the pooled features, which can differ from the one that timm states."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            width = int(encoder(torch.zeros(1, channels, *size)).shape[-1])
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"the encoder {name} does not accept views of {size[0]} x {size[1]} pixels",
            remedy="Choose another size in the recipe's image settings.",
        ) from error
    encoder.train(training)
    encoder.num_features = width  # type: ignore[assignment]
    return encoder
