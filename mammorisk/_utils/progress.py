"""Progress of long work: a bar in terminals and notebooks, plain lines in pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

#: Called with the stage ("women", "exams"), how many are done, and how many there are.
OnProgress = Callable[[str, int, int], None]
#: The same for work of one stage.
OnStep = Callable[[int, int], None]


@contextmanager
def show_progress(stream: TextIO, *, every_s: float = 10.0) -> Iterator[OnProgress]:
    """Give a callback that shows the progress of work in stages.

    Parameters
    ----------
    stream : text file
        As a rule ``sys.stderr``.
    every_s : float
        Seconds between plain lines of a stage, where the stream is neither a terminal nor that of
        a notebook. The end of a stage is always shown.

    Yields
    ------
    callable
    """
    if stream.isatty() or _in_notebook():
        with _bar(stream) as tell:
            yield tell
    else:
        yield _lines(stream, every_s)


@contextmanager
def progress_bar(stage: str, total: int, *, show: bool = True) -> Iterator[OnStep | None]:
    """The same for work of one stage, on standard error; gives None where nothing is shown."""
    if not show or total == 0:
        yield None
        return
    with show_progress(sys.stderr) as tell:
        yield lambda done, _: tell(stage, done, total)


def _in_notebook() -> bool:
    from rich.console import Console

    return Console(file=sys.stderr).is_jupyter


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
    with Progress(*columns, console=Console(file=None if _in_notebook() else stream)) as bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield tell
