"""The processes of a training on several devices. Without torch there is one."""

from __future__ import annotations

import sys


def process_place() -> tuple[int, int]:
    """Index of this process in the training, and the number of processes."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def wait_for_processes() -> None:
    """Wait until all processes of the training are here."""
    if process_place()[1] > 1:
        sys.modules["torch"].distributed.barrier()
