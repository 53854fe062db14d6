"""How many cores this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores the process is bound to, and no more than ``OMP_NUM_THREADS`` where that is set.

    Schedulers bind processes to cores, and Ray tells its workers by ``OMP_NUM_THREADS`` how many
    they have: the number of cores of the machine would crowd it.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = os.environ.get("OMP_NUM_THREADS", "")
    most = int(told) if told.isdigit() and int(told) > 0 else None
    return min(bound or 1, most or bound or 1)
