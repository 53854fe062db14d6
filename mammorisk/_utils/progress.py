"""Progress of long tasks: a bar in terminals and notebooks, plain lines in pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

#: Called with the name of the stage ("women", "exams"), the number of finished items and the total.
OnProgress = Callable[[str, int, int], None]


class ShowProgress(Protocol):
    """An :data:`OnProgress` that also takes a note, shown behind the rate."""

    def __call__(self, stage: str, done: int, total: int, *, note: str = "") -> None: ...


#: The same for a task with one stage: called with the number of finished items and the total.
OnStep = Callable[[int, int], None]


@contextmanager
def show_progress(stream: TextIO, *, every_s: float = 10.0) -> Iterator[ShowProgress]:
    """Context manager for a callback that shows the progress of a task with stages.

    Parameters
    ----------
    stream : text file
        Usually ``sys.stderr``.
    every_s : float
        Seconds between plain lines of a stage. Plain lines are used outside of terminals and
        notebooks. The end of a stage is always shown.

    Yields
    ------
    callable
        Called with the name of the stage, the number of finished items, and the total; with
        ``note``, a text that is shown too.

    Examples
    --------
    >>> import io
    >>> from mammorisk._utils.progress import show_progress
    >>> stream = io.StringIO()
    >>> with show_progress(stream) as on_progress:
    ...     on_progress("exams", 0, 2)
    ...     on_progress("exams", 2, 2)
    >>> stream.getvalue().startswith("2 of 2 exams")
    True
    """
    if stream.isatty() or _in_notebook():
        with _bar(stream) as tell:
            yield tell
    else:
        yield _lines(stream, every_s)


@contextmanager
def progress_bar(stage: str, total: int, *, show: bool = True) -> Iterator[OnStep | None]:
    """Context manager for the progress of a task with one stage, on standard error.

    Parameters
    ----------
    stage : str
        Plural of the items, for example ``"exams"``.
    total : int
        Number of items.
    show : bool
        False shows nothing.

    Yields
    ------
    callable or None
        Called with the number of finished items and the total. None if nothing is shown.
    """
    if not show or total == 0:
        yield None
        return
    with show_progress(sys.stderr) as tell:
        yield lambda done, _: tell(stage, done, total)


def _in_notebook() -> bool:
    from rich.console import Console

    return Console(file=sys.stderr).is_jupyter


def _lines(stream: TextIO, every_s: float) -> ShowProgress:
    told: dict[str, float] = {}
    begun: dict[str, tuple[float, int]] = {}

    def tell(stage: str, done: int, total: int, *, note: str = "") -> None:
        now = time.monotonic()
        started, before = begun.setdefault(stage, (now, done))
        if done < total and now - told.get(stage, started) < every_s:
            return
        told[stage] = now
        rate = (done - before) / (now - started) if now > started else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        speed = f" ({rate:.1f} a second{left})" if rate > 0 else ""
        stream.write(f"{done} of {total} {stage}{speed}{note and f': {note}'}\n")
        stream.flush()

    return tell


@contextmanager
def _bar(stream: TextIO) -> Iterator[ShowProgress]:
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
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(file=None if _in_notebook() else stream)) as bar:

        def tell(stage: str, done: int, total: int, *, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, note=note)
            bar.update(tasks[stage], completed=done, note=note)

        yield tell
