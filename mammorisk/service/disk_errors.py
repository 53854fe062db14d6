"""Errors of the disk: a full one, for which a service waits, and others, which end it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from mammorisk.errors import NoSpace, ServiceError

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)


def is_no_space(error: Exception) -> bool:
    """Whether the cause of an error of the disk or of SQLite is that there is no space.

    Examples
    --------
    >>> import errno
    >>> from mammorisk.service.disk_errors import is_no_space
    >>> is_no_space(OSError(errno.ENOSPC, "No space left on device")), is_no_space(OSError())
    (True, False)
    """
    return getattr(error, "errno", None) in _NUMBERS or "disk is full" in str(error)


def no_space() -> NoSpace:
    """Return the error of a full disk."""
    return NoSpace(
        "no space left on the disk", remedy="Free some space, then run the same command again."
    )


@contextmanager
def disk_errors() -> Iterator[None]:
    """Context manager that raises errors of the disk and of SQLite as errors of the package.

    Raises
    ------
    NoSpace
        The disk is full.
    ServiceError
        Another error, which does not pass.
    """
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        if is_no_space(error):
            raise no_space() from None
        # The text of an error of the operating system has the path, which can be an identity.
        reason = str(error)
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
        raise ServiceError(
            f"the queue or the disk cannot be used ({reason})",
            remedy="Check the disk and the folder of the queue, then start again.",
        ) from None
