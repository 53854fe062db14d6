"""Mean of several hybrid heads, centred for every set of views and acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from mammorisk.networks.hybrid import Batch, HeadSettings, HybridHead, age_applies, age_terms

#: Views of the exam itself, in the order of its tokens. A set of them is a number of four bits.
_VIEWS = 4
#: Number of sets of views; set 0 is empty, and the last one has all views.
VIEW_SETS = 2**_VIEWS
ALL_VIEWS = VIEW_SETS - 1


class HeadEnsemble(nn.Module):
    """The mean contributions of several heads, which differ in the women they were trained on.

    The contributions of the image and of the acquisition are centred for every set of views: their
    mean over the training women of an age is 0. The age part contains what was subtracted, and a
    correction for each set of views, with and without acquisition, so that the mean hazard is the
    same whatever is left out.

    Parameters
    ----------
    members : sequence of HybridHead
    """

    image_centre: Tensor
    acquisition_centre: Tensor
    age: Tensor

    def __init__(self, members: Sequence[HybridHead]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("image_centre", torch.zeros(VIEW_SETS, 3))
        self.register_buffer("acquisition_centre", torch.zeros(VIEW_SETS, 3))
        self.register_buffer("age", torch.zeros(VIEW_SETS, 2, 3))

    @property
    def settings(self) -> HeadSettings:
        return self._heads()[0].settings

    def _heads(self) -> list[HybridHead]:
        return [head for head in self.members if isinstance(head, HybridHead)]

    def contributions(self, batch: Batch) -> dict[str, Tensor]:
        """Compute mean log hazard ratios by modality, shape (n,); 0 if a modality is missing."""
        return self.contributions_and_spread(batch)[0]

    def contributions_and_spread(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """Compute the contributions, and the spread of their sum between the heads.

        Returns
        -------
        parts : dict of str to Tensor of shape (n,)
        spread : Tensor, shape (n,)
            Standard deviation of the log hazard between the heads; 0 for one head.
        """
        each = [head.contributions(batch) for head in self._heads()]
        totals = torch.stack([torch.stack(list(one.values())).sum(dim=0) for one in each])
        spread = totals.std(dim=0) if len(each) > 1 else torch.zeros_like(totals[0])
        parts = {name: torch.stack([one[name] for one in each]).mean(dim=0) for name in each[0]}
        terms, views = age_terms(batch.age), view_set(batch.mask)
        told = (batch.given & batch.mask).any(dim=1)
        if "image" in parts:
            centre = (self.image_centre[views] * terms).sum(dim=1)
            parts["image"] = torch.where(views > 0, parts["image"] - centre, parts["image"])
        if "acquisition" in parts:
            centre = (self.acquisition_centre[views] * terms).sum(dim=1)
            parts["acquisition"] = torch.where(
                told, parts["acquisition"] - centre, parts["acquisition"]
            )
        shift = (self.age[views, told.long()] * terms).sum(dim=1)
        parts["age"] = torch.where(age_applies(self.settings, batch), parts["age"] + shift, 0.0)
        return parts, spread

    def log_hazard(self, batch: Batch, parts: dict[str, Tensor]) -> Tensor:
        """Compute the log hazard per year, shape (n, years)."""
        total = batch.offset + sum(parts.values(), torch.zeros_like(batch.age))[:, None]
        if not self.settings.published_baseline:
            total = total + torch.stack([head.baseline for head in self._heads()]).mean(dim=0)
        return total

    def log_death_hazard(self, batch: Batch) -> Tensor | None:
        """Compute the log hazard of death from other causes per year, or None if not modelled."""
        each = [head.log_death_hazard(batch) for head in self._heads()]
        known = [one for one in each if one is not None]
        return torch.stack(known).mean(dim=0) if known else None

    def forward(self, batch: Batch) -> Tensor:
        return self.log_hazard(batch, self.contributions(batch))


def view_set(mask: Tensor) -> Tensor:
    """Number of the set of views of the exam itself, shape (n,)."""
    bits = 2 ** torch.arange(_VIEWS, device=mask.device)
    return (mask[:, :_VIEWS].long() * bits).sum(dim=1)


def with_views(batch: Batch, views: int | Tensor, *, acquisition: bool = True) -> Batch:
    """Remove all views of the exam itself that are not in a set.

    Parameters
    ----------
    batch : Batch
    views : int, or Tensor of int of shape (n,)
        Set of views.
    acquisition : bool
        Keep the acquisition of the views that stay.
    """
    bits = 2 ** torch.arange(_VIEWS, device=batch.mask.device)
    wanted = torch.as_tensor(views, device=batch.mask.device).reshape(-1, 1)
    mask = batch.mask.clone()
    mask[:, :_VIEWS] &= (wanted & bits) > 0
    # A prior exam alone is no exam.
    mask &= mask[:, :_VIEWS].any(dim=1, keepdim=True)
    return replace(batch, mask=mask, given=batch.given & mask & acquisition)
