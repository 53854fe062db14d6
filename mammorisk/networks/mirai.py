"""Mirai (Yala 2021, doi:10.1126/scitranslmed.aba4373), a new implementation with torch layers.

Parameters have the names of the published snapshots (MIT licence, (c) MIT and MGH), so that their
weights can be loaded directly. The code is new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mammorisk.errors import ModelError

#: Risk factors in the order of the vector of 100 numbers, with the size of each.
RISK_FACTORS: dict[str, int] = {
    "density": 4,
    "binary_family_history": 1,
    "binary_biopsy_benign": 1,
    "binary_biopsy_LCIS": 1,
    "binary_biopsy_atypical_hyperplasia": 1,
    "age": 6,
    "menarche_age": 5,
    "menopause_age": 5,
    "first_pregnancy_age": 6,
    "prior_hist": 1,
    "race": 13,
    "parous": 1,
    "menopausal_status": 4,
    "weight": 7,
    "height": 7,
    "ovarian_cancer": 1,
    "ovarian_cancer_age": 6,
    "ashkenazi": 1,
    "brca": 4,
    "mom_bc_cancer_history": 1,
    "m_aunt_bc_cancer_history": 1,
    "p_aunt_bc_cancer_history": 1,
    "m_grandmother_bc_cancer_history": 1,
    # The spelling of the snapshots.
    "p_grantmother_bc_cancer_history": 1,
    "sister_bc_cancer_history": 1,
    "mom_oc_cancer_history": 1,
    "m_aunt_oc_cancer_history": 1,
    "p_aunt_oc_cancer_history": 1,
    "m_grandmother_oc_cancer_history": 1,
    "p_grantmother_oc_cancer_history": 1,
    "sister_oc_cancer_history": 1,
    "hrt_type": 3,
    "hrt_duration": 5,
    "hrt_years_ago_stopped": 5,
}
N_RISK_FACTORS = sum(RISK_FACTORS.values())
#: Width of the encoder, width of the embedding of a position, and years of risk.
ENCODER_WIDTH, _EMBEDDING, YEARS = 512, 32, 5
#: Rows of the tables of views, sides and times; the last row of each is padding.
_VIEWS, _SIDES, _TIMES = 3, 3, 11

Pool = Literal["GlobalMaxPool", "GlobalAvgPool", "Simple_AttentionPool"]


@dataclass(frozen=True, kw_only=True)
class MiraiSettings:
    """Settings of a snapshot.

    Attributes
    ----------
    width : int
        Width of the transformer.
    heads, layers : int
    pool : {"GlobalMaxPool", "GlobalAvgPool", "Simple_AttentionPool"}
    relu_on_pooled : bool
        Whether a ReLU is applied to the pooled vector with the risk factors before the hazards.
    dropout : float
        Dropout of attention scores in training.
    """

    width: int = 512
    heads: int = 8
    layers: int = 1
    pool: Pool = "GlobalMaxPool"
    relu_on_pooled: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.heads < 1 or self.width % self.heads or self.layers < 1:
            raise ModelError(
                f"invalid transformer: width {self.width}, {self.heads} heads, {self.layers} "
                "layers; heads must divide the width"
            )
        if self.pool not in ("GlobalMaxPool", "GlobalAvgPool", "Simple_AttentionPool"):
            raise ModelError(f"there is no pooling method {self.pool!r}")


class _Block(nn.Module):
    """Basic block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        inner = self.bn2(self.conv2(inner))
        skip = x if self.downsample is None else self.downsample(x)
        return functional.relu(inner + skip, inplace=True)


class RiskFactorHeads(nn.Module):
    """One linear head per risk factor, on the features of a view or an exam."""

    def __init__(self, width: int) -> None:
        super().__init__()
        for key, size in RISK_FACTORS.items():
            self.add_module(f"{key}_fc", nn.Linear(width, size))

    def logits(self, features: Tensor) -> dict[str, Tensor]:
        """Compute the logits of each key, shape (n, size)."""
        return {key: getattr(self, f"{key}_fc")(features) for key in RISK_FACTORS}

    def forward(self, features: Tensor) -> Tensor:
        """Compute probabilities, shape (n, 100)."""
        parts = [
            logit.sigmoid() if logit.shape[-1] == 1 else logit.softmax(dim=-1)
            for logit in self.logits(features).values()
        ]
        return torch.cat(parts, dim=-1)


