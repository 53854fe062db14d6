"""Reading of exams in worker processes, which outlives a decoder that ends its process."""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from typing import NoReturn

from mammorisk._utils.parallel import end_with_parent, usable_cores
from mammorisk.errors import ExamError
from mammorisk.prediction.reading import ExamReading
from mammorisk.records.exam import Exam

#: Reads the exam of a row.
ReadRow = Callable[[int], ExamReading]
#: Fewer exams are read in threads, because processes need some time to start.
FEWEST_EXAMS = 16
#: The function of this worker process.
_READ: list[ReadRow] = []


class RowReader:
    """Read exams of a cohort in parallel, and yield them in order.

    On Linux, forked processes read the pixels of larger cohorts: reading of small images holds the
    global interpreter lock most of the time. An exam that ends its process, as a fault in a decoder
    does, becomes an exam that cannot be read.

    Parameters
    ----------
    read : callable
        Reads the exam of a row. It may be a closure, because workers are forked.
    exams : int
        Number of all exams.
    pixels : bool
        Whether pixels are read. Headers alone are read in threads.
    """

    def __init__(self, read: ReadRow, exams: int, *, pixels: bool) -> None:
        self._read = read
        enough = pixels and exams >= FEWEST_EXAMS and usable_cores() > 1
        self._forks = enough and sys.platform == "linux"
        self._pool: ProcessPoolExecutor | None = None

    @property
    def in_processes(self) -> bool:
        """Whether worker processes read, which need the cores while this process scores."""
        return self._forks

    def __enter__(self) -> RowReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def rows(self, rows: Sequence[int]) -> Iterator[ExamReading]:
        """Yield the readings of rows in order."""
        if not self._forks:
            with ThreadPoolExecutor(max_workers=min(max(len(rows), 1), usable_cores())) as threads:
                yield from threads.map(self._read, rows)
            return
        if self._pool is None:
            self._pool = _forked(self._read, usable_cores())
        done = 0
        try:
            with _no_advice_on_forks():
                running = deque(self._pool.submit(_in_worker, row) for row in rows)
            while running:
                found = running.popleft().result()
                done += 1
                yield found
                # The views of a search are large, and not kept after it.
                del found
        except BrokenProcessPool:
            self._close()
            # One of the others ended its process. Each gets a process of its own.
            for row in rows[done:]:
                yield self._alone(row)

    def _alone(self, row: int) -> ExamReading:
        try:
            with _forked(self._read, 1) as pool, _no_advice_on_forks():
                return pool.submit(_in_worker, row).result()
        except BrokenProcessPool:
            return ExamReading(
                error=ExamError(
                    "the process that decoded the images ended abruptly",
                    remedy="Check the files of the exam with another program.",
                )
            )

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _forked(read: ReadRow, workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, mp_context=get_context("fork"), initializer=_start, initargs=(read,)
    )


def _start(read: ReadRow) -> None:
    """Prepare a worker. Thread pools of libraries do not survive a fork, so they are not used."""
    import cv2

    end_with_parent()
    cv2.setNumThreads(0)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    _READ[:] = [read]


def _in_worker(row: int) -> ExamReading:
    """Read an exam. Its pixels stay here, and only what was made of them is sent back."""
    found = _READ[0](row)
    exam, prepared = found.exam, found.prepared
    sent = None if exam is None else without_pixels(exam)
    if prepared is not None and sent is not None:
        prepared = replace(prepared, exam=sent)
    searched = None if found.searched is None else without_pixels(found.searched)
    return replace(found, exam=sent, prepared=prepared, searched=searched)


def without_pixels(exam: Exam) -> Exam:
    """Return an exam whose views cannot be loaded again."""
    views = {name: replace(view, load=_closed, digest=None) for name, view in exam.views.items()}
    prior = None if exam.prior is None else without_pixels(exam.prior)
    return replace(exam, views=views, prior=prior)


def _closed() -> NoReturn:
    raise ExamError("the pixels of this exam were read in another process")


@contextmanager
def _no_advice_on_forks() -> Iterator[None]:
    """Python warns of forks in a process with threads; :func:`_start` is prepared for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        yield
