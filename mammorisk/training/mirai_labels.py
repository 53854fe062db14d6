"""Labels of Mirai's losses: cancer by year, and the years that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mammorisk.networks.mirai import RISK_FACTORS, YEARS, RiskFactorHeads


@dataclass(frozen=True, kw_only=True)
class MiraiLabels:
    """Labels of n exams.

    Attributes
    ----------
    cancer : Tensor, shape (n, 5)
        1 from the year of the cancer. The first column is within one year.
    known : Tensor, shape (n, 5)
        1 for known years: up to the cancer, or up to the last whole year of follow-up.
    balance : Tensor, shape (n,)
        Weights whose sum is 1 in women with cancer and 1 in women without.
    """

    cancer: Tensor
    known: Tensor
    balance: Tensor

    @property
    def usable(self) -> NDArray[np.bool_]:
        return np.asarray(self.known.any(dim=1).numpy())

    def loss(self, logits: Tensor, rows: Tensor, weight: Tensor | None = None) -> Tensor:
        """Compute the cross-entropy over the known years of some exams."""
        known = self.known[rows].to(logits.device)
        if weight is not None:
            known = known * weight[:, None].to(logits.device)
        each = functional.binary_cross_entropy_with_logits(
            logits, self.cancer[rows].to(logits.device), reduction="none"
        )
        return (each * known).sum() / known.sum().clamp(min=1e-12)


def mirai_labels(
    time: NDArray[np.float64], event: NDArray[np.float64], weight: NDArray[np.float64]
) -> MiraiLabels:
    """Create the labels of Mirai (Yala 2021, doi:10.1126/scitranslmed.aba4373).

    Parameters
    ----------
    time : ndarray, shape (n,)
        Years to the event or the end of follow-up. Only completed years count.
    event : ndarray, shape (n,)
        1 for breast cancer. Other values end the follow-up.
    weight : ndarray, shape (n,)
        Sampling weights.
    """
    whole = np.floor(time).astype(int)
    case = (event == 1) & (whole < YEARS)
    year = np.arange(YEARS)
    cancer = case[:, None] & (year >= whole[:, None])
    last = np.where(case, whole, np.minimum(whole, YEARS) - 1)
    known = year <= last[:, None]
    weight = np.where(known.any(axis=1), weight, 0.0)
    totals = np.where(case, weight[case].sum(), weight[~case].sum())
    return MiraiLabels(
        cancer=torch.from_numpy(cancer.astype(np.float32)),
        known=torch.from_numpy(known.astype(np.float32)),
        balance=torch.from_numpy((weight / np.maximum(totals, 1e-12)).astype(np.float32)),
    )


def risk_factor_loss(
    heads: RiskFactorHeads, features: Tensor, values: Tensor, is_known: Tensor
) -> Tensor:
    """Mean cross-entropy over the known factors; 0 if none is known.

    Unlike in the reference, an unknown yes-or-no factor is unknown and does not count as a no. A
    factor of several numbers that are all 0 belongs to no class and is ignored.
    """
    parts, start = [], 0
    for i, (key, logit) in enumerate(heads.logits(features).items()):
        size = RISK_FACTORS[key]
        truth = values[:, start : start + size]
        start += size
        rows = is_known[:, i] if size == 1 else is_known[:, i] & (truth > 0).any(dim=1)
        if not rows.any():
            continue
        if size == 1:
            parts.append(functional.binary_cross_entropy_with_logits(logit[rows], truth[rows]))
        else:
            parts.append(functional.cross_entropy(logit[rows], truth[rows]))
    return torch.stack(parts).mean() if parts else features.sum() * 0.0
