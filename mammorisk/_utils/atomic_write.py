"""Files that appear whole or not at all, and digests of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the file, flush to disk, then rename: a reader never sees half of it.

    Parameters
    ----------
    path : Path
        The file to appear; an earlier one is replaced.
    write : callable
        Writes the content to the path it is given.

    Raises
    ------
    OSError
        It cannot be written; an earlier file is left as it was.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        write(temporary)
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def content_digest(path: Path) -> str:
    """BLAKE2 digest of a file's content.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
