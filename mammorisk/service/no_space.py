"""NoSpace: a full disk, for which a service waits."""

from __future__ import annotations

import errno

from mammorisk.errors import ServiceError

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)


class NoSpace(ServiceError):
    """The disk is full. This passes, and is no fault of an exam: the job waits."""


def is_no_space(error: Exception) -> bool:
    """Whether the cause of an error of the disk or of SQLite is that there is no space.

    Examples
    --------
    >>> import errno
    >>> from mammorisk.service.no_space import is_no_space
    >>> is_no_space(OSError(errno.ENOSPC, "No space left on device")), is_no_space(OSError())
    (True, False)
    """
    return getattr(error, "errno", None) in _NUMBERS or "disk is full" in str(error)


def disk_error(error: Exception) -> ServiceError:
    """Return the error that ends a run: NoSpace, or one of the disk that does not pass.

    Parameters
    ----------
    error : OSError or sqlite3.Error
    """
    if is_no_space(error):
        return NoSpace(
            "no space left on the disk",
            remedy="Free some space, then run the same command again.",
        )
    # The text of an error of the operating system has the path, which can be an identity.
    reason = getattr(error, "strerror", None) or (
        type(error).__name__ if isinstance(error, OSError) else str(error)
    )
    return ServiceError(
        f"the queue or the disk cannot be used ({reason})",
        remedy="Check the disk and the folder of the queue, then start again.",
    )
