"""The hybrid head: contributions of image, acquisition and questionnaire to one log hazard.

The log hazard is an offset (the published baseline, or a learned one) plus a contribution of each
modality. A modality that is not given contributes exactly 0, and so does an answer that is not
known. The contribution of the acquisition is the change of the image contribution when the
acquisition is known, so the parts always add up. Only one part contains a constant and the age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn

from mammorisk.networks.fusion import Fusion
from mammorisk.networks.hazards import YEARS

#: Contributions in the order of their sum.
MODALITIES = ("image", "acquisition", "questionnaire", "interaction", "age")
#: Centre and scale of age in polynomials.
_AGE_CENTRE, _AGE_SCALE = 55.0, 10.0


class HeadSettings(BaseModel):
    """Sizes and parts of a :class:`HybridHead`.

    ``lowest_weights`` has the lower bound of the weight of each questionnaire column, None for no
    bound. It keeps the effect of an adverse fact from becoming negative. With ``standardized``
    the features of views are standardised by their means and standard deviations in training. With
    ``answers_alone`` the answers of women without images have weights of their own: the image shows
    a part of what the answers tell, such as the effect of weight on density, so the weights beside
    it are others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_features: int = 0
    n_acquisition: int = 0
    n_questionnaire: int = 0
    width: int = 64
    dropout: float = 0.1
    interactions: bool = False
    published_baseline: bool = True
    competing_death: bool = False
    lowest_weights: tuple[float | None, ...] = ()
    standardized: bool = False
    answers_alone: bool = False

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Digests of the configurations of earlier models, which have no such fields, stay.
        later = ("standardized", "answers_alone")
        return {k: v for k, v in dump(self).items() if k not in later or v}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Inputs of n women with up to ``tokens`` views each.

    Attributes
    ----------
    features : Tensor, shape (n, tokens, n_features)
        Features of each view.
    mask : Tensor of bool, shape (n, tokens)
        True where there is a view.
    view, side : Tensor of int, shape (n, tokens)
    years_before : Tensor, shape (n, tokens)
    acquisition : Tensor, shape (n, tokens, n_acquisition)
    given : Tensor of bool, shape (n, tokens)
        True where the acquisition is known.
    questionnaire : Tensor, shape (n, n_questionnaire)
    answered : Tensor of bool, shape (n,)
        Whether any question is answered.
    age : Tensor, shape (n,)
        Years.
    offset : Tensor, shape (n, years)
        Log hazard of the published baseline per year; zeros without a baseline.
    """

    features: Tensor
    mask: Tensor
    view: Tensor
    side: Tensor
    years_before: Tensor
    acquisition: Tensor
    given: Tensor
    questionnaire: Tensor
    answered: Tensor
    age: Tensor
    offset: Tensor

    def __len__(self) -> int:
        return len(self.age)

    def take(self, rows: Tensor | slice) -> Batch:
        """Select some women."""
        return Batch(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class HybridHead(nn.Module):
    """Log hazard per year from features of views, acquisition and questionnaire.

    Parameters
    ----------
    settings : HeadSettings
    """

    def __init__(self, settings: HeadSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        n_image = settings.n_features
        if n_image:
            self.fusion = Fusion(
                n_image,
                width,
                n_acquisition=settings.n_acquisition,
                dropout=settings.dropout,
                standardized=settings.standardized,
            )
            self.image = nn.Linear(width, 1, bias=False)
        if n_image and settings.n_acquisition:
            self.acquisition = nn.Linear(settings.n_acquisition, 1, bias=False)
            nn.init.zeros_(self.acquisition.weight)
        if settings.n_questionnaire:
            self.questionnaire = BoundedLinear(settings.n_questionnaire, settings.lowest_weights)
            if settings.answers_alone:
                self.answers_alone = BoundedLinear(
                    settings.n_questionnaire, settings.lowest_weights
                )
        self.age = _age_polynomial()
        if settings.interactions and n_image and settings.n_questionnaire:
            self.interaction = nn.Sequential(
                nn.Linear(width + settings.n_questionnaire, width),
                nn.GELU(),
                nn.Dropout(settings.dropout),
                nn.Linear(width, 1, bias=False),
            )
        if not settings.published_baseline:
            # Initial rates have the order of magnitude of screening populations.
            self.baseline = nn.Parameter(torch.full((YEARS,), -5.8))
        if settings.competing_death:
            self.death = nn.Parameter(torch.full((YEARS,), -5.0))
            self.death_age = _age_polynomial()

    def exam_features(self, batch: Batch, *, use_acquisition: bool) -> Tensor:
        """Compute fused features of exams, shape (n, width); 0 without a view."""
        given = batch.given if use_acquisition else torch.zeros_like(batch.given)
        fused: Tensor = self.fusion(
            batch.features,
            batch.mask,
            batch.view,
            batch.side,
            batch.years_before,
            batch.acquisition,
            given,
        )
        return fused

    def contributions(self, batch: Batch) -> dict[str, Tensor]:
        """Compute log hazard ratios by modality, shape (n,); exactly 0 if a modality is missing."""
        settings = self.settings
        parts: dict[str, Tensor] = {}
        seen = batch.mask.any(dim=1)
        known = batch.answered
        alone = joint = None
        if settings.n_features:
            alone = joint = self.exam_features(batch, use_acquisition=False)
            parts["image"] = torch.where(seen, self.image(alone)[:, 0], 0.0)
        if alone is not None and settings.n_acquisition:
            joint = self.exam_features(batch, use_acquisition=True)
            told = (batch.given & batch.mask)[..., None]
            mean = (batch.acquisition * told).sum(dim=1) / told.sum(dim=1).clamp(min=1)
            value = self.image(joint - alone)[:, 0] + self.acquisition(mean)[:, 0]
            parts["acquisition"] = torch.where(told.any(dim=1)[:, 0], value, 0.0)
        if settings.n_questionnaire:
            answers = self.questionnaire(batch.questionnaire)
            if settings.answers_alone:
                answers = torch.where(seen, answers, self.answers_alone(batch.questionnaire))
            parts["questionnaire"] = torch.where(known, answers, 0.0)
        if settings.interactions and joint is not None and settings.n_questionnaire:
            value = self.interaction(torch.cat([joint, batch.questionnaire], dim=1))[:, 0]
            parts["interaction"] = torch.where(known & seen, value, 0.0)
        parts["age"] = torch.where(
            age_applies(settings, batch), self.age(age_terms(batch.age))[:, 0], 0.0
        )
        return parts

    def log_hazard(self, batch: Batch, parts: dict[str, Tensor]) -> Tensor:
        """Compute the log hazard per year, shape (n, years)."""
        total = batch.offset + sum(parts.values(), torch.zeros_like(batch.age))[:, None]
        if not self.settings.published_baseline:
            total = total + self.baseline
        return total

    def log_death_hazard(self, batch: Batch) -> Tensor | None:
        """Compute the log hazard of death from other causes per year, or None if not modelled."""
        if not self.settings.competing_death:
            return None
        by_age: Tensor = self.death_age(age_terms(batch.age))
        return self.death + by_age.expand(-1, YEARS)

    def forward(self, batch: Batch) -> Tensor:
        return self.log_hazard(batch, self.contributions(batch))


class BoundedLinear(nn.Module):
    """A weighted sum of columns, with a lower bound for some weights.

    Parameters
    ----------
    n : int
        Number of columns.
    lowest : sequence of float or None
        Lower bound of each weight, or empty for no bounds.
    """

    lowest: Tensor

    def __init__(self, n: int, lowest: Sequence[float | None] = ()) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, n))
        bounds = [-torch.inf if low is None else float(low) for low in lowest] or [-torch.inf] * n
        self.register_buffer("lowest", torch.tensor(bounds), persistent=False)

    def forward(self, columns: Tensor) -> Tensor:
        """Weighted sum, shape (n,)."""
        total: Tensor = columns @ torch.maximum(self.weight, self.lowest)[0]
        return total


def age_applies(settings: HeadSettings, batch: Batch) -> Tensor:
    """Women to whom the learned age term applies, shape (n,).

    A model that uses images on a published baseline leaves the published risk of women without
    images as it is.
    """
    if settings.published_baseline and settings.n_features:
        return batch.mask.any(dim=1)
    return torch.ones_like(batch.answered)


def _age_polynomial() -> nn.Linear:
    layer = nn.Linear(3, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def age_terms(age: Tensor) -> Tensor:
    """Constant, linear and quadratic term of age in years, shape (n, 3)."""
    x = (age - _AGE_CENTRE) / _AGE_SCALE
    return torch.stack([torch.ones_like(x), x, x * x], dim=1)
