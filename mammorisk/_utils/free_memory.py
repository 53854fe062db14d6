"""Giving free memory back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back_memory() -> None:
    """Give the free memory of the allocator back to the system.

    The allocator of glibc keeps the memory of freed arrays of some megabytes. In a process that
    makes many of them, it would grow for hundreds of exams. Nothing is done elsewhere than on
    Linux, or with another C library.

    Examples
    --------
    >>> from mammorisk._utils.free_memory import give_back_memory
    >>> give_back_memory()
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
