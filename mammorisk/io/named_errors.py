"""Errors name a view or the place of a file in a list; the file's name is kept apart from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mammorisk.errors import ExamError

Made = TypeVar("Made")


@contextmanager
def name_errors(where: str | None, source: str) -> Iterator[None]:
    """Say where an error arose without the name of the file, which may be an identity.

    Parameters
    ----------
    where : str or None
        A view (``"L-CC"``), or the place of the file (``"file 3 of 12"``).
    source : str
        Name of the file, which becomes the attribute ``source`` of the error.
    """
    try:
        yield
    except ExamError as error:
        named = type(error)(
            error.what, where=error.where or where, remedy=error.remedy, source=source
        )
        raise named.with_traceback(error.__traceback__) from None


def call_named(where: str, source: str, call: Callable[[], Made]) -> Made:
    """Call a function whose errors then name a view; a partial of this can be pickled."""
    with name_errors(where, source):
        return call()
