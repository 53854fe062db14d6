"""Writing of a folder that is complete on disk, or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

#: Flushes a file or a folder to disk.
Sync = Callable[[Path], None]


def sync_path(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_folder(folder: Path, files: Mapping[str, bytes], sync: Sync = sync_path) -> None:
    """Write a folder of files: to a temporary name, flushed to disk, then renamed.

    After a kill or a power cut the folder is complete or absent. A folder that exists is left as it
    is, because its files may have been sent.

    Parameters
    ----------
    folder : Path
    files : mapping of str to bytes
        Content by name.
    sync : callable
        Flushes a path to disk.

    Raises
    ------
    OSError
        The folder cannot be written, for example because the disk is full.
    """
    if folder.exists():
        return
    temporary = folder.with_name(f".{folder.name}.new")
    # Left by a process that was killed.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / name).write_bytes(content)
            sync(temporary / name)
        sync(temporary)
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync(folder.parent)
