"""Atomic writing of files, and digests of their content."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file atomically: write a temporary file, flush it to disk, then rename it.

    Parameters
    ----------
    path : Path
        An existing file of this name is replaced.
    write : callable
        Called with the path of the temporary file, to which it writes the content.

    Raises
    ------
    OSError
        The file cannot be written. An existing file is not changed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from mammorisk._utils.atomic_write import atomic_write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "note.txt"
    ...     atomic_write(file, lambda path: path.write_text("done"))
    ...     file.read_text()
    'done'
    """
    # Two threads may write the same file.
    writer = f"{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f"{path.name}.{writer}.new")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        # Some writers leave files that only their owner may read.
        temporary.chmod(mode)
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def content_digest(path: Path) -> str:
    """Return the BLAKE2 digest of the content of a file, in hexadecimal.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
