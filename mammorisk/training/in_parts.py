"""Heads evaluated for some women at a time: the features of all views can exceed the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mammorisk.networks.head_ensemble import HeadEnsemble
from mammorisk.networks.hybrid import Batch

#: Number of women whose features are in memory at once.
WOMEN_AT_ONCE = 2000


def some_at_a_time(rows: Tensor) -> tuple[Tensor, ...]:
    """Split rows into parts of :data:`WOMEN_AT_ONCE`."""
    return torch.split(rows, WOMEN_AT_ONCE)


def parts_of(batch: Batch, rows: Tensor) -> Iterator[Batch]:
    """Yield the women of the rows, some at a time."""
    for some in some_at_a_time(rows):
        yield batch.take(some)


def contributions_of(
    heads: HeadEnsemble, batch: Batch, rows: Tensor, change: Callable[[Batch], Batch]
) -> dict[str, Tensor]:
    """Compute the contributions of some women, shape (n,), after a change of their inputs."""
    found = [heads.contributions(change(part)) for part in parts_of(batch, rows)]
    return {name: torch.cat([one[name] for one in found]) for name in found[0]}
