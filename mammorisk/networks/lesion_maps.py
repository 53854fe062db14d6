"""Fully convolutional networks that map where lesions are.

The heatmaps and their loss follow CenterNet (Zhou 2019, arXiv:1904.07850): a lesion is the peak of
a heatmap, and its size is read at the peak.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Step of the maps of :class:`LesionNet` in pixels of its input.
LESION_STRIDE = 4
#: Number of rows and columns of the input of :class:`LesionNet` must be a multiple of this.
LESION_MULTIPLE = 16
#: Pixels along the side of a block that :class:`SpeckNet` reads as one position.
SPECK_BLOCK = 4
#: Step of the map of clusters of :class:`SpeckNet` in pixels of its input.
CLUSTER_STRIDE = 16
#: Number of rows and columns of the input of :class:`SpeckNet` must be a multiple of this.
SPECK_MULTIPLE = 32
#: Logit of the background at the start of the training, for a share of 0.01 of lesions.
_RARE = -4.6


class _Block(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = functional.relu(self.first_norm(self.first(maps)))
        return functional.relu(maps + self.second_norm(self.second(hidden)))


def _stage(inputs: int, outputs: int, *, stride: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        *(_Block(outputs) for _ in range(blocks)),
    )


def _head(width: int, outputs: int, start: float = 0.0) -> nn.Sequential:
    last = nn.Conv2d(width, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, start)  # type: ignore[arg-type]
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), last)


def _up(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


class LesionMaps(NamedTuple):
    """Output of :class:`LesionNet`.

    Attributes
    ----------
    heat : Tensor, shape (n, kinds, rows / 4, columns / 4)
        Logits.
    size : Tensor, shape (n, 2, rows / 4, columns / 4)
        Logarithms of height and width in mm, divided by 10 mm.
    """

    heat: Tensor
    size: Tensor


class Features(NamedTuple):
    """Feature maps of a view at steps of 2, 4, 8 and 16 pixels."""

    two: Tensor
    four: Tensor
    eight: Tensor
    sixteen: Tensor


class _Compare(nn.Module):
    """Adds what differs from the other breast to the features of a view."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * width, width, 1)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, own: Tensor, other: Tensor, present: Tensor) -> Tensor:
        # The maximum over neighbours tolerates that the two breasts are not aligned exactly.
        near = functional.max_pool2d(other, 3, 1, 1)
        return own + present * functional.relu(self.mix(torch.cat([own, near], 1)))


class LesionNet(nn.Module):
    """Maps of masses, asymmetries and distortions, from a view and the other breast.

    Parameters
    ----------
    kinds : int
        Number of types of lesions.
    channels : int
        Channels of the input.
    width : int
        Number of features at the finest level. The others have multiples of it.
    """

    def __init__(self, kinds: int = 3, channels: int = 2, width: int = 16) -> None:
        super().__init__()
        self.width = width
        two, four, eight, sixteen = 2 * width, 4 * width, 6 * width, 8 * width
        self.stem = _stage(channels, width, stride=1, blocks=0)
        self.two = _stage(width, two, stride=2, blocks=1)
        self.four = _stage(two, four, stride=2, blocks=1)
        self.eight = _stage(four, eight, stride=2, blocks=1)
        self.sixteen = _stage(eight, sixteen, stride=2, blocks=2)
        self.compare_eight = _Compare(eight)
        self.compare_sixteen = _Compare(sixteen)
        self.to_eight = _stage(sixteen + eight, eight, stride=1, blocks=1)
        self.to_four = _stage(eight + four, four, stride=1, blocks=1)
        self.heat = _head(four, kinds, _RARE)
        self.size = _head(four, 2)

    def features(self, views: Tensor) -> Features:
        """Compute the features of views, shape (n, channels, rows, columns)."""
        two = self.two(self.stem(views))
        four = self.four(two)
        eight = self.eight(four)
        return Features(two, four, eight, self.sixteen(eight))

    def maps(self, own: Features, other: Features, present: Tensor) -> LesionMaps:
        """Compute the maps of views from their features and those of the other breast.

        Parameters
        ----------
        own, other : Features
            ``other`` is aligned with ``own``; only steps of 8 and 16 pixels are read.
        present : Tensor, shape (n,)
            1 where there is a view of the other breast, else 0.
        """
        there = present[:, None, None, None]
        sixteen = self.compare_sixteen(own.sixteen, other.sixteen, there)
        eight = self.compare_eight(own.eight, other.eight, there)
        eight = self.to_eight(torch.cat([_up(sixteen), eight], 1))
        four = self.to_four(torch.cat([_up(eight), own.four], 1))
        return LesionMaps(self.heat(four), self.size(four))

    def forward(self, own: Tensor, other: Tensor, present: Tensor) -> LesionMaps:
        count = own.shape[0]
        both = self.features(torch.cat([own, other]))
        first, second = (Features(*(f[part] for f in both)) for part in _halves(count))
        return self.maps(first, second, present)


