"""Faster R-CNN of which a view also sees the other breast and the other view.

The network is torchvision's Faster R-CNN (Ren 2015, arXiv:1506.01497) with a ResNet-50 and a
feature pyramid (Lin 2017, arXiv:1612.03144). At each level of the pyramid two terms are added to
the features of a view: one from the mirrored other breast, and one from the other view of the same
breast. The rows of a CC and an MLO view have the same direction in the breast, so the other view is
summarised over its rows, for each distance from the nipple.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d

#: Number of features of the pyramid.
_WIDTH = 256


@dataclass(frozen=True, kw_only=True)
class RcnnSettings:
    """Size of the network.

    Attributes
    ----------
    classes : int
        Number of classes without the background.
    two_sides, two_views : bool
        Whether a view sees the other breast and the other view.
    trainable_layers : int
        Number of stages of the backbone that are trained.
    backbone : str
        ``"resnet50"``, or another ResNet of torchvision.
    frozen_norm : bool
        Keep the statistics of the normalisation, as for a backbone with ImageNet weights.
    """

    classes: int
    two_sides: bool = True
    two_views: bool = True
    trainable_layers: int = 5
    backbone: str = "resnet50"
    frozen_norm: bool = True


@dataclass(frozen=True, kw_only=True)
class Links:
    """Which images of a batch belong together.

    Attributes
    ----------
    other_side, other_view : sequence of int or None, length n
        Position of the other breast and of the other view in the batch; None if there is none.
    nipples : sequence of (float, float), length n
        Row and column of the nipple as shares of the height and width of the batch.
    """

    other_side: Sequence[int | None] = field(default_factory=tuple)
    other_view: Sequence[int | None] = field(default_factory=tuple)
    nipples: Sequence[tuple[float, float]] = field(default_factory=tuple)


class FusedBackbone(nn.Module):
    """Feature pyramid with the terms of the other breast and the other view.

    ``links`` is set before each call: torchvision calls a backbone with images alone.
    """

    def __init__(self, pyramid: nn.Module, settings: RcnnSettings) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.out_channels = _WIDTH
        self.side = nn.Conv2d(2 * _WIDTH, _WIDTH, 1) if settings.two_sides else None
        self.view = nn.Conv2d(3 * _WIDTH, _WIDTH, 1) if settings.two_views else None
        self.links = Links()
        for mix in (self.side, self.view):
            if mix is not None:
                nn.init.normal_(mix.weight, std=0.01)
                nn.init.zeros_(mix.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        levels: OrderedDict[str, Tensor] = self.pyramid(images)
        return OrderedDict((name, self._fused(maps)) for name, maps in levels.items())

    def _fused(self, maps: Tensor) -> Tensor:
        links = self.links
        added = maps
        if self.side is not None and any(o is not None for o in links.other_side):
            added = added + self._linked(maps, links.other_side, self._from_side)
        if self.view is not None and any(o is not None for o in links.other_view):
            added = added + self._linked(maps, links.other_view, self._from_view)
        return added

    def _linked(self, maps: Tensor, others: Sequence[int | None], term: object) -> Tensor:
        terms = [
            torch.zeros_like(maps[i]) if other is None else term(maps, i, other)  # type: ignore[operator]
            for i, other in enumerate(others)
        ]
        return torch.stack(terms)

    def _from_side(self, maps: Tensor, own: int, other: int) -> Tensor:
        rows = maps.shape[-2]
        offset = self.links.nipples[own][0] - self.links.nipples[other][0]
        aligned = _moved(maps[other], round(offset * rows), dim=-2)
        near = functional.max_pool2d(aligned, 3, 1, 1)
        assert self.side is not None
        mixed: Tensor = self.side(torch.cat([maps[own], near])[None])[0]
        return functional.relu(mixed)

    def _from_view(self, maps: Tensor, own: int, other: int) -> Tensor:
        columns = maps.shape[-1]
        offset = self.links.nipples[own][1] - self.links.nipples[other][1]
        summary = torch.cat([maps[other].amax(1, keepdim=True), maps[other].mean(1, keepdim=True)])
        aligned = _moved(summary, round(offset * columns), dim=-1)
        every_row = aligned.expand(-1, maps.shape[-2], -1)
        assert self.view is not None
        mixed: Tensor = self.view(torch.cat([maps[own], every_row])[None])[0]
        return functional.relu(mixed)


def _moved(maps: Tensor, steps: int, *, dim: int) -> Tensor:
    """Shift maps by whole steps; zeros come in."""
    size = maps.shape[dim]
    steps = max(-size, min(size, steps))
    kept = maps.narrow(dim, max(-steps, 0), size - abs(steps))
    shape = list(maps.shape)
    shape[dim] = abs(steps)
    blank = maps.new_zeros(shape)
    return torch.cat([blank, kept] if steps > 0 else [kept, blank], dim)


class _AsGiven(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Images at the spacing of the recipe: they are padded to one size and not resized."""

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


def make_rcnn(settings: RcnnSettings, *, pretrained: bool) -> FasterRCNN:
    """Create the network.

    Parameters
    ----------
    settings : RcnnSettings
    pretrained : bool
        Start the backbone from ImageNet weights, which are downloaded.
    """
    pyramid = resnet_fpn_backbone(
        backbone_name=settings.backbone,
        weights="DEFAULT" if pretrained else None,
        norm_layer=FrozenBatchNorm2d if settings.frozen_norm else nn.BatchNorm2d,
        trainable_layers=settings.trainable_layers,
    )
    network = FasterRCNN(
        FusedBackbone(pyramid, settings),
        num_classes=settings.classes + 1,
        box_score_thresh=0.01,
        box_nms_thresh=0.3,
        box_detections_per_img=50,
    )
    network.transform = _AsGiven(
        min_size=1, max_size=1, image_mean=[0.5] * 3, image_std=[0.25] * 3, size_divisible=32
    )
    return network
