"""Optimizer of a fit: groups of parameters, and learning rates over the steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from mammorisk.networks.layer_groups import layer_groups
from mammorisk.risk_models.recipe import TrainingOptions

#: Learning rate at the end of a cosine, as a share of the highest.
_LAST_SHARE = 0.01


def parameter_groups(
    head: list[nn.Parameter],
    encoder: nn.Module | None,
    options: TrainingOptions,
    *,
    learning_rate: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Groups of trained parameters with their highest learning rates and weight decays.

    Parameters
    ----------
    head : list of Parameter
        Parameters outside of the encoder.
    encoder : Module or None
    options : TrainingOptions
    learning_rate, weight_decay : float
        Of the head. Vectors (biases, normalisation) have no weight decay.

    Returns
    -------
    list of dict
        ``name``, ``params``, ``lr`` and ``weight_decay``. Frozen parameters are left out.
    """
    parts: list[tuple[str, list[nn.Parameter], float]] = [("head", head, learning_rate)]
    if encoder is not None:
        highest = options.encoder_learning_rate or learning_rate
        if options.layer_decay == 1:
            parts.append(("encoder", list(encoder.parameters()), highest))
        else:
            named = dict(encoder.named_parameters())
            groups = layer_groups(encoder)
            for i, names in enumerate(groups):
                rate = highest * options.layer_decay ** (len(groups) - 1 - i)
                parts.append((f"encoder {i}", [named[name] for name in names], rate))
    found: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameters, rate in parts:
        for parameter in parameters:
            if not parameter.requires_grad:
                continue
            decayed = parameter.ndim > 1
            group = found.setdefault(
                (name, decayed),
                {
                    "name": name if decayed else f"{name}, vectors",
                    "params": [],
                    "lr": rate,
                    "weight_decay": weight_decay if decayed else 0.0,
                },
            )
            group["params"].append(parameter)
    return list(found.values())


def make_schedule(
    optimizer: torch.optim.Optimizer, options: TrainingOptions, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Create the schedule of the learning rates over the steps of the optimizer."""
    if options.schedule == "one_cycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=options.warm_up,
        )
    rising = max(1, round(options.warm_up * steps))

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        if options.schedule == "constant":
            return 1.0
        done = (step - rising) / max(steps - rising, 1)
        cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return _LAST_SHARE + (1 - _LAST_SHARE) * cosine

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)
