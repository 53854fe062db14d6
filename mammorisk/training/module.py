"""The Lightning module: encoder and head, their loss and the auxiliary task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mammorisk.errors import TrainingError
from mammorisk.inputs.standard_exam import to_float
from mammorisk.networks.head_ensemble import VIEW_SETS, view_set, with_views
from mammorisk.networks.hybrid import Batch, HybridHead
from mammorisk.risk_models.recipe import TrainingOptions
from mammorisk.training.augment import augment
from mammorisk.training.objectives import loss_of
from mammorisk.training.outcomes import Outcomes


class FitModule(lightning.LightningModule):
    """Encoder and head, or only the head on computed features.

    Parameters
    ----------
    head : HybridHead
    encoder : Module or None
        With None the batch contains the features.
    batch : Batch
        Batch of all women. A step uses some of its rows.
    outcomes : Outcomes
    pixels : ndarray of uint8, shape (n, tokens, rows, columns), or None
    percent_density : ndarray, shape (n, tokens), or None
        Target of the auxiliary task.
    censoring_weight : Tensor, shape (n,)
    sampling : Tensor, shape (n,)
        Weights of the drawn women, so that balanced drawing keeps the population's rates.
    options : TrainingOptions
    seed : int
    learning_rate, weight_decay : float
    """

    def __init__(
        self,
        head: HybridHead,
        encoder: nn.Module | None,
        *,
        batch: Batch,
        outcomes: Outcomes,
        pixels: NDArray[np.uint8] | None,
        percent_density: NDArray[np.float64] | None,
        censoring_weight: Tensor,
        sampling: Tensor,
        options: TrainingOptions,
        seed: int,
        learning_rate: float,
        weight_decay: float,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.head, self.encoder = head, encoder
        self.data = batch
        self.outcomes = outcomes
        self.pixels, self.percent_density = pixels, percent_density
        self.censoring_weight, self.sampling = censoring_weight, sampling
        self.options, self.seed = options, seed
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.total_steps = total_steps
        # The loss is per cancer, so that learning rates have the same meaning in any design.
        cancers = float((outcomes.weight * (outcomes.event == 1)).sum())
        self.per_cancer = len(batch) / max(cancers, 1.0)
        if encoder is not None and options.density_task > 0 and percent_density is not None:
            self.density = nn.Linear(int(encoder.num_features), 1)  # type: ignore[arg-type]

    def features(self, rows: Tensor, *, training: bool) -> Tensor:
        """Features of the views of some women; 0 if a view is missing."""
        assert self.encoder is not None
        assert self.pixels is not None
        mask = self.data.mask[rows.cpu()]
        pixels = torch.from_numpy(to_float(self.pixels[rows.cpu().numpy()][mask.numpy()]))
        pixels = pixels[:, None].to(self.device)
        if training and self.options.augment:
            pixels = augment(pixels)
        seen: Tensor = self.encoder(pixels)
        out = seen.new_zeros(*mask.shape, seen.shape[1])
        out[mask.to(self.device)] = seen
        return out

    def batch_of(self, rows: Tensor, *, training: bool) -> Batch:
        batch = self.data.take(rows.cpu())
        if self.encoder is not None:
            batch = replace(batch, features=self.features(rows, training=training))
        return _to(batch, self.device)

    def training_step(self, rows: Tensor, index: int) -> Tensor:
        # Every step has its own random numbers, so a resumed run equals an uninterrupted one.
        torch.manual_seed(mix_seed(self.seed, self.current_epoch, index))
        batch = hide_modalities(self.batch_of(rows, training=True), self.options.modality_dropout)
        log_hazard = self.head(batch)
        loss = self._loss(batch, rows, log_hazard)
        if self.options.view_task > 0 and self.head.settings.n_features:
            loss = loss + self.options.view_task * self._view_loss(batch, rows, log_hazard)
        if self.encoder is not None and hasattr(self, "density"):
            loss = loss + self.options.density_task * self._density_loss(batch, rows)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} in epoch {self.current_epoch}",
                remedy="Lower training.learning_rate, or check the outcomes and weights.",
            )
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(rows))
        return loss

    def validation_step(self, rows: Tensor, index: int) -> None:
        batch = self.batch_of(rows, training=False)
        loss = self._loss(batch, rows, self.head(batch), sampled=False)
        self.log("validation_loss", loss, on_epoch=True, prog_bar=True, batch_size=len(rows))

    def loss_without_training(self, rows: Tensor) -> float:
        """Mean loss of some women, without dropout."""
        self.eval()
        with torch.no_grad():
            batch = self.batch_of(rows, training=False)
            return float(self._loss(batch, rows, self.head(batch), sampled=False))

    def _loss(
        self, batch: Batch, rows: Tensor, log_hazard: Tensor, *, sampled: bool = True
    ) -> Tensor:
        rows = rows.cpu()
        outcomes = self.outcomes.take(rows)
        each = loss_of(
            self.options.loss,
            log_hazard.float().cpu(),
            _cpu(self.head.log_death_hazard(batch)),
            outcomes,
            self.censoring_weight[rows],
        )
        if sampled:
            each = each * self.sampling[rows]
        return (each.mean() * self.per_cancer).to(self.device)

    def _view_loss(self, batch: Batch, rows: Tensor, log_hazard: Tensor) -> Tensor:
        """Squared difference of the log hazards from some views and from all views.

        The risk from all views is a constant here. The fitted risk from a subset is therefore its
        expectation given the subset, which tends to the mean risk the less the views show.
        """
        views = torch.randint(1, VIEW_SETS, (len(batch),), device=batch.mask.device)
        some = with_views(batch, views)
        # The task trains the head alone: features are what the outcomes need.
        some = replace(some, features=some.features.detach())
        fewer = some.mask.any(dim=1) & (view_set(some.mask) != view_set(batch.mask))
        if not fewer.any():
            return torch.zeros((), device=log_hazard.device)
        weight = (self.outcomes.weight * self.sampling)[rows.cpu()].to(log_hazard.device) * fewer
        apart = (self.head(some) - log_hazard.detach())[:, -1] ** 2
        mean: Tensor = (weight * apart).sum() / weight.sum().clamp(min=1e-12)
        return mean

    def _density_loss(self, batch: Batch, rows: Tensor) -> Tensor:
        assert self.percent_density is not None
        target = torch.from_numpy(self.percent_density[rows.cpu().numpy()] / 100)
        target = torch.logit(target.clamp(0.01, 0.99)).float().to(self.device)
        known = batch.mask & ~target.isnan()
        if not known.any():
            return torch.zeros((), device=self.device)
        return functional.mse_loss(self.density(batch.features[known])[:, 0], target[known])

    def configure_optimizers(self) -> Any:
        decayed: list[nn.Parameter] = []
        free: list[nn.Parameter] = []
        for parameter in self.parameters():
            if parameter.requires_grad:
                (decayed if parameter.ndim > 1 else free).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": self.weight_decay},
                {"params": free, "weight_decay": 0.0},
            ],
            lr=self.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=self.total_steps, pct_start=0.15
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def hide_modalities(batch: Batch, share: float) -> Batch:
    """Mask the acquisition or questionnaire of some women, so that each part can be used alone."""
    if share == 0:
        return batch
    n, device = len(batch), batch.age.device
    keep_acquisition = torch.rand(n, device=device) >= share
    keep_answers = torch.rand(n, device=device) >= share
    return replace(
        batch,
        given=batch.given & keep_acquisition[:, None],
        answered=batch.answered & keep_answers,
        questionnaire=batch.questionnaire * keep_answers[:, None],
    )


def mix_seed(*numbers: int) -> int:
    """Combine several numbers to one seed."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(**{name: value.to(device) for name, value in vars(batch).items()})


def _cpu(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.float().cpu()
