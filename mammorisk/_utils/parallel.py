"""How many cores this process may use, and work spread over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def usable_cores() -> int:
    """Cores the process is bound to, and no more than ``OMP_NUM_THREADS`` where that is set.

    Schedulers bind processes to cores, and Ray tells its workers by ``OMP_NUM_THREADS`` how many
    they have: the number of cores of the machine would crowd it.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = os.environ.get("OMP_NUM_THREADS", "")
    most = int(told) if told.isdigit() and int(told) > 0 else None
    return min(bound or 1, most or bound or 1)


def map_parallel(work: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """Results in the order of the items, on as many threads as there are cores.

    For work on views, most of which is done without Python's lock. The first error is raised.
    """
    every = list(items)
    with ThreadPoolExecutor(max_workers=max(min(len(every), usable_cores()), 1)) as pool:
        return list(pool.map(work, every))
