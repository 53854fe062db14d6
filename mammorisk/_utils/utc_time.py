"""Times in UTC as text."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_text(at: float) -> str:
    """Return a time to the second, as ``YYYY-MM-DDThh:mm:ssZ``.

    Parameters
    ----------
    at : float
        Seconds since 1970.

    Examples
    --------
    >>> from mammorisk._utils.utc_time import utc_text
    >>> utc_text(0.0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_now() -> str:
    """Return the time of now, as :func:`utc_text` does."""
    return utc_text(time.time())
