"""Number of usable cores, and parallel work in threads and processes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
Shared = TypeVar("Shared")

#: What all items of :func:`imap_processes` need, in a worker process.
_SHARED: list[Any] = []


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    This is the number of cores to which the process is bound, and at most ``OMP_NUM_THREADS``
    where it is set. Schedulers bind processes to cores, and Ray sets ``OMP_NUM_THREADS`` for its
    workers: the number of all cores of the machine would oversubscribe it.

    Returns
    -------
    int
        At least 1.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = os.environ.get("OMP_NUM_THREADS", "")
    most = int(told) if told.isdigit() and int(told) > 0 else None
    return min(bound or 1, most or bound or 1)


def map_parallel(work: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """Apply a function to every item, with one thread per usable core.

    Threads are enough for work on views: most of it releases the global interpreter lock.

    Parameters
    ----------
    work : callable
        Called with one item.
    items : iterable

    Returns
    -------
    list
        Results in the order of the items. The first exception is raised.

    Examples
    --------
    >>> from mammorisk._utils.parallel import map_parallel
    >>> map_parallel(abs, [-2, 1])
    [2, 1]
    """
    every = list(items)
    with ThreadPoolExecutor(max_workers=max(min(len(every), usable_cores()), 1)) as pool:
        return list(pool.map(work, every))


def read_ahead(read: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """Yield the result for each item, and compute the next one in a thread at the same time.

    Parameters
    ----------
    read : callable
        Called with one item.
    items : sequence

    Yields
    ------
    object
        In the order of the items. At most two results are in memory.

    Examples
    --------
    >>> from mammorisk._utils.parallel import read_ahead
    >>> list(read_ahead(abs, [-2, 1]))
    [2, 1]
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = [pool.submit(read, items[0])] if items else []
        for i in range(len(items)):
            found = coming.pop().result()
            if i + 1 < len(items):
                coming.append(pool.submit(read, items[i + 1]))
            yield found


def map_in_order(
    work: Callable[[Item], Made], items: Iterable[Item], *, ahead: int = 8
) -> Iterator[Made]:
    """Yield the result for each item in order, computed in one thread per usable core.

    Unlike :func:`map_parallel`, it holds few results at a time.

    Parameters
    ----------
    work : callable
        Called with one item.
    items : iterable
    ahead : int
        Largest number of items that are computed and not yet yielded.

    Yields
    ------
    object
        In the order of the items. The first exception is raised.

    Examples
    --------
    >>> from mammorisk._utils.parallel import map_in_order
    >>> list(map_in_order(abs, [-2, 1]))
    [2, 1]
    """
    queue = iter(items)
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        running = deque(pool.submit(work, item) for item in islice(queue, max(ahead, 1)))
        while running:
            found = running.popleft().result()
            for item in islice(queue, 1):
                running.append(pool.submit(work, item))
            yield found


def imap_processes(
    work: Callable[[Shared, Item], Made],
    items: Sequence[Item],
    workers: int,
    *,
    shared: Shared,
) -> Iterator[Made]:
    """Yield the result for each item in order, computed in worker processes.

    Parameters
    ----------
    work : callable
        Function of a module, called with ``shared`` and one item.
    items : sequence
        Long items first, so that the processes end together.
    workers : int
        Number of processes. 1 works in this process.
    shared : object
        Sent once to each process.

    Yields
    ------
    object
        The first exception is raised.

    Examples
    --------
    >>> from mammorisk._utils.parallel import imap_processes
    >>> list(imap_processes(pow, [3, 2], 1, shared=2))
    [8, 4]
    """
    workers = min(workers, len(items))
    if workers <= 1:
        for item in items:
            yield work(shared, item)
        return
    # A forked process would inherit the threads of this one in an undefined state.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start, initargs=(shared,)
    ) as pool:
        running = [pool.submit(_of_shared, work, item) for item in items]
        try:
            for future in running:
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start(shared: object) -> None:
    end_with_parent()
    _SHARED[:] = [shared]


def _of_shared(work: Callable[[Any, Item], Made], item: Item) -> Made:
    return work(_SHARED[0], item)


def end_with_parent() -> None:
    """End this worker process when its parent is killed. It would otherwise wait for ever, or
    write on during the next run.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
