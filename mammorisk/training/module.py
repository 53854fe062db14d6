"""The Lightning module: encoder and head, their loss and the auxiliary task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mammorisk.errors import MammoriskError, TrainingError
from mammorisk.inputs.standard_exam import GREY_OF_BYTES
from mammorisk.networks.encoders import COMPACT
from mammorisk.networks.head_ensemble import VIEW_SETS, view_set, with_views
from mammorisk.networks.hybrid import Batch, HybridHead
from mammorisk.networks.layer_groups import layer_groups
from mammorisk.risk_models.recipe import Recipe
from mammorisk.training.exam_steps import Step
from mammorisk.training.in_parts import some_at_a_time
from mammorisk.training.objectives import loss_of
from mammorisk.training.optimizer import make_schedule, parameter_groups
from mammorisk.training.outcomes import Outcomes
from mammorisk.training.processes import process_place
from mammorisk.training.row_names import row_names
from mammorisk.training.unused_weights import freeze_unused_weights


@dataclass(frozen=True, kw_only=True)
class FitData:
    """Data of all women of a fit, of which a step uses some rows.

    Attributes
    ----------
    batch : Batch
        With the features of the views if there is no encoder.
    outcomes : Outcomes
    percent_density : ndarray, shape (n, tokens), or None
        Target of the auxiliary task.
    censoring_weight : Tensor, shape (n,)
    sampling : Tensor, shape (n,)
        Weights of the drawn women, so that balanced drawing keeps the population's rates.
    lines : ndarray of int, shape (n,), or None
        Lines of the women in the manifest, for messages.
    """

    batch: Batch
    outcomes: Outcomes
    percent_density: NDArray[np.float64] | None = None
    censoring_weight: Tensor
    sampling: Tensor
    lines: NDArray[np.int64] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> FitData:
        # Copies of a module, made to average weights, share the data.
        return self


class FitModule(lightning.LightningModule):
    """Encoder and head, or only the head on computed features.

    Parameters
    ----------
    head : HybridHead
    encoder : Module or None
        With None the data contain the features.
    data : FitData
    recipe : Recipe
    learning_rate, weight_decay : float
        Of the head.
    total_steps : int
        Number of steps of the optimizer.
    """

    def __init__(
        self,
        head: HybridHead,
        encoder: nn.Module | None,
        *,
        data: FitData,
        recipe: Recipe,
        learning_rate: float,
        weight_decay: float,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.head, self.encoder = head, encoder
        self.data, self.options, self.seed = data, recipe.training, recipe.seed
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.total_steps = total_steps
        # The loss is per cancer, so that learning rates have the same meaning in any design.
        outcomes = data.outcomes
        cancers = float((outcomes.weight * (outcomes.event == 1)).sum())
        self.per_cancer = len(data.batch) / max(cancers, 1.0)
        self.held_risk = np.full(len(data.batch), np.nan)
        self.frozen: tuple[nn.Module, ...] = ()
        if encoder is None:
            return
        if self.options.density_task > 0 and data.percent_density is not None:
            self.density = nn.Linear(int(encoder.num_features), 1)  # type: ignore[arg-type]
        self.frozen = freeze_layers(encoder, recipe.encoder.frozen_layers)
        # All weights of the compact encoder are used.
        if recipe.encoder.pooling == "statistics" and recipe.encoder.name != COMPACT:
            freeze_unused_weights(encoder, (1, recipe.image.rows, recipe.image.columns))
        if self.options.channels_last:
            encoder.to(memory_format=torch.channels_last)
        if self.options.gradient_checkpointing:
            checkpoint_gradients(encoder)

    def train(self, mode: bool = True) -> FitModule:
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def features(self, step: Step) -> Tensor:
        """Features of the views of some women; 0 if a view is missing."""
        assert self.encoder is not None
        assert step.mask is not None
        assert step.pixels is not None
        pixels = step.pixels.to(self.device)
        pixels = to_grey(pixels) if pixels.dtype == torch.uint8 else pixels.float()
        if self.options.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        mask = step.mask.to(self.device)
        if not len(pixels):
            return torch.zeros(*mask.shape, self.head.settings.n_features, device=self.device)
        seen: Tensor = self.encoder(pixels)
        out = seen.new_zeros(*mask.shape, seen.shape[1])
        out[mask] = seen
        return out

    def batch_of(self, step: Step) -> Batch:
        batch = _to(self.data.batch.take(step.rows.cpu()), self.device)
        if self.encoder is None:
            return batch
        assert step.mask is not None
        mask = step.mask.to(self.device)
        given = batch.given & mask
        return replace(batch, features=self.features(step), mask=batch.mask & mask, given=given)

    def training_step(self, step: Step | MammoriskError, index: int) -> Tensor:
        step = _checked(step)
        # Every step has its own random numbers, so a resumed run equals an uninterrupted one.
        torch.manual_seed(mix_seed(self.seed, step.epoch, index))
        batch = hide_modalities(
            self.batch_of(step), self.options.modality_dropout, step.draws.to(self.device)
        )
        log_hazard = self.head(batch)
        loss = self._loss(batch, step, log_hazard)
        if self.options.view_task > 0 and self.head.settings.n_features:
            loss = loss + self.options.view_task * self._view_loss(batch, step, log_hazard)
        if self.encoder is not None and hasattr(self, "density"):
            loss = loss + self.options.density_task * self._density_loss(batch, step)
        if not torch.isfinite(loss):
            raise self._not_a_number(loss, step, log_hazard)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=step.size, sync_dist=True)
        return loss

    def validation_step(self, step: Step | MammoriskError, index: int) -> None:
        step = _checked(step)
        batch = self.batch_of(step)
        log_hazard = self.head(batch)
        loss = self._loss(batch, step, log_hazard, sampled=False)
        self.log("validation_loss", loss, on_epoch=True, batch_size=step.size, sync_dist=True)
        total = torch.logsumexp(log_hazard.float(), dim=1)
        self.held_risk[step.rows.cpu().numpy()] = -torch.expm1(-total.exp()).cpu().numpy()

    def _not_a_number(self, loss: Tensor, step: Step, log_hazard: Tensor) -> TrainingError:
        """An error that names the rows of the step, and those whose own risk is no number."""
        rows = step.rows.cpu()
        lines = self.data.lines
        strange = rows[~torch.isfinite(log_hazard.detach().cpu()).all(dim=1)].tolist()
        own = f"; no finite risk have {row_names(strange, lines)}" if strange else ""
        return TrainingError(
            f"the loss is {loss.item()} in epoch {step.epoch + 1}, in a batch of "
            f"{row_names(rows.tolist(), lines)}{own}",
            remedy="Lower training.learning_rate, or check the outcomes, weights and images there.",
        )

    def loss_without_training(self, rows: Tensor) -> float:
        """Mean loss of some women on computed features, without dropout."""
        self.eval()
        with torch.no_grad():
            each = [
                self._losses(batch, some, self.head(batch), sampled=False)
                for some in some_at_a_time(rows)
                for batch in [_to(self.data.batch.take(some), self.device)]
            ]
            return float(torch.cat(each).mean() * self.per_cancer)

    def _losses(self, batch: Batch, rows: Tensor, log_hazard: Tensor, *, sampled: bool) -> Tensor:
        each = loss_of(
            self.options.loss,
            log_hazard.float().cpu(),
            _cpu(self.head.log_death_hazard(batch)),
            self.data.outcomes.take(rows),
            self.data.censoring_weight[rows],
        )
        return each * self.data.sampling[rows] if sampled else each

    def _loss(
        self, batch: Batch, step: Step, log_hazard: Tensor, *, sampled: bool = True
    ) -> Tensor:
        each = self._losses(batch, step.rows.cpu(), log_hazard, sampled=sampled)
        return (each.mean() * step.share * self.per_cancer).to(self.device)

    def _view_loss(self, batch: Batch, step: Step, log_hazard: Tensor) -> Tensor:
        """Squared difference of the log hazards from some views and from all views.

        The risk from all views is a constant here. The fitted risk from a subset is therefore its
        expectation given the subset, which tends to the mean risk the less the views show.
        """
        views = 1 + (step.draws[:, 2].to(self.device) * (VIEW_SETS - 1)).long()
        some = with_views(batch, views)
        # The task trains the head alone: features are what the outcomes need.
        some = replace(some, features=some.features.detach())
        fewer = some.mask.any(dim=1) & (view_set(some.mask) != view_set(batch.mask))
        rows = step.rows.cpu()
        weight = (self.data.outcomes.weight * self.data.sampling)[rows].to(self.device)
        weight = weight * fewer * (step.share > 0)
        apart = (self.head(some) - log_hazard.detach())[:, -1] ** 2
        mean: Tensor = (weight * apart).sum() / mean_of_processes(weight.sum()).clamp(min=1e-12)
        return mean

    def _density_loss(self, batch: Batch, step: Step) -> Tensor:
        assert self.data.percent_density is not None
        target = torch.from_numpy(self.data.percent_density[step.rows.cpu().numpy()] / 100)
        target = torch.logit(target.clamp(0.01, 0.99)).float().to(self.device)
        known = batch.mask & ~target.isnan() & (step.share > 0)
        seen = self.head.fusion.standardization(batch.features[known])
        apart = self.density(seen)[:, 0].float() - target[known]
        count = mean_of_processes(known.sum().float()).clamp(min=1e-12)
        mean: Tensor = (apart**2).sum() / count
        return mean

    def configure_optimizers(self) -> Any:
        encoder = set() if self.encoder is None else set(self.encoder.parameters())
        groups = parameter_groups(
            [one for one in self.parameters() if one not in encoder],
            self.encoder,
            self.options,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        schedule = make_schedule(optimizer, self.options, self.total_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def hide_modalities(batch: Batch, share: float, draws: Tensor) -> Batch:
    """Mask the acquisition or questionnaire of some women, so that each part can be used alone.

    Parameters
    ----------
    batch : Batch
    share : float
        Share of women without each.
    draws : Tensor, shape (n, 2 or more)
        Uniform random numbers.
    """
    if share == 0:
        return batch
    keep_acquisition, keep_answers = draws[:, 0] >= share, draws[:, 1] >= share
    return replace(
        batch,
        given=batch.given & keep_acquisition[:, None],
        answered=batch.answered & keep_answers,
        questionnaire=batch.questionnaire * keep_answers[:, None],
    )


def freeze_layers(encoder: nn.Module, count: int) -> tuple[nn.Module, ...]:
    """Stop the training of the first groups of layers, and return their modules.

    Raises
    ------
    TrainingError
        The encoder has fewer groups.
    """
    if count == 0:
        return ()
    groups = layer_groups(encoder)
    if count > len(groups):
        raise TrainingError(
            f"the encoder has {len(groups)} groups of layers, and {count} are to be frozen",
            where="encoder.frozen_layers",
            remedy="Freeze fewer, or all with encoder.frozen.",
        )
    names = {name for group in groups[:count] for name in group}
    for name, parameter in encoder.named_parameters():
        if name in names:
            parameter.requires_grad = False
    frozen = []
    for prefix, module in encoder.named_modules():
        own = [name for name, _ in module.named_parameters(recurse=False)]
        if own and all(f"{prefix}.{name}".lstrip(".") in names for name in own):
            frozen.append(module)
    return tuple(frozen)


def checkpoint_gradients(encoder: nn.Module) -> None:
    """Let an encoder compute its activations again in the backward pass.

    Raises
    ------
    TrainingError
        The encoder cannot.
    """
    try:
        encoder.set_grad_checkpointing(True)  # type: ignore[operator]
    except (AttributeError, AssertionError):
        raise TrainingError(
            "this encoder has no gradient checkpointing",
            where="training.gradient_checkpointing",
            remedy="Set it to false, and use a smaller batch_size with more accumulate_batches.",
        ) from None


def mean_of_processes(value: Tensor) -> Tensor:
    """Mean of a number without gradient over the processes of the training."""
    if process_place()[1] == 1:
        return value
    total = value.detach().clone()
    torch.distributed.all_reduce(total)
    return total / process_place()[1]


def mix_seed(*numbers: int) -> int:
    """Combine several numbers to one seed."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(**{name: value.to(device) for name, value in vars(batch).items()})


def to_grey(pixels: Tensor) -> Tensor:
    """:func:`mammorisk.inputs.standard_exam.to_float` for tensors, on any device."""
    table = torch.from_numpy(GREY_OF_BYTES).to(pixels.device)
    return table.index_select(0, pixels.flatten().int()).view(pixels.shape)


def _checked(step: Step | MammoriskError) -> Step:
    """Raise the error of a worker that could not make a step."""
    if isinstance(step, MammoriskError):
        raise step
    return step


def _cpu(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.float().cpu()
