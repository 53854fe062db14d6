"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(ask: Callable[[], Any], seconds: float = 60) -> Any:
    """What a function returns, when it is not None."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (found := ask()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")