class AdditiveHazard(nn.Module):
    """Logits of cumulative risk: a base, and a non-negative increase in each year."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.hazard_fc = nn.Linear(inputs, YEARS)
        self.base_hazard_fc = nn.Linear(inputs, 1)
        self.register_buffer("upper_triagular_mask", torch.ones(YEARS, YEARS).triu())

    def forward(self, features: Tensor) -> Tensor:
        """Logits by year, shape (n, 5), not decreasing."""
        hazards = functional.relu(self.hazard_fc(features))
        return torch.as_tensor(self.base_hazard_fc(features) + hazards.cumsum(dim=1))


def _chosen(predicted: Tensor, known: Tensor, is_known: Tensor) -> Tensor:
    sizes = torch.tensor(list(RISK_FACTORS.values()), device=known.device)
    return torch.where(is_known.repeat_interleave(sizes, dim=1), known, predicted)


class MiraiEncoder(nn.Module):
    """ResNet-18 with a global maximum, from a view to 512 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.downsampler = nn.Sequential()
        self.downsampler.add_module("conv1", nn.Conv2d(3, 64, 7, 2, 3, bias=False))
        self.downsampler.add_module("bn1", nn.BatchNorm2d(64))
        inputs = 64
        for stage, outputs in enumerate((64, 128, 256, 512), start=1):
            for block in range(2):
                stride = 2 if stage > 1 and block == 0 else 1
                self.add_module(f"layer{stage}_{block}", _Block(inputs, outputs, stride))
                inputs = outputs
        self.pool = RiskFactorHeads(ENCODER_WIDTH)
        self.fc = nn.Linear(ENCODER_WIDTH + N_RISK_FACTORS, 2)
        self.prob_of_failure_layer = AdditiveHazard(ENCODER_WIDTH + N_RISK_FACTORS)
        self.num_features = ENCODER_WIDTH

    def load_trunk(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of a ResNet-18 of torchvision without its last layer."""
        renamed = {}
        for name, value in state.items():
            if name.startswith("layer"):
                stage, block, rest = name.split(".", 2)
                renamed[f"{stage}_{block}.{rest}"] = value
            elif not name.startswith("fc."):
                renamed[f"downsampler.{name}"] = value
        left = self.load_state_dict(renamed, strict=False)
        if left.unexpected_keys:
            raise ModelError("these are not the weights of a ResNet-18")

    def known_or_predicted(self, features: Tensor, known: Tensor, is_known: Tensor) -> Tensor:
        """Risk factors, shape (n, 100): those given, the others predicted from the features."""
        return _chosen(self.pool(features), known, is_known)

    def feature_maps(self, pixels: Tensor) -> Tensor:
        """Compute the maps of the last stage, shape (n, 512, rows / 32, columns / 32)."""
        if pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        x = functional.relu(self.downsampler(pixels), inplace=True)
        x = functional.max_pool2d(x, 3, 2, 1)
        for stage in range(1, 5):
            for block in range(2):
                x = getattr(self, f"layer{stage}_{block}")(x)
        return x

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute features (n, 512) from normalised pixels, shape (n, 1 or 3, rows, columns)."""
        return self.feature_maps(pixels).amax(dim=(2, 3))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.aggregate_fc = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape

        def split(part: Tensor) -> Tensor:
            return part.view(n, tokens, self.heads, -1).transpose(1, 2)

        query, key, value = (split(layer(x)) for layer in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        shares = functional.dropout(scores.softmax(dim=-1), self.dropout, self.training)
        seen = shares @ value
        return torch.as_tensor(self.aggregate_fc(seen.transpose(1, 2).reshape(n, tokens, width)))


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.multihead_attention = _Attention(width, heads, dropout)
        self.layernorm_attn = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)
        self.layernorm_fc = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layernorm_attn(self.multihead_attention(x) + x)
        return torch.as_tensor(self.layernorm_fc(self.fc2(functional.relu(self.fc1(x))) + x))


class _Places(nn.Module):
    """Embedding of the view, side and time, and the layers over the views."""

    def __init__(self, settings: MiraiSettings) -> None:
        super().__init__()
        self.time_embed = nn.Embedding(_TIMES, _EMBEDDING, padding_idx=_TIMES - 1)
        self.view_embed = nn.Embedding(_VIEWS, _EMBEDDING, padding_idx=_VIEWS - 1)
        self.side_embed = nn.Embedding(_SIDES, _EMBEDDING, padding_idx=_SIDES - 1)
        self.embed_add_fc = nn.Linear(3 * _EMBEDDING, settings.width)
        self.embed_scale_fc = nn.Linear(3 * _EMBEDDING, settings.width)
        self.layers = settings.layers
        for i in range(settings.layers):
            self.add_module(
                f"transformer_layer_{i}", _Layer(settings.width, settings.heads, settings.dropout)
            )

    def forward(self, x: Tensor, view: Tensor, side: Tensor, time: Tensor) -> Tensor:
        place = torch.cat(
            [self.view_embed(view), self.time_embed(time), self.side_embed(side)], dim=-1
        )
        x = self.embed_scale_fc(place) * x + self.embed_add_fc(place)
        for i in range(self.layers):
            x = getattr(self, f"transformer_layer_{i}")(x)
        return x


class _Pool(RiskFactorHeads):
    """Pooling over the views, with the heads of the exam's risk factors."""

    def __init__(self, settings: MiraiSettings) -> None:
        super().__init__(settings.width)
        self.kind = settings.pool
        if self.kind == "Simple_AttentionPool":
            self.internal_pool = nn.Module()
            self.internal_pool.add_module("attention_fc", nn.Linear(settings.width, 1))

    def over_views(self, x: Tensor) -> Tensor:
        """Pool shape (n, views, width) to (n, width)."""
        if self.kind == "GlobalMaxPool":
            return x.amax(dim=1)
        if self.kind == "GlobalAvgPool":
            return x.mean(dim=1)
        fc = self.internal_pool.attention_fc
        assert isinstance(fc, nn.Linear)
        pooled: Tensor = (fc(x).softmax(dim=1) * x).sum(dim=1)
        return pooled


@dataclass(frozen=True, kw_only=True)
class Exams:
    """Features of views with their positions.

    Attributes
    ----------
    features : Tensor, shape (n, views, 512)
    view : Tensor of int, shape (n, views)
        0 CC, 1 MLO, 2 none.
    side : Tensor of int, shape (n, views)
        0 right, 1 left, 2 none.
    time : Tensor of int, shape (n, views)
        Years before the exam, 0 to 9; 10 none.
    """

    features: Tensor
    view: Tensor
    side: Tensor
    time: Tensor


class MiraiTransformer(nn.Module):
    """Logits of risk within one to five years from the features of views."""

    def __init__(self, settings: MiraiSettings) -> None:
        super().__init__()
        self.settings = settings
        self.projection_layer = nn.Linear(ENCODER_WIDTH, settings.width)
        self.mask_embedding = nn.Embedding(2, ENCODER_WIDTH, padding_idx=1)
        self.transformer = _Places(settings)
        self.pool = _Pool(settings)
        self.prob_of_failure_layer = AdditiveHazard(settings.width + N_RISK_FACTORS)

    def over_views(self, exams: Exams) -> Tensor:
        """Compute the output for each view, shape (n, views, width)."""
        # Row 1 is the embedding of "not masked", which the training of the reference used.
        features = exams.features + self.mask_embedding.weight[1]
        projected = self.projection_layer(features)
        return torch.as_tensor(self.transformer(projected, exams.view, exams.side, exams.time))

    def forward(
        self, exams: Exams, known: Tensor | None = None, is_known: Tensor | None = None
    ) -> Tensor:
        """Logits by year, shape (n, 5).

        Parameters
        ----------
        exams : Exams
        known : Tensor, shape (n, 100), optional
            Risk factors in the order of :data:`RISK_FACTORS`.
        is_known : Tensor of bool, shape (n, 34), optional
            Factors to use from ``known``. The others are predicted from the images.
        """
        pooled = self.pool.over_views(self.over_views(exams))
        factors = self.pool(pooled)
        if known is not None and is_known is not None:
            factors = _chosen(factors, known, is_known)
        return self.hazards(pooled, factors)

    def known_or_predicted(self, pooled: Tensor, known: Tensor, is_known: Tensor) -> Tensor:
        """Risk factors, shape (n, 100): those given, the others predicted from the exam."""
        return _chosen(self.pool(pooled), known, is_known)

    def hazards(self, pooled: Tensor, factors: Tensor) -> Tensor:
        joined = torch.cat([pooled, factors], dim=1)
        if self.settings.relu_on_pooled:
            joined = functional.relu(joined)
        return torch.as_tensor(self.prob_of_failure_layer(joined))
