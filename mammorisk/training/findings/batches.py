"""Random crops of samples, with the maps that a detector has to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mammorisk.findings.candidate import LESION_TYPES
from mammorisk.findings.detector_input import LESION_MM, lesion_channels, speck_values
from mammorisk.networks.lesion_maps import CLUSTER_STRIDE, LESION_STRIDE
from mammorisk.training.findings.sample import PATCH

#: Size of the crops of lesions and of specks, in pixels.
LESION_CROP = (288, 224)
SPECK_CROP = 448
#: Share of crops that show a lesion, where there are some.
_WITH_LESION = 0.6
#: Share of crops without the view of the other breast.
_ONE_SIDED = 0.15
#: Range of the random scale.
_SCALE = (0.85, 1.2)
#: Multiple by which the other breast is aligned, as in the detector.
_SHIFT = 16


class LesionBatch(NamedTuple):
    """Crops at 0.4 mm with their targets."""

    own: Tensor
    other: Tensor
    present: Tensor
    heat: Tensor
    size: Tensor
    at_peak: Tensor


class SpeckBatch(NamedTuple):
    """Crops at 0.1 mm with their targets."""

    views: Tensor
    specks: Tensor
    clusters: Tensor
    #: 1 in crops whose specks are marked, else 0.
    marked: Tensor


@dataclass
class LesionViews:
    """Views at 0.4 mm, of which crops are drawn.

    Attributes
    ----------
    pixels : list of Tensor of uint8
    boxes : list of ndarray
    others : list of int or None
        Number of the view of the other breast.
    nipple_rows : list of float
    with_lesion : list of int
        Numbers of the views with lesions.
    """

    pixels: list[Tensor]
    boxes: list[NDArray[np.float32]]
    others: list[int | None]
    nipple_rows: list[float]
    with_lesion: list[int] = field(default_factory=list)

    def draw(self, count: int, rng: np.random.Generator, device: torch.device) -> LesionBatch:
        """Draw crops with random position, scale, reflection, grey and noise."""
        crops, boxes, two_sided = [], [], []
        for _ in range(count):
            number, near = _choose(self.with_lesion, len(self.pixels), rng)
            crop, found, is_compared = self._crop(number, near, rng, device)
            crops.append(crop)
            boxes.append(found)
            two_sided.append(float(is_compared))
        both = torch.stack(crops)
        present = torch.tensor(two_sided, device=device)
        own, other = lesion_channels(both[:, :2]), lesion_channels(both[:, 2:])
        own, other = _vary(own, rng), _vary(other, rng)
        heat, size, at_peak = lesion_targets(boxes, both.shape[-2:], device)
        return LesionBatch(own, other, present, heat, size, at_peak)

    def _crop(
        self, number: int, near: bool, rng: np.random.Generator, device: torch.device
    ) -> tuple[Tensor, NDArray[np.float32], bool]:
        pixels, boxes = self.pixels[number], self.boxes[number]
        scale = float(np.exp(rng.uniform(*np.log(_SCALE))))
        size = tuple(round(n / scale) for n in LESION_CROP)
        shape = pixels.shape[-2:]
        if near:
            centre = boxes[int(rng.integers(len(boxes))), 1:3]
            corner = centre - np.array(size) * rng.uniform(0.15, 0.85, 2)
        else:
            corner = rng.uniform(0, 1, 2) * (np.array(shape) - size)
        top, left = (
            int(np.clip(c, min(0, n - s), max(n - s, 0)))
            for c, n, s in zip(corner, shape, size, strict=True)
        )
        parts = [_window(pixels, top, left, size)]
        other = self.others[number]
        is_compared = other is not None and rng.random() >= _ONE_SIDED
        if other is None or not is_compared:
            parts.append(torch.zeros_like(parts[0]))
        else:
            offset = self.nipple_rows[number] - self.nipple_rows[other]
            shift = round(offset / _SHIFT) * _SHIFT
            parts.append(_window(self.pixels[other], top - shift, left, size))
        crop = torch.cat(parts).to(device, torch.float32)[None]
        crop = functional.interpolate(crop, LESION_CROP, mode="bilinear", align_corners=False)[0]
        moved = boxes.copy()
        moved[:, 1:3] = (moved[:, 1:3] + 0.5 - [top, left]) * scale - 0.5
        moved[:, 3:5] *= scale
        if rng.random() < 0.5:
            crop = crop.flip(1)
            moved[:, 1] = LESION_CROP[0] - 1 - moved[:, 1]
        return crop, moved, is_compared


def _choose(with_lesion: Sequence[int], count: int, rng: np.random.Generator) -> tuple[int, bool]:
    """Draw a view or patch, and whether it is one with a lesion."""
    near = bool(with_lesion) and rng.random() < _WITH_LESION
    if near:
        return int(with_lesion[int(rng.integers(len(with_lesion)))]), True
    return int(rng.integers(count)), False


def _window(pixels: Tensor, top: int, left: int, size: Sequence[int]) -> Tensor:
    """A part of the pixels, with zeros beyond them."""
    rows, columns = pixels.shape[-2:]
    out = pixels.new_zeros((*pixels.shape[:-2], *size))
    first, start = max(-top, 0), max(top, 0)
    from_left, column = max(-left, 0), max(left, 0)
    part = pixels[..., start : max(top + size[0], 0), column : max(left + size[1], 0)]
    if start < rows and column < columns and part.numel():
        out[..., first : first + part.shape[-2], from_left : from_left + part.shape[-1]] = part
    return out


def _vary(views: Tensor, rng: np.random.Generator) -> Tensor:
    """Change grey, sharpness and noise at random, inside the breast alone."""
    inside = (views != 0).any(1, keepdim=True)
    shape = (views.shape[0], 1, 1, 1)

    def drawn(low: float, high: float) -> Tensor:
        values = rng.uniform(low, high, shape).astype(np.float32)
        return torch.from_numpy(values).to(views.device)

    soft = functional.avg_pool2d(views, 3, 1, 1, count_include_pad=False)
    share = drawn(-0.6, 1.0).clamp(min=0)
    views = views * (1 - share) + soft * share
    grey, local = views[:, :1], views[:, 1:]
    grey = grey * drawn(0.8, 1.2) + drawn(-0.12, 0.12)
    local = local * drawn(0.75, 1.3)
    noise = drawn(-0.3, 0.3).clamp(min=0) * torch.randn_like(local)
    return torch.cat([grey, local + noise], 1) * inside


def lesion_targets(
    boxes: Sequence[NDArray[np.float32]], size: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Heatmap of each type, and the sizes at the peaks.

    Returns
    -------
    heat : Tensor, shape (n, types, rows / 4, columns / 4)
    size : Tensor, shape (n, 2, rows / 4, columns / 4)
        Logarithms of height and width in units of 10 mm.
    at_peak : Tensor, shape (n, 1, rows / 4, columns / 4)
        Where the size is judged.
    """
    rows, columns = (n // LESION_STRIDE for n in size)
    # Made on the processor: many small steps are slower on an accelerator.
    heat = np.zeros((len(boxes), len(LESION_TYPES), rows, columns), dtype=np.float32)
    sizes = np.zeros((len(boxes), 2, rows, columns), dtype=np.float32)
    at_peak = np.zeros((len(boxes), 1, rows, columns), dtype=np.float32)
    y, x = np.arange(rows)[:, None], np.arange(columns)[None, :]
    for i, some in enumerate(boxes):
        for kind, row, column, height, width in some.tolist():
            r, c = (int((p + 0.5) // LESION_STRIDE) for p in (row, column))
            if not (0 <= r < rows and 0 <= c < columns):
                continue
            spread = [max(0.7, n / LESION_STRIDE / 6) for n in (height, width)]
            peak = np.exp(-0.5 * (((y - r) / spread[0]) ** 2 + ((x - c) / spread[1]) ** 2))
            np.maximum(heat[i, int(kind)], peak, out=heat[i, int(kind)])
            around = slice(max(r - 1, 0), r + 2), slice(max(c - 1, 0), c + 2)
            for part, length in enumerate((height, width)):
                sizes[i, part][around] = np.log(max(length * LESION_MM, 1.0) / 10)
            at_peak[i, 0][around] = 1.0
    made = (torch.from_numpy(array).to(device) for array in (heat, sizes, at_peak))
    return tuple(made)  # type: ignore[return-value]


@dataclass
class SpeckPatches:
    """Patches at 0.1 mm, of which crops are drawn.

    Attributes
    ----------
    pixels : list of Tensor of uint8, shape (PATCH, PATCH)
    specks : list of ndarray, shape (m, 2)
    clusters : list of ndarray, shape (c, 4)
    with_cluster : list of int
        Numbers of the patches with clusters.
    """

    pixels: list[Tensor]
    specks: list[NDArray[np.float32]]
    clusters: list[NDArray[np.float32]]
    with_cluster: list[int] = field(default_factory=list)

    def draw(self, count: int, rng: np.random.Generator, device: torch.device) -> SpeckBatch:
        """Draw crops with random position, reflection, contrast, sharpness and noise."""
        crops, specks, clusters, marked = [], [], [], []
        for _ in range(count):
            number, _ = _choose(self.with_cluster, len(self.pixels), rng)
            top, left = (int(n) for n in rng.integers(0, PATCH - SPECK_CROP + 1, 2))
            crop = self.pixels[number][top : top + SPECK_CROP, left : left + SPECK_CROP]
            points, groups = self.specks[number].copy(), self.clusters[number].copy()
            points -= [top, left]
            groups[:, :2] -= [top, left]
            turns, mirror = int(rng.integers(4)), rng.random() < 0.5
            crops.append(_turned(crop, turns, mirror).to(device, torch.float32))
            specks.append(_turned_points(points, turns, mirror))
            clusters.append(_turned_points(groups[:, :2], turns, mirror))
            marked.append(float(len(points) > 0 or len(groups) == 0))
        views = speck_values(torch.stack(crops)[:, None])
        return SpeckBatch(
            _vary_specks(views, rng),
            speck_targets(specks, SPECK_CROP, 1, 1.5, device),
            speck_targets(clusters, SPECK_CROP, CLUSTER_STRIDE, 1.5, device),
            torch.tensor(marked, device=device)[:, None, None, None],
        )


def _turned(crop: Tensor, turns: int, mirror: bool) -> Tensor:
    turned = torch.rot90(crop, turns)
    return turned.flip(1) if mirror else turned


def _turned_points(points: NDArray[np.float32], turns: int, mirror: bool) -> NDArray[np.float32]:
    last = SPECK_CROP - 1
    for _ in range(turns):
        points = np.column_stack([last - points[:, 1], points[:, 0]])
    if mirror:
        points = np.column_stack([points[:, 0], last - points[:, 1]])
    return points


def _vary_specks(views: Tensor, rng: np.random.Generator) -> Tensor:
    inside = views != 0
    shape = (views.shape[0], 1, 1, 1)

    def drawn(low: float, high: float) -> Tensor:
        values = rng.uniform(low, high, shape).astype(np.float32)
        return torch.from_numpy(values).to(views.device)

    soft = functional.avg_pool2d(views, 3, 1, 1, count_include_pad=False)
    share = drawn(-0.5, 0.9).clamp(min=0)
    views = (views * (1 - share) + soft * share) * drawn(0.7, 1.35)
    noise = drawn(-0.4, 0.4).clamp(min=0) * torch.randn_like(views)
    return (views + noise) * inside


def speck_targets(
    points: Sequence[NDArray[np.float32]],
    side: int,
    stride: int,
    spread: float,
    device: torch.device,
) -> Tensor:
    """Map of points, 1 at each and falling around it: (n, 1, side / stride, side / stride)."""
    cells = side // stride
    impulses = torch.zeros((len(points), 1, cells, cells), device=device)
    numbers = np.repeat(np.arange(len(points)), [len(some) for some in points])
    where = np.floor((np.concatenate(points).reshape(-1, 2) + 0.5) / stride).astype(np.int64)
    inside = ((where >= 0) & (where < cells)).all(axis=1)
    index = (numbers[inside], np.zeros(inside.sum(), np.int64), *where[inside].T)
    impulses[tuple(torch.from_numpy(one).to(device) for one in index)] = 1.0
    reach = int(np.ceil(3 * spread))
    axis = torch.arange(-reach, reach + 1, device=device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (axis / spread) ** 2)
    spread_out = functional.conv2d(impulses, kernel[None, None, :, None], padding=(reach, 0))
    spread_out = functional.conv2d(spread_out, kernel[None, None, None, :], padding=(0, reach))
    # Where neighbours overlap, the sum exceeds 1, but only their own pixels are peaks.
    return torch.maximum(spread_out.clamp(max=0.99), impulses)
