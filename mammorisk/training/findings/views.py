"""The views of many exams, as what crops are drawn from."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from mammorisk.training.findings.batches import LesionViews, SpeckPatches
from mammorisk.training.findings.sample import LesionSample


class SampleViews:
    """Views of exams in memory, or in that of an accelerator.

    Attributes
    ----------
    lesions : LesionViews
    specks : SpeckPatches
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.lesions = LesionViews(pixels=[], boxes=[], others=[], nipple_rows=[])
        self.specks = SpeckPatches(pixels=[], specks=[], clusters=[])

    def add(self, samples: Mapping[str, LesionSample], *, lesions: bool, specks: bool) -> None:
        """Add the views of one exam."""
        if lesions:
            first = len(self.lesions.pixels)
            numbers = {name: first + i for i, name in enumerate(samples)}
            for name, sample in samples.items():
                other = ("R" if name[0] == "L" else "L") + name[1:]
                self.lesions.boxes.append(sample.boxes)
                self.lesions.others.append(numbers.get(other))
                self.lesions.nipple_rows.append(sample.nipple_row)
                self.lesions.pixels.append(torch.from_numpy(sample.lesion).to(self.device))
                if len(sample.boxes):
                    self.lesions.with_lesion.append(numbers[name])
        if specks:
            for sample in samples.values():
                self._add_patches(sample)

    def _add_patches(self, sample: LesionSample) -> None:
        for number, patch in enumerate(sample.patches):
            specks = sample.specks[sample.specks[:, 0] == number, 1:]
            clusters = sample.clusters[sample.clusters[:, 0] == number, 1:]
            self.specks.specks.append(specks)
            self.specks.clusters.append(clusters)
            if len(clusters):
                self.specks.with_cluster.append(len(self.specks.pixels))
            self.specks.pixels.append(torch.from_numpy(patch.copy()).to(self.device))
