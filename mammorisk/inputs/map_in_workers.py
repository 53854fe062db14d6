"""Work on many items in processes, in order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")

#: Start method of workers. Forked workers share the memory of this process and need not import it
#: again. Elsewhere than on Linux, forking is not safe.
FORK = "fork" if sys.platform == "linux" else None


class _Items(Generic[Made]):
    def __init__(self, work: Callable[[int], Made], items: Sequence[int]) -> None:
        self.work, self.items = work, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Made:
        return self.work(self.items[index])


def map_in_workers(
    work: Callable[[int], Made], items: Sequence[int], workers: int
) -> Iterator[Made]:
    """Apply a function to items in worker processes, and yield the results in order.

    Parameters
    ----------
    work : callable
        It may be a closure: workers are forked. Where this is not possible the work is done in
        this process.
    items : sequence of int
    workers : int
        Number of processes. 0 works in this process.

    Yields
    ------
    object
        A few results are computed ahead.
    """
    # Here, because predictions of tables work without torch.
    import torch
    from torch.utils.data import DataLoader

    usable = min(workers, len(items)) if FORK is not None else 0
    data: Any = _Items(work, items)
    loader: DataLoader[Any] = DataLoader(
        data,
        batch_size=None,
        collate_fn=unchanged,
        num_workers=usable,
        multiprocessing_context=FORK if usable else None,
        # Otherwise the loader takes its seed from the generator of this process.
        generator=torch.Generator(),
    )
    yield from loader


def unchanged(made: Made) -> Made:
    """Return an item as it is: the collation of a loader whose items are already batches."""
    return made
