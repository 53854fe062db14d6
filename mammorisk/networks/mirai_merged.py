"""Mirai's encoder for grey views: the same function with fewer operations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from mammorisk.networks.mirai import MiraiEncoder


class MergedEncoder(nn.Module):
    """A copy of an encoder with each batch normalisation merged into its convolution.

    The three channels of the first convolution have the same pixels and are merged to one. Its
    stride of two is replaced by channels of even and odd pixels: four channels, which processors
    multiply faster than one.

    Parameters
    ----------
    encoder : MiraiEncoder
        The encoder, which is not changed.
    """

    def __init__(self, encoder: MiraiEncoder) -> None:
        super().__init__()
        first = _merged(encoder.downsampler.conv1, encoder.downsampler.bn1)
        self.first = _every_second_pixel(first)
        self.blocks = nn.ModuleList(
            _MergedBlock(getattr(encoder, f"layer{stage}_{place}"))
            for stage in range(1, 5)
            for place in range(2)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute features (n, 512) from normalised pixels, shape (n, 1, rows, columns)."""
        rows, columns = pixels.shape[-2:]
        x = functional.pad(pixels, (0, columns % 2, 0, rows % 2))
        # Padding of the kernel, 4 pixels before and 2 after, in pairs.
        x = functional.pad(functional.pixel_unshuffle(x, 2), (2, 1, 2, 1))
        x = functional.relu(self.first(x.contiguous(memory_format=torch.channels_last)))
        x = functional.max_pool2d(x, 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return x.amax(dim=(2, 3))


class _MergedBlock(nn.Module):
    """Basic block of ResNet-18 without normalisation."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.conv1 = _merged(block.conv1, block.bn1)
        self.conv2 = _merged(block.conv2, block.bn2)
        shortcut = block.downsample
        self.shortcut = (
            _merged(shortcut[0], shortcut[1]) if isinstance(shortcut, nn.Sequential) else None
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(functional.relu(self.conv1(x), inplace=True))
        skip = x if self.shortcut is None else self.shortcut(x)
        return functional.relu(inner + skip, inplace=True)


def _merged(convolution: object, normalisation: object) -> nn.Conv2d:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert variance is not None
    weight, bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        mean,
        variance,
        normalisation.eps,
        normalisation.weight,
        normalisation.bias,
    )
    return _convolution(weight, bias, convolution.stride, convolution.padding)


def _convolution(weight: Tensor, bias: Tensor, stride: Any = 1, padding: Any = 0) -> nn.Conv2d:
    outputs, inputs, rows, columns = weight.shape
    found = nn.Conv2d(
        inputs, outputs, (rows, columns), stride, padding, device="meta", dtype=weight.dtype
    )
    weight = weight.detach().contiguous(memory_format=torch.channels_last)
    found.weight, found.bias = nn.Parameter(weight), nn.Parameter(bias.detach())
    return found


def _every_second_pixel(convolution: nn.Conv2d) -> nn.Conv2d:
    """Convert a 7 x 7 convolution with stride 2 on equal channels to 4 x 4 by pixel parity."""
    assert convolution.bias is not None
    weight = functional.pad(convolution.weight.sum(dim=1), (1, 0, 1, 0))
    n = len(weight)
    # Kernel rows and columns 0 to 7 are 2 x position + parity; parities become channels.
    weight = weight.reshape(n, 4, 2, 4, 2).permute(0, 2, 4, 1, 3).reshape(n, 4, 4, 4)
    return _convolution(weight, convolution.bias)
