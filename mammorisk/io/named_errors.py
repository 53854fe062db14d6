"""Errors with the view or the position of a file in a list, but without its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mammorisk.errors import ExamError

Made = TypeVar("Made")


@contextmanager
def name_errors(where: str | None, source: str) -> Iterator[None]:
    """Add the place to errors that arise inside, without the name of the file.

    Parameters
    ----------
    where : str or None
        A view (``"L-CC"``), or the position of the file (``"file 3 of 12"``).
    source : str
        Name of the file, which may be an identity. It becomes the attribute ``source`` of the error
        and is not part of the message.
    """
    try:
        yield
    except ExamError as error:
        named = type(error)(
            error.what, where=error.where or where, remedy=error.remedy, source=source
        )
        raise named.with_traceback(error.__traceback__) from None


def call_named(where: str, source: str, call: Callable[[], Made]) -> Made:
    """Call a function inside :func:`name_errors`. A partial of this can be pickled."""
    with name_errors(where, source):
        return call()
