"""ScorerProcess: scores exams in a child process with limits on time and memory."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mammorisk.errors import MammoriskError, ServiceError
from mammorisk.service.scoring import Scorer, ScoringInterrupted, ScoringStopped

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

#: Makes the scorer in the child process, and so loads the model there. It is pickled.
MakeScorer: TypeAlias = Callable[[], Scorer]
#: Seconds for the child to load the libraries and the model.
_SECONDS_TO_START = 600.0


class ScorerProcess:
    """A scorer in a child process. The process is started again after it has ended.

    Whatever an image does to a library, the calling process goes on: the child can crash, exceed
    its memory or take longer than allowed.

    Parameters
    ----------
    make : callable
        Returns the scorer. It is called in the child.
    seconds : float
        Longest time for an exam.
    memory_bytes : int
        Largest size of the data of the child. Enforced on Linux alone.

    Attributes
    ----------
    starts : int
        How often a child was started.
    """

    def __init__(self, make: MakeScorer, *, seconds: float, memory_bytes: int) -> None:
        self.starts = 0
        self._make = make
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._turn = threading.Lock()
        self._is_stopping = False
        self._process: SpawnProcess | None = None
        self._to: Connection | None = None

    def start(self) -> None:
        """Start the child, if there is none, and wait until its model is loaded.

        Raises
        ------
        MammoriskError
            The model cannot be loaded.
        """
        with self._turn:
            self._connection()

    def __call__(self, files: Sequence[Path], predecessor: Path | None) -> dict[str, bytes]:
        """Score the images of an exam. One call at a time; others wait.

        Parameters
        ----------
        files, predecessor
            See :class:`mammorisk.service.exam_job.ExamScorer`.

        Raises
        ------
        MammoriskError
            The exam cannot be scored.
        ScoringStopped
            The child ended, took too long, or met an unexpected error.
        ScoringInterrupted
            :meth:`stop` was called.
        """
        with self._turn:
            if self._is_stopping:
                raise ScoringInterrupted
            try:
                to = self._connection()
            except (MammoriskError, EOFError, OSError) as error:
                # A fault of the machine, and not of the exam, which is tried again.
                self._end()
                if self._is_stopping:
                    raise ScoringInterrupted from None
                what = f"the model cannot be loaded ({type(error).__name__})"
                raise ScoringStopped(what) from None
            try:
                to.send((list(files), predecessor))
                made: dict[str, bytes] = self._answer(to, self._seconds)
                return made
            except (EOFError, OSError):
                self._end()
                if self._is_stopping:
                    raise ScoringInterrupted from None
                raise ScoringStopped("the scoring process ended during the job") from None

    def stop(self) -> None:
        """End the child, also during an exam."""
        self._is_stopping = True
        process = self._process
        if process is not None:
            process.kill()
        with self._turn:
            self._end()

    @property
    def pid(self) -> int | None:
        """Process id of the child; None if there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def is_busy(self) -> bool:
        """Whether an exam is being scored."""
        return self._turn.locked()

    def _connection(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._to is not None:
            return self._to
        self._end()
        context = get_context("spawn")
        self._to, there = context.Pipe()
        process = context.Process(
            target=_serve, args=(there, self._make, self._memory_bytes), daemon=True
        )
        process.start()
        # Only now, because a process that did not start cannot be ended.
        self._process = process
        self.starts += 1
        there.close()
        try:
            self._answer(self._to, _SECONDS_TO_START)
        except EOFError:
            self._end()
            raise ServiceError(
                "the scoring process ended while it loaded the model",
                remedy="Check that there is enough memory.",
            ) from None
        except ScoringStopped:
            raise ServiceError(
                f"the model was not loaded within {_SECONDS_TO_START:g} s",
                remedy="Check that the disk of the model can be read and that the machine is not "
                "busy with other work, then start again.",
            ) from None
        return self._to

    def _answer(self, to: Connection, seconds: float) -> Any:
        if not to.poll(seconds):
            self._end()
            raise ScoringStopped(f"scoring took longer than {seconds:g} s")
        answer = to.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._to is not None:
            self._to.close()
        self._process = self._to = None


def _serve(to: Connection, make: MakeScorer, memory_bytes: int) -> None:
    """Entry point of the child: answer until the other end closes."""
    # The parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _limit_memory(memory_bytes)
        score = make()
        to.send(None)
    except MammoriskError as error:
        to.send(error)
        return
    while True:
        try:
            files, predecessor = to.recv()
        except EOFError:
            return
        try:
            answer: object = score(files, predecessor)
        except MammoriskError as error:
            answer = error
        # Whatever is wrong with the exam, the next one is scored.
        except Exception as error:  # noqa: BLE001
            answer = ScoringStopped(f"unexpected error ({type(error).__name__})")
        with contextlib.suppress(BrokenPipeError):
            to.send(answer)


def _limit_memory(memory_bytes: int) -> None:
    # Elsewhere the limit counts address space, of which torch reserves far more than it uses.
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
