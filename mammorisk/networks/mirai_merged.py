"""Mirai's encoder as it runs on grey views: the same function in fewer operations."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mammorisk.networks.mirai import MiraiEncoder


class MergedEncoder(nn.Module):
    """A copy of an encoder with each batch normalisation merged into its convolution.

    The three channels of the first convolution, which see the same pixels, become one, and its
    stride of two an even and an odd pixel side by side: four channels, which processors multiply
    faster than one.

    Parameters
    ----------
    encoder : MiraiEncoder
        Left as it is.
    """

    def __init__(self, encoder: MiraiEncoder) -> None:
        super().__init__()
        encoder = copy.deepcopy(encoder).eval()
        first = _merged(encoder.downsampler, "conv1", "bn1")
        self.first = _every_second_pixel(first).to(memory_format=torch.channels_last)
        self.blocks = nn.ModuleList()
        for stage in range(1, 5):
            for place in range(2):
                block = getattr(encoder, f"layer{stage}_{place}")
                _merge(block, "conv1", "bn1")
                _merge(block, "conv2", "bn2")
                if block.downsample is not None:
                    _merge(block.downsample, "0", "1")
                self.blocks.append(block.to(memory_format=torch.channels_last))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels, shape (n, 1, rows, columns), to features (n, 512)."""
        rows, columns = pixels.shape[-2:]
        x = functional.pad(pixels, (0, columns % 2, 0, rows % 2))
        # The kernel's margin of 4 pixels before and of 2 after, in pairs.
        x = functional.pad(functional.pixel_unshuffle(x, 2), (2, 1, 2, 1))
        x = functional.relu(self.first(x.contiguous(memory_format=torch.channels_last)))
        x = functional.max_pool2d(x, 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return x.amax(dim=(2, 3))


def _every_second_pixel(convolution: nn.Conv2d) -> nn.Conv2d:
    """A 7 x 7 convolution of stride 2 on equal channels, as 4 x 4 on pixels parted by parity."""
    weight = functional.pad(convolution.weight.sum(dim=1), (1, 0, 1, 0))
    n = len(weight)
    # Kernel rows and columns 0 to 7 are 2 x place + parity; parities become channels.
    weight = weight.reshape(n, 4, 2, 4, 2).permute(0, 2, 4, 1, 3).reshape(n, 4, 4, 4)
    found = nn.Conv2d(4, n, 4)
    found.weight, found.bias = nn.Parameter(weight), convolution.bias
    return found


def _merged(owner: nn.Module, convolution: str, normalisation: str) -> nn.Conv2d:
    layers = getattr(owner, convolution), getattr(owner, normalisation)
    return fuse_conv_bn_eval(*layers)


def _merge(owner: nn.Module, convolution: str, normalisation: str) -> None:
    setattr(owner, convolution, _merged(owner, convolution, normalisation))
    setattr(owner, normalisation, nn.Identity())
