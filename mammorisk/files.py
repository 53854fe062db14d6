"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
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