def _halves(count: int) -> tuple[slice, slice]:
    return slice(0, count), slice(count, 2 * count)


class SpeckMaps(NamedTuple):
    """Output of :class:`SpeckNet`.

    Attributes
    ----------
    specks : Tensor, shape (n, 1, rows, columns)
        Logits of the specks of a suspicious cluster, at the pixels of the input.
    clusters : Tensor, shape (n, 1, rows / 16, columns / 16)
        Logits of the centres of clusters.
    """

    specks: Tensor
    clusters: Tensor


class SpeckNet(nn.Module):
    """Maps of calcifications. Context of centimetres tells clusters from vessels and artefacts.

    Blocks of 4 x 4 pixels are read as the channels of one position, so that the network computes
    no features at full resolution.

    Parameters
    ----------
    width : int
        Number of features at the finest level.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        two, four, eight = width + width // 2, 2 * width, 3 * width
        block = SPECK_BLOCK**2
        self.one = _stage(block, width, stride=1, blocks=2)
        self.two = _stage(width, two, stride=2, blocks=2)
        self.four = _stage(two, four, stride=2, blocks=2)
        self.eight = _stage(four, eight, stride=2, blocks=2)
        self.to_four = _stage(eight + four, four, stride=1, blocks=1)
        self.to_two = _stage(four + two, two, stride=1, blocks=1)
        self.to_one = _stage(two + width, width, stride=1, blocks=0)
        self.specks = _head(width, block, _RARE)
        self.clusters = _head(four, 1, _RARE)

    def forward(self, views: Tensor) -> SpeckMaps:
        one = self.one(functional.pixel_unshuffle(views, SPECK_BLOCK))
        two = self.two(one)
        four = self.four(two)
        four = self.to_four(torch.cat([_up(self.eight(four)), four], 1))
        two = self.to_two(torch.cat([_up(four), two], 1))
        one = self.to_one(torch.cat([_up(two), one], 1))
        specks = functional.pixel_shuffle(self.specks(one), SPECK_BLOCK)
        return SpeckMaps(specks, self.clusters(four))


def heatmap_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Focal loss of a heatmap, divided by the number of its peaks.

    Parameters
    ----------
    logits : Tensor
    target : Tensor, same shape
        1 at the peaks and falling around them.
    weight : Tensor, same shape, optional
        0 where the map is not judged.
    """
    chance = torch.sigmoid(logits)
    at_peak = (target > 0.999).to(logits.dtype)
    hit = functional.logsigmoid(logits) * (1 - chance) ** 2 * at_peak
    missed = functional.logsigmoid(-logits) * chance**2 * (1 - target) ** 4 * (1 - at_peak)
    both = hit + missed
    if weight is not None:
        both = both * weight
    return -both.sum() / at_peak.sum().clamp(min=1)
