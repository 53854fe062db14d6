"""LesionDetector: the networks of lesion maps, and how their maps become candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mammorisk._utils.model_folder import ModelState
from mammorisk.findings.base import Detector
from mammorisk.findings.candidate import LESION_TYPES, Candidate
from mammorisk.findings.candidate_scores import (
    ScoreWeights,
    lesion_features,
    start_weights,
    with_score,
)
from mammorisk.findings.clusters import Cluster, find_clusters
from mammorisk.findings.detector_input import (
    LESION_MM,
    SPECK_MM,
    DetectorView,
    detector_view,
    lesion_channels,
    speck_values,
)
from mammorisk.findings.frame import ViewFrame
from mammorisk.findings.peaks import find_peaks, keep_apart
from mammorisk.imaging.segmented_view import SegmentedView
from mammorisk.networks.lesion_maps import (
    CLUSTER_STRIDE,
    LESION_MULTIPLE,
    LESION_STRIDE,
    SPECK_MULTIPLE,
    Features,
    LesionNet,
    SpeckNet,
)

#: Value of ``kind`` in the configuration of this kind of detector.
KIND = "lesion-maps"
#: Step of the coarsest features; the other breast is shifted by multiples of it.
_SHIFT = 16
#: Lowest score of a candidate, and largest number of each type in a view, before fusion.
_LOWEST, _MOST = 0.01, 20
#: Lowest score of a speck.
_LOWEST_SPECK = 0.05
#: Two candidates of one view are one lesion if they are nearer than this and half their size.
_APART_MM = 5.0


@dataclass(kw_only=True)
class LesionDetector(Detector):
    """A detector of the kind ``"lesion-maps"``.

    Attributes
    ----------
    lesions : LesionNet
    specks : SpeckNet
    score_weights : mapping of str to ndarray
        For each type, the coefficients of the features of a candidate and the constant, for its
        logit.
    """

    lesions: LesionNet
    specks: SpeckNet
    score_weights: ScoreWeights = field(default_factory=start_weights)

    def prepare(self, seen: SegmentedView) -> DetectorView | None:
        return detector_view(seen, specks="calcification" in self.card.types)

    def find(self, views: Mapping[str, DetectorView]) -> dict[str, list[Candidate]]:
        found = self._find_lesions(views)
        for name, view in views.items():
            found[name] += _cluster_candidates(name, view, self._find_clusters(view))
        return {
            name: sorted(
                (with_score(one, self.score_weights) for one in some), key=lambda one: -one.score
            )
            for name, some in found.items()
        }

    def _find_lesions(self, views: Mapping[str, DetectorView]) -> dict[str, list[Candidate]]:
        with torch.inference_mode(), self._precision():
            features = {name: self._features(view) for name, view in views.items()}
            return {
                name: self._lesion_candidates(
                    name,
                    view,
                    features[name],
                    views.get(_other_side(name)),
                    features.get(_other_side(name)),
                )
                for name, view in views.items()
            }

    def state(self) -> ModelState:
        tensors = {
            f"{part}.{name}": half_precision(value)
            for part, net in (("lesions", self.lesions), ("specks", self.specks))
            for name, value in net.state_dict().items()
        }
        config = self.config() | {
            "kind": KIND,
            "width": {"lesions": self.lesions.width, "specks": self.specks.width},
            "score_weights": {kind: some.tolist() for kind, some in self.score_weights.items()},
        }
        return ModelState(config=config, tensors=tensors)

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return next(self.lesions.parameters()).device

    def _precision(self) -> Any:
        """Half precision where the processor computes with it: about twice as fast."""
        device = self.device.type
        if device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return nullcontext()
        return torch.autocast(device, torch.bfloat16)

    def _features(self, view: DetectorView) -> Features:
        pixels = _padded(lesion_channels(_tensor(view.lesion, self.device)), LESION_MULTIPLE)
        maps: Features = self.lesions.features(pixels)
        return maps

    def _lesion_candidates(
        self,
        name: str,
        view: DetectorView,
        own: Features,
        other: DetectorView | None,
        other_features: Features | None,
    ) -> list[Candidate]:
        if other is None or other_features is None:
            aligned, present = own, torch.zeros(1, device=self.device)
        else:
            aligned = _aligned(own, other_features, view.nipple_row - other.nipple_row)
            present = torch.ones(1, device=self.device)
        maps = self.lesions.maps(own, aligned, present)
        rows, columns = (-(-n // LESION_STRIDE) for n in view.lesion.shape[1:])
        map_logits = maps.heat.float()[0, :, :rows, :columns].contiguous()
        logits, heat = map_logits.cpu().numpy(), torch.sigmoid(map_logits).cpu().numpy()
        size = (10 * torch.exp(maps.size.float().clamp(-3, 3)))[0].cpu().numpy()
        return [
            one
            for kind, type_name in enumerate(LESION_TYPES)
            if type_name in self.card.types
            for one in _peaks_of_type(name, view.lesion_frame, kind, heat, logits, size)
        ]

    def _find_clusters(self, view: DetectorView) -> list[Cluster]:
        """Find clusters of calcifications on the grid of ``view.specks``."""
        if view.specks is None:
            return []
        with torch.inference_mode(), self._precision():
            pixels = speck_values(_tensor(view.specks[None], self.device))
            maps = self.specks(_padded(pixels, SPECK_MULTIPLE))
        rows, columns = view.specks.shape
        # Outside the breast there are none: without this, its edge can give some.
        chances = torch.sigmoid(maps.specks.float())[0, 0].cpu().numpy()[:rows, :columns]
        return find_clusters(
            chances * (view.specks > 0),
            maps.clusters.float()[0, 0].cpu().numpy(),
            step_px=CLUSTER_STRIDE,
            spacing_mm=SPECK_MM,
            lowest=_LOWEST_SPECK,
            most=_MOST,
        )


def _peaks_of_type(
    name: str,
    frame: ViewFrame,
    kind: int,
    heat: NDArray[np.float32],
    logits: NDArray[np.float32],
    size_mm: NDArray[np.float32],
) -> list[Candidate]:
    """Candidates of one type: its peaks without those near a higher one.

    A peak of another type at the same place is kept, since a lesion can look like both.
    """
    peaks = find_peaks(heat[kind], lowest=_LOWEST, most=_MOST)
    if not len(peaks.rows):
        return []
    sizes = size_mm[:, peaks.rows, peaks.columns]
    cells = np.column_stack([peaks.rows, peaks.columns]).astype(np.float64)
    centres = (cells + 0.5) * LESION_STRIDE - 0.5
    apart = np.maximum(_APART_MM, sizes.max(axis=0) / 2) / LESION_MM
    found = []
    for i in keep_apart(centres, peaks.values.astype(np.float64), apart.astype(np.float64)):
        place = int(peaks.rows[i]), int(peaks.columns[i])
        height, width = (float(n) for n in sizes[:, i])
        found.append(
            Candidate(
                view=name,
                type=LESION_TYPES[kind],
                score=float(peaks.values[i]),
                box_px=frame.box_to_view(
                    (float(centres[i, 0]), float(centres[i, 1])),
                    (height / LESION_MM, width / LESION_MM),
                ),
                features=lesion_features(
                    logits, kind, place, max(height, width), LESION_STRIDE * LESION_MM
                ),
            )
        )
    return found


def _cluster_candidates(
    name: str, view: DetectorView, clusters: Sequence[Cluster]
) -> list[Candidate]:
    """Clusters as candidates of a view; their scores are set from their features."""
    frame = view.speck_frame
    if frame is None:
        return []
    return [
        Candidate(
            view=name,
            type="calcification",
            score=0.0,
            box_px=frame.box_to_view(one.centre, one.size),
            specks_px=frame.to_view(one.specks),
            features=one.features,
        )
        for one in clusters
    ]


def half_precision(value: torch.Tensor) -> NDArray[Any]:
    """Return a tensor as an array, in half precision if it is of single precision."""
    array: NDArray[Any] = value.detach().cpu().numpy()
    return array.astype(np.float16) if array.dtype == np.float32 else array


def _other_side(name: str) -> str:
    return ("R" if name.startswith("L") else "L") + name[1:]


def _tensor(pixels: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(pixels).to(device, torch.float32)[None]


def _padded(pixels: torch.Tensor, multiple: int) -> torch.Tensor:
    rows, columns = (-n % multiple for n in pixels.shape[-2:])
    padded = functional.pad(pixels, (0, columns, 0, rows))
    return padded.contiguous(memory_format=torch.channels_last)


def _aligned(own: Features, other: Features, offset: float) -> Features:
    """Shift the features of the other breast, and cut or pad them to the shape of the own ones."""
    steps = round(offset / _SHIFT)
    return Features(
        own.two,
        own.four,
        _shifted(other.eight, own.eight, 2 * steps),
        _shifted(other.sixteen, own.sixteen, steps),
    )


def _shifted(maps: torch.Tensor, like: torch.Tensor, down: int) -> torch.Tensor:
    out = torch.zeros_like(like)
    rows, columns = like.shape[-2:]
    first, start = max(down, 0), max(-down, 0)
    part = maps[..., start:, :columns]
    count = max(min(rows - first, part.shape[-2]), 0)
    out[..., first : first + count, : part.shape[-1]] = part[..., :count, :]
    return out
