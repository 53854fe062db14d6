"""The loop that trains the maps of a detector, by steps or by time; it can be resumed."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.networks.lesion_maps import LesionNet, SpeckNet, heatmap_loss
from mammorisk.training.findings.batches import LesionBatch, SpeckBatch

#: Weight of the sizes beside the heatmap.
_SIZE_WEIGHT = 0.2
#: Weight of the map of clusters beside that of specks.
_CLUSTER_WEIGHT = 0.5
#: Share of the steps in which the learning rate rises.
_WARM_UP = 0.05
#: Step of the running mean of the weights.
_AVERAGE = 0.995


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How a network is trained.

    Attributes
    ----------
    steps : int
    seconds : float or None
        Time after which the training ends before all steps are done. The learning rate then falls
        by time.
    batch_size : int
    learning_rate, weight_decay : float
    seed : int
    save_every : int
        Steps between two checkpoints.
    """

    steps: int
    seconds: float | None = None
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0
    save_every: int = 500


def lesion_loss(net: nn.Module, batch: LesionBatch) -> Tensor:
    """Loss of :class:`~mammorisk.networks.lesion_maps.LesionNet`."""
    maps = net(batch.own, batch.other, batch.present)
    apart = functional.l1_loss(maps.size.float(), batch.size, reduction="none") * batch.at_peak
    size = apart.sum() / batch.at_peak.sum().clamp(min=1)
    return heatmap_loss(maps.heat.float(), batch.heat) + _SIZE_WEIGHT * size


def speck_loss(net: nn.Module, batch: SpeckBatch) -> Tensor:
    """Loss of :class:`~mammorisk.networks.lesion_maps.SpeckNet`."""
    maps = net(batch.views)
    specks = heatmap_loss(maps.specks.float(), batch.specks, batch.marked)
    return specks + _CLUSTER_WEIGHT * heatmap_loss(maps.clusters.float(), batch.clusters)


Draw = Callable[[int, np.random.Generator, torch.device], Any]


def train_maps(
    net: LesionNet | SpeckNet,
    draw: Draw,
    loss_of: Callable[[nn.Module, Any], Tensor],
    options: LoopOptions,
    *,
    checkpoint: Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train a network and return its running mean.

    Parameters
    ----------
    net : LesionNet or SpeckNet
        On the device of the training. It is changed.
    draw : callable
        Draws a batch: number of crops, generator, device.
    loss_of : callable
        Loss of the network for a batch.
    options : LoopOptions
    checkpoint : Path, optional
        File from which an interrupted training is resumed, and to which its state is written.
    on_step : callable, optional
        Called with the number of the step and the mean loss every 50 steps.

    Returns
    -------
    Module
        In evaluation mode.
    """
    device = next(net.parameters()).device
    net.train()
    mean = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    first, spent = _resume(checkpoint, net, mean, optimizer)
    start = time.monotonic() - spent
    losses: list[Tensor] = []
    for step in range(first, options.steps):
        elapsed = time.monotonic() - start
        done = step / options.steps
        if options.seconds is not None:
            done = max(done, elapsed / options.seconds)
            if done >= 1:
                break
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * _rate(done)
        # The seed of a step does not depend on the steps before, so that a resumed run is the same.
        rng = np.random.default_rng([options.seed, step])
        torch.manual_seed(options.seed * 1_000_003 + step)
        batch = draw(options.batch_size, rng, device)
        with _mixed(device):
            loss = loss_of(net, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        _follow(mean, net, min(_AVERAGE, (step + 1) / (step + 10)))
        losses.append(loss.detach())
        if on_step is not None and (step + 1) % 50 == 0:
            on_step(step + 1, float(torch.stack(losses).mean()))
            losses.clear()
        if checkpoint is not None and (step + 1) % options.save_every == 0:
            _save(checkpoint, net, mean, optimizer, step + 1, time.monotonic() - start)
    return mean


def _rate(done: float) -> float:
    """Share of the learning rate: a linear rise, then half a cosine."""
    if done < _WARM_UP:
        return 0.02 + 0.98 * done / _WARM_UP
    return float(0.5 * (1 + np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP)))) + 1e-3


def _mixed(device: torch.device) -> Any:
    """Half precision where the device computes with it."""
    if device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


@torch.no_grad()
def _follow(mean: nn.Module, net: nn.Module, keep: float) -> None:
    ours = [value for value in mean.state_dict().values() if value.is_floating_point()]
    theirs = [value for value in net.state_dict().values() if value.is_floating_point()]
    torch._foreach_lerp_(ours, theirs, 1 - keep)


def _parts(
    net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the state of a training, by name."""
    for place, module in (("net", net), ("mean", mean)):
        for name, value in module.state_dict().items():
            yield f"{place}/{name}", value
    for name, parameter in net.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            yield f"optimizer/{name}/{key}", value


def _save(
    file: Path,
    net: nn.Module,
    mean: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    tensors = {name: value.contiguous().cpu() for name, value in _parts(net, mean, optimizer)}
    told = {"training": json.dumps({"step": step, "seconds": seconds})}
    atomic_write(file, lambda path: save_file(tensors, path, metadata=told))


def _resume(
    file: Path | None, net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """Load the state of an interrupted training; the number of its steps and its time."""
    if file is None or not file.exists():
        return 0, 0.0
    device = next(net.parameters()).device
    with safe_open(file, "pt") as stored:
        names = list(stored.keys())
        for place, module in (("net", net), ("mean", mean)):
            state = {
                name.removeprefix(f"{place}/"): stored.get_tensor(name)
                for name in names
                if name.startswith(f"{place}/")
            }
            module.load_state_dict(state)
        for name, parameter in net.named_parameters():
            prefix = f"optimizer/{name}/"
            for key in (n for n in names if n.startswith(prefix)):
                value = stored.get_tensor(key)
                short = key.removeprefix(prefix)
                optimizer.state[parameter][short] = value if short == "step" else value.to(device)
        told = json.loads(stored.metadata()["training"])
    return int(told["step"]), float(told["seconds"])
