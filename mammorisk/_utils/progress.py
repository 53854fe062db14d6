"""Progress of a simulation: a bar with rate and time left on a terminal, else plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

#: Told the stage ("women" or "exams"), how many are done, and how many in all.
OnProgress = Callable[[str, int, int], None]


@contextmanager
def show_progress(stream: TextIO, *, every_s: float = 10.0) -> Iterator[OnProgress]:
    """Give a callback for :func:`~mammorisk.simulation.simulate.simulate` that shows progress.

    Parameters
    ----------
    stream : text file
        As a rule ``sys.stderr``.
    every_s : float
        Seconds between plain lines of a stage, where the stream is not a terminal; its end is
        always told.

    Yields
    ------
    callable
        To be passed as ``on_progress``.
    """
    if stream.isatty():
        with _bar(stream) as tell:
            yield tell
    else:
        yield _lines(stream, every_s)


def _lines(stream: TextIO, every_s: float) -> OnProgress:
    told: dict[str, float] = {}
    begun: dict[str, tuple[float, int]] = {}

    def tell(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        started, before = begun.setdefault(stage, (now, done))
        if done < total and now - told.get(stage, started) < every_s:
            return
        told[stage] = now
        rate = (done - before) / (now - started) if now > started else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        speed = f" ({rate:.1f} a second{left})" if rate > 0 else ""
        stream.write(f"{done} of {total} {stage}{speed}\n")
        stream.flush()

    return tell


@contextmanager
def _bar(stream: TextIO) -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.1f} a second")

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream)) as bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield tell
