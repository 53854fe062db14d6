"""The two phases of Mirai under Lightning: the encoder on views, the transformer on exams."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.functional import rotate
from torchvision.transforms.transforms import InterpolationMode

from mammorisk.errors import TrainingError
from mammorisk.imaging.mirai_pixels import BLANK
from mammorisk.networks.mirai import Exams, MiraiEncoder, MiraiTransformer
from mammorisk.networks.mirai_adversary import MiraiAdversary
from mammorisk.risk_models.recipe import MiraiOptions
from mammorisk.training.mirai_labels import MiraiLabels, risk_factor_loss
from mammorisk.training.mirai_views import MiraiViews
from mammorisk.training.module import mix_seed

#: Largest rotation of a view in whole degrees.
_TURN_DEG = 20
VIEWS = 4


class Phase(lightning.LightningModule):
    """Base of both phases: labels, risk factors, Adam, and a check of the loss."""

    def __init__(
        self,
        labels: MiraiLabels,
        factors: tuple[Tensor, Tensor],
        options: MiraiOptions,
        *,
        seed: int,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.labels, self.factors, self.options = labels, factors, options
        self.seed, self.learning_rate = seed, learning_rate

    def known_factors(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        values, is_known = self.factors
        return values[rows].to(self.device), is_known[rows].to(self.device)

    def checked(self, loss: Tensor) -> Tensor:
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} in epoch {self.current_epoch}",
                remedy="Lower the learning rate, or check the outcomes and weights.",
            )
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(
            self.parameters(), lr=self.learning_rate, weight_decay=self.options.weight_decay
        )


class EncoderPhase(Phase):
    """Phase 1: single views, with heads for risk factors and hazard.

    Rows, also of the labels, are views: four times the exam, plus the position of the view.
    """

    def __init__(self, encoder: MiraiEncoder, views: MiraiViews, **common: Any) -> None:
        super().__init__(**common)
        self.encoder, self.views = encoder, views

    def _logits(self, rows: Tensor, *, training: bool) -> tuple[Tensor, Tensor]:
        pixels = np.stack(
            [self.views.pixels(int(row) // VIEWS, int(row) % VIEWS) for row in rows.cpu()]
        )
        image = torch.from_numpy(pixels)[:, None].to(self.device)
        if training and self.options.augment:
            image = _turned(image)
        features = self.encoder(image)
        values, is_known = self.known_factors(rows.cpu() // VIEWS)
        factors = self.encoder.known_or_predicted(features, values, is_known)
        joined = functional.relu(torch.cat([features, factors], dim=1))
        logits = self.encoder.prob_of_failure_layer(joined)
        side = risk_factor_loss(self.encoder.pool, features, values, is_known)
        return logits, side

    def training_step(self, rows: Tensor, index: int) -> Tensor:
        # Every step has its own random numbers, so a resumed run equals an uninterrupted one.
        torch.manual_seed(mix_seed(self.seed, self.current_epoch, index))
        logits, side = self._logits(rows, training=True)
        loss = self.labels.loss(logits, rows.cpu())
        loss = self.checked(loss + self.options.risk_factor_weight * side)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(rows))
        return loss

    def validation_step(self, rows: Tensor, index: int) -> None:
        logits, _ = self._logits(rows, training=False)
        loss = self.labels.loss(logits, rows.cpu(), self.labels.balance[rows.cpu()])
        self.log("validation_loss", loss, on_epoch=True, prog_bar=True, batch_size=len(rows))


class TransformerPhase(Phase):
    """Phase 2: exams, on features of the trained encoder, with or without the adversary.

    With the adversary, mini-batches alternate: some train the adversary to predict the device, then
    one trains the network on its own loss minus that of the adversary.
    """

    def __init__(
        self,
        transformer: MiraiTransformer,
        exams: Exams,
        devices: Tensor | None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.transformer, self.exams, self.devices = transformer, exams, devices
        self.adversary: MiraiAdversary | None = None
        if devices is not None:
            count = int(devices.max()) + 1
            self.adversary = MiraiAdversary(transformer.settings.width, count)

    def _forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the outputs of views, the logits of risk and the loss of the risk factors."""
        rows = rows.cpu()
        some = Exams(
            **{name: value[rows].to(self.device) for name, value in vars(self.exams).items()}
        )
        values, is_known = self.known_factors(rows)
        views = self.transformer.over_views(some)
        pooled = self.transformer.pool.over_views(views)
        factors = self.transformer.known_or_predicted(pooled, values, is_known)
        logits = self.transformer.hazards(pooled, factors)
        side = risk_factor_loss(self.transformer.pool, pooled, values, is_known)
        return views, logits, side

    def training_step(self, rows: Tensor, index: int) -> Tensor:
        torch.manual_seed(mix_seed(self.seed, self.current_epoch, index))
        adversary = self.adversary
        if adversary is not None and index % (self.options.adversary_steps + 1):
            with torch.no_grad():
                views, logits, _ = self._forward(rows)
            _learns(adversary, True)
            loss = self._device_loss(adversary, views, logits, rows)
            self.log("adversary_loss", loss, on_step=False, on_epoch=True, batch_size=len(rows))
            return self.checked(loss)
        views, logits, side = self._forward(rows)
        loss = self.labels.loss(logits, rows.cpu()) + self.options.risk_factor_weight * side
        if adversary is not None:
            # Only the network receives this gradient.
            _learns(adversary, False)
            loss = loss - self.options.adversary_weight * self._device_loss(
                adversary, views, logits, rows
            )
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(rows))
        return self.checked(loss)

    def _device_loss(
        self, adversary: MiraiAdversary, views: Tensor, logits: Tensor, rows: Tensor
    ) -> Tensor:
        """Cross-entropy of the device over exams with a known device."""
        assert self.devices is not None
        device = self.devices[rows.cpu()].to(self.device)
        known = device >= 0
        told: Tensor = adversary(views, logits)
        if not known.any():
            return told.sum() * 0.0
        each = told[known].flatten(0, 1)
        return functional.cross_entropy(each, device[known].repeat_interleave(views.shape[1]))

    def validation_step(self, rows: Tensor, index: int) -> None:
        _, logits, _ = self._forward(rows)
        loss = self.labels.loss(logits, rows.cpu(), self.labels.balance[rows.cpu()])
        self.log("validation_loss", loss, on_epoch=True, prog_bar=True, batch_size=len(rows))


def _learns(module: nn.Module, does: bool) -> None:
    for parameter in module.parameters():
        parameter.requires_grad_(does)


def _turned(pixels: Tensor) -> Tensor:
    """Flip views vertically at random, and rotate them by whole degrees."""
    out = []
    for one in pixels:
        if torch.rand(()) < 0.5:
            one = one.flip(1)
        degrees = int(torch.randint(-_TURN_DEG, _TURN_DEG + 1, ()))
        out.append(rotate(one, degrees, InterpolationMode.BILINEAR, fill=[BLANK]))
    return torch.stack(out)
