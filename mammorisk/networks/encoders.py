"""Encoders of one view: a timm backbone, or a compact network of this package."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mammorisk.errors import ModelError

#: Name of the compact network, which can be trained and run on a laptop.
COMPACT = "compact"


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

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Compute feature maps, shape (n, width, rows / 16, columns / 16)."""
        maps: Tensor = self.layers(pixels)
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        return self.forward_features(pixels).mean(dim=(2, 3))


def make_encoder(name: str, *, pretrained: bool, size: tuple[int, int]) -> nn.Module:
    """Create an encoder by name.

    Parameters
    ----------
    name : str
        ``"compact"``, or a model of timm.
    pretrained : bool
        Download timm's published weights. The first layer is adapted to one channel.
    size : (int, int)
        Rows and columns of a view; needed by transformers.

    Returns
    -------
    Module
        Module from shape (n, 1, rows, columns) to shape (n, num_features).

    Raises
    ------
    ModelError
        timm does not have the model, or cannot create or download it.
    """
    if name == COMPACT:
        if pretrained:
            raise ModelError(f"{COMPACT} has no pre-trained weights", remedy="Pass init= instead.")
        return Compact()
    import timm

    if name not in timm.list_models():
        raise ModelError(f"there is no encoder {name!r}", remedy="Names are those of timm.")
    options: dict[str, Any] = {"in_chans": 1, "num_classes": 0, "pretrained": pretrained}
    try:
        try:
            encoder = timm.create_model(name, img_size=size, **options)
        except TypeError:
            # Convolutional networks accept any size and do not have the argument.
            encoder = timm.create_model(name, **options)
    except (RuntimeError, OSError, AssertionError, ValueError) as error:
        raise ModelError(
            f"the encoder {name} cannot be created ({type(error).__name__})",
            remedy="Check its image size, and the network if weights are downloaded.",
        ) from error
    return _checked(encoder, name, size)


def _checked(encoder: nn.Module, name: str, size: tuple[int, int]) -> nn.Module:
    """Measure the width of the pooled features, which can differ from the one that timm states."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            width = int(encoder(torch.zeros(1, 1, *size)).shape[-1])
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"the encoder {name} does not accept views of {size[0]} x {size[1]} pixels",
            remedy="Choose another size in the recipe's image settings.",
        ) from error
    encoder.train(training)
    encoder.num_features = width  # type: ignore[assignment]
    return encoder
