"""The image encoders of Mammo-CLIP (Ghosh 2024, doi:10.1007/978-3-031-72390-2_59), from timm.

The published network is EfficientNet-B5 (or B2) of the package efficientnet_pytorch with three
channels, followed by an average over the image. Two things differ from timm's model of the same
weights. The padding of the convolutions with stride 2 is fixed: it is that of a square image of
456 (or 260) pixels, for which the network was created, although images of 1520 x 912 pixels are
given to it. And the names of the weights are others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from mammorisk._utils.optional import NETWORKS, require
from mammorisk.errors import ModelError

#: Architecture -> model of timm, and the image size for which the padding was made.
_MODELS = {
    "mammo-clip-b5": ("tf_efficientnet_b5", 456),
    "mammo-clip-b2": ("tf_efficientnet_b2", 260),
}
ARCHITECTURES = tuple(_MODELS)
CHANNELS = 3

#: Names in a block of timm -> names of the published network. The first stage has no expansion.
_OF_FIRST_STAGE = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
_OF_OTHERS = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
_OF_THE_REST = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}


class _PaddedConv2d(nn.Conv2d):
    """A convolution with stride 2 and fixed zero padding.

    Parameters
    ----------
    conv : Conv2d
        Convolution whose weights are used.
    size : int
        Rows and columns of the image for which "same" padding is computed.
    """

    def __init__(self, conv: nn.Conv2d, size: int) -> None:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        super().__init__(
            conv.in_channels, conv.out_channels, kernel, stride, groups=conv.groups, bias=False
        )
        self.weight = conv.weight
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        self.pads = (total // 2, total - total // 2) * 2

    def forward(self, pixels: Tensor) -> Tensor:
        padded = functional.pad(pixels, self.pads)
        return functional.conv2d(padded, self.weight, stride=self.stride, groups=self.groups)


def mammo_clip_encoder(architecture: str) -> nn.Module:
    """Create the network with random weights.

    Parameters
    ----------
    architecture : {"mammo-clip-b5", "mammo-clip-b2"}

    Returns
    -------
    Module
        In evaluation mode, from shape (n, 3, rows, columns) to shape (n, num_features): 2048 (B5)
        or 1408 (B2) features.

    Raises
    ------
    ModelError
        There is no such architecture.
    MissingDependency
        timm is not installed.
    """
    if architecture not in _MODELS:
        raise ModelError(
            f"there is no network {architecture!r} of Mammo-CLIP",
            remedy=f"Known: {', '.join(ARCHITECTURES)}.",
        )
    require("timm", NETWORKS, what="the network of Mammo-CLIP")
    import timm

    name, size = _MODELS[architecture]
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = timm.create_model(name, in_chans=CHANNELS, num_classes=0)
    strided = [name for name, one in network.named_modules() if _has_stride(one)]
    for place in strided:
        parent = network.get_submodule(place.rpartition(".")[0])
        conv = network.get_submodule(place)
        setattr(parent, place.rpartition(".")[2], _PaddedConv2d(conv, size))  # type: ignore[arg-type]
        size = math.ceil(size / 2)
    return network.eval()


def _has_stride(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.stride == (2, 2)


def published_names(network: nn.Module) -> dict[str, str]:
    """Return the names of all weights in a published checkpoint, by name in the network.

    Parameters
    ----------
    network : Module
        From :func:`mammo_clip_encoder`.

    Returns
    -------
    dict of str to str
        Without the prefix ``image_encoder.``.
    """
    numbers = {place: number for number, place in enumerate(_blocks(network))}
    found = {}
    for name in network.state_dict():
        layer, _, weight = name.rpartition(".")
        if layer in _OF_THE_REST:
            found[name] = f"{_OF_THE_REST[layer]}.{weight}"
            continue
        _, stage, position, inner = layer.split(".", 3)
        table = _OF_FIRST_STAGE if stage == "0" else _OF_OTHERS
        number = numbers[f"{stage}.{position}"]
        found[name] = f"_blocks.{number}.{table[inner]}.{weight}"
    return found


def _blocks(network: nn.Module) -> Iterator[str]:
    """Places of the blocks, stage.position, in their order."""
    for stage, blocks in network.blocks.named_children():  # type: ignore[union-attr]
        for position, _ in blocks.named_children():
            yield f"{stage}.{position}"
