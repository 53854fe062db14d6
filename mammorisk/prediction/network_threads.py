"""Number of threads of a small network while worker processes read exams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from threadpoolctl import ThreadpoolController

from mammorisk._utils.parallel import usable_cores

#: A small network gets one thread for this number of cores. The other cores read.
_CORES_A_THREAD = 4


@contextmanager
def few_threads() -> Iterator[None]:
    """Let networks use few OpenMP threads, one for four cores.

    The threads of OpenMP keep their cores busy for some time after every operation. Worker
    processes cannot use these cores, so that a small network would slow down the reading of the
    next exams. The limit applies to the calling thread of Python alone. It ends with the context,
    also after an error.

    Examples
    --------
    >>> from mammorisk.prediction.network_threads import few_threads
    >>> with few_threads():
    ...     risk = 0.02
    """
    if "torch" in sys.modules:
        # PyTorch sets the number of a thread at its first operation there. In a thread that is not
        # the main one this would replace the limit, and the number to return to would be wrong.
        sys.modules["torch"].get_num_threads()
    pools = ThreadpoolController().select(user_api="openmp")
    most = max(usable_cores() // _CORES_A_THREAD, 1)
    with ExitStack() as limits:
        # A process can have several OpenMP runtimes. None gets more threads than before.
        for pool in pools.info():
            own = pools.select(filepath=pool["filepath"])
            limits.enter_context(own.limit(limits=min(most, pool["num_threads"])))
        yield
