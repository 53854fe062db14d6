"""RcnnDetector: a Faster R-CNN that sees the views of an exam together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_iou

from mammorisk._utils.model_folder import ModelState
from mammorisk.findings.base import Detector
from mammorisk.findings.candidate import Candidate
from mammorisk.findings.detector import half_precision
from mammorisk.findings.rcnn_input import RcnnView, rcnn_view
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.networks.fused_rcnn import Links, RcnnSettings

#: Value of ``kind`` in the configuration of this kind of detector.
KIND = "faster-rcnn"
#: Boxes of one type that overlap more than this are one lesion, benign or malignant.
_SAME = 0.3


@dataclass(kw_only=True)
class RcnnDetector(Detector):
    """A detector of the kind ``"faster-rcnn"``.

    Attributes
    ----------
    network : Module
        Of :func:`~mammorisk.networks.fused_rcnn.make_rcnn`.
    settings : RcnnSettings
    classes : tuple of str
        Names of the classes: ``"mass"``, or ``"mass malignant"`` and ``"mass benign"``.
    spacing_mm, spread_mm : float
        As in :class:`~mammorisk.findings.recipe.FasterRcnnOptions`.
    """

    network: nn.Module
    settings: RcnnSettings
    classes: tuple[str, ...]
    spacing_mm: float
    spread_mm: float = 0.0

    def prepare(self, seen: SegmentedView) -> RcnnView | None:
        return rcnn_view(
            seen,
            spacing_mm=self.spacing_mm,
            spread_mm=self.spread_mm,
            calcifications="calcification" in self.card.types,
        )

    def find(self, views: Mapping[str, RcnnView]) -> dict[str, list[Candidate]]:
        if not views:
            return {}
        device = next(self.network.parameters()).device
        names = list(views)
        images, links = as_batch(names, [views[name] for name in names])
        self.network.eval()
        with torch.inference_mode():
            self.network.backbone.links = links  # type: ignore[union-attr]
            outputs = self.network([image.to(device) for image in images])
        return {
            name: self._candidates(name, views[name], output)
            for name, output in zip(names, outputs, strict=True)
        }

    def _candidates(
        self, name: str, view: RcnnView, output: Mapping[str, Tensor]
    ) -> list[Candidate]:
        boxes, scores = output["boxes"].cpu(), output["scores"].cpu().numpy()
        kinds = [self.classes[int(label) - 1] for label in output["labels"]]
        found = []
        for kind in self.card.types:
            mine = [i for i, one in enumerate(kinds) if one.split()[0] == kind]
            if kind == "calcification" and not view.calcifications_searched:
                continue
            for place, score, malignant in _merged(boxes[mine], scores[mine], kinds, mine):
                left, top, right, bottom = place
                centre = ((top + bottom - 1) / 2, (left + right - 1) / 2)
                box = view.frame.box_to_view(centre, (bottom - top, right - left))
                found.append(
                    Candidate(view=name, type=kind, score=score, box_px=box, p_malignant=malignant)
                )
        return sorted(found, key=lambda one: -one.score)

    def state(self) -> ModelState:
        config = self.config() | {
            "kind": KIND,
            "settings": asdict(self.settings),
            "classes": list(self.classes),
            "spacing_mm": self.spacing_mm,
            "spread_mm": self.spread_mm,
        }
        tensors = {
            f"network.{name}": half_precision(value)
            for name, value in self.network.state_dict().items()
        }
        return ModelState(config=config, tensors=tensors)


def _merged(
    boxes: Tensor, scores: NDArray[np.float32], kinds: Sequence[str], mine: Sequence[int]
) -> list[tuple[tuple[float, float, float, float], float, float]]:
    """Boxes of one type, with benign and malignant ones of the same place as one.

    Each has its box, its score and the share of the score that is malignant; NaN if the classes
    have no pathology.
    """
    found = []
    free = np.ones(len(mine), dtype=bool)
    overlap = box_iou(boxes, boxes).numpy() > _SAME
    for i in np.argsort(-scores, kind="stable"):
        if not free[i]:
            continue
        same = free & overlap[i]
        same[i] = True
        free &= ~same
        best: dict[str, float] = {}
        for j in np.flatnonzero(same):
            name = kinds[mine[int(j)]]
            best[name] = max(best.get(name, 0.0), float(scores[j]))
        total = min(sum(best.values()), 1.0)
        parts = [value for name, value in best.items() if name.endswith(" malignant")]
        has_pathology = any(" " in name for name in best)
        malignant = sum(parts) / max(sum(best.values()), 1e-9) if has_pathology else float("nan")
        left, top, right, bottom = (float(v) for v in boxes[i])
        found.append(((left, top, right, bottom), total, malignant))
    return found


class Placeable(Protocol):
    """Pixels of a view and its nipple, as in :class:`~mammorisk.findings.rcnn_input.RcnnView`."""

    @property
    def pixels(self) -> NDArray[np.float16]: ...

    @property
    def nipple(self) -> tuple[float, float]: ...


def as_batch(names: Sequence[str], views: Sequence[Placeable]) -> tuple[list[Tensor], Links]:
    """Return the images of the views of an exam in one size, and how they belong together."""
    rows = max(view.pixels.shape[0] for view in views)
    columns = max(view.pixels.shape[1] for view in views)
    images = []
    for view in views:
        pixels = torch.from_numpy(view.pixels.astype(np.float32))
        missing = (0, columns - pixels.shape[1], 0, rows - pixels.shape[0])
        images.append(functional.pad(pixels, missing).expand(3, -1, -1))
    places = {name: i for i, name in enumerate(names)}
    sides = [places.get(("R" if n[0] == "L" else "L") + n[1:]) for n in names]
    others = [places.get(f"{n[0]}-{'MLO' if n.endswith('CC') else 'CC'}") for n in names]
    nipples = [(view.nipple[0] / rows, view.nipple[1] / columns) for view in views]
    return images, Links(other_side=sides, other_view=others, nipples=nipples)
