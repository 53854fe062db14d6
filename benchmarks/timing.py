"""Wall time of a piece of work, for the benchmarks beside this file."""

from __future__ import annotations

import time
from collections.abc import Callable


def best_of(work: Callable[[], object], times: int = 3) -> float:
    """Shortest of several runs, in seconds: what a first run loads is not counted."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
