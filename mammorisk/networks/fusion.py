"""Fusion of the features of views to features of an exam, with any views and priors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mammorisk.networks.standardization import Standardization

#: Position of a token: view (CC, MLO), side (R, L), and exam (current, prior).
N_VIEWS, N_SIDES = 2, 2
#: Unit of the time between an exam and its prior exam, in years.
_TIME_UNIT_YEARS = 5.0


class Conditioning(nn.Module):
    """Adapt the features of a view to its acquisition parameters.

    A function of the acquisition scales and shifts the features (FiLM; Perez 2018,
    doi:10.1609/aaai.v32i1.11671). Without acquisition the features are unchanged.

    Parameters
    ----------
    width, n_acquisition : int
    """

    def __init__(self, width: int, n_acquisition: int) -> None:
        super().__init__()
        self.n_acquisition = n_acquisition
        if n_acquisition == 0:
            return
        self.film = nn.Sequential(nn.Linear(n_acquisition, 32), nn.ReLU(), nn.Linear(32, 2 * width))
        last = self.film[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, acquisition: Tensor, given: Tensor) -> Tensor:
        """Adapt features (n, tokens, width) to acquisition (n, tokens, a); given is (n, tokens)."""
        if self.n_acquisition == 0:
            return features
        scale, shift = self.film(acquisition).chunk(2, dim=-1)
        shifted: Tensor = features + given[..., None] * (features * scale + shift)
        return shifted


class Fusion(nn.Module):
    """Attention over views, sides and prior exams.

    Parameters
    ----------
    n_features : int
        Number of features of a view.
    width : int
        Number of features of an exam.
    n_acquisition : int
    dropout : float
    standardized : bool
        Standardise the features of views first.
    """

    def __init__(
        self,
        n_features: int,
        width: int = 64,
        n_acquisition: int = 0,
        dropout: float = 0.1,
        *,
        standardized: bool = False,
    ) -> None:
        super().__init__()
        self.standardization = Standardization(n_features) if standardized else nn.Identity()
        self.project = nn.Sequential(
            nn.LayerNorm(n_features), nn.Linear(n_features, width), nn.GELU()
        )
        self.conditioning = Conditioning(width, n_acquisition)
        self.view = nn.Embedding(N_VIEWS, width)
        self.side = nn.Embedding(N_SIDES, width)
        self.time = nn.Linear(1, width, bias=False)
        for embedding in (self.view, self.side):
            nn.init.normal_(embedding.weight, std=0.02)
        nn.init.zeros_(self.time.weight)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, dropout=dropout, batch_first=True)
        self.score = nn.Linear(width, 1)
        # Mean, difference of the sides, and change since the prior exam.
        self.out = nn.Sequential(
            nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(
        self,
        features: Tensor,
        mask: Tensor,
        view: Tensor,
        side: Tensor,
        years_before: Tensor,
        acquisition: Tensor,
        given: Tensor,
    ) -> Tensor:
        """Fuse the views of exams.

        Parameters
        ----------
        features : Tensor, shape (n, tokens, n_features)
        mask : Tensor of bool, shape (n, tokens)
            True where there is a view. Other tokens are ignored.
        view, side : Tensor of int, shape (n, tokens)
        years_before : Tensor, shape (n, tokens)
            0 for the exam itself.
        acquisition : Tensor, shape (n, tokens, a)
        given : Tensor of bool, shape (n, tokens)
            Whether the acquisition may be used.

        Returns
        -------
        Tensor, shape (n, width)
            0 for an exam without views.
        """
        any_view = mask.any(dim=1)
        # Attention without tokens is not defined, so such rows attend to one empty token.
        usable = mask.clone()
        usable[:, 0] |= ~any_view
        tokens = self.project(torch.where(mask[..., None], self.standardization(features), 0.0))
        tokens = self.conditioning(tokens, acquisition, given & mask)
        tokens = tokens + self.view(view) + self.side(side)
        tokens = tokens + self.time(years_before[..., None] / _TIME_UNIT_YEARS)
        seen = self.norm(tokens)
        attended, _ = self.attention(seen, seen, seen, key_padding_mask=~usable, need_weights=False)
        tokens = tokens + attended
        score = self.score(tokens)[..., 0].masked_fill(~usable, -torch.inf)
        pooled = (score.softmax(dim=1)[..., None] * tokens).sum(dim=1)
        now = mask & (years_before == 0)
        left, right = (_mean(tokens, now & (side == s)) for s in (1, 0))
        both = (now & (side == 1)).any(dim=1) & (now & (side == 0)).any(dim=1)
        contrast = (left - right).abs() * both[:, None]
        before = mask & (years_before > 0)
        change = (_mean(tokens, now) - _mean(tokens, before)) * (
            before.any(dim=1) & now.any(dim=1)
        )[:, None]
        fused: Tensor = self.out(torch.cat([pooled, contrast, change], dim=1))
        return fused * any_view[:, None]


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    total = (tokens * mask[..., None]).sum(dim=1)
    return total / mask.sum(dim=1, keepdim=True).clamp(min=1)
