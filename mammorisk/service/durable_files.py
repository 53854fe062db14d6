"""Writing of files and folders that are complete on disk, or not there."""

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


def write_file(path: Path, content: bytes, sync: Sync = sync_path) -> None:
    """Write a file so that after a kill or a power cut it is the old one or the new one.

    Parameters
    ----------
    path : Path
        One that has this content is left as it is.
    content : bytes
    sync : callable
        Flushes a path to disk.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    if path.is_file() and path.read_bytes() == content:
        return
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(content)
        sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


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
