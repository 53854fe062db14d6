"""Files of one exam from a folder, a list or a mapping of views."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mammorisk.errors import NoImages, TooLarge
from mammorisk.io.limits import Limits
from mammorisk.records.exam import SetAside

#: A folder, a file, a list of files, or files by view name.
Paths = str | Path | Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]]

_REMEDY_LINKS = "give a list of files, or replace links by copies"


@dataclass(frozen=True, kw_only=True)
class ExamFile:
    """One file.

    Attributes
    ----------
    path : Path
    source : str
        Name of the file, relative to the folder or list that the user gave.
    named_view : str or None
        View given by the user.
    """

    path: Path = field(repr=False)
    source: str = field(repr=False)
    named_view: str | None = None


def list_files(path: Paths, limits: Limits) -> tuple[list[ExamFile], list[SetAside]]:
    """Return the files that may be images, in order, and the files that are not opened.

    Links to places outside the folder are not followed.

    Parameters
    ----------
    path : path, sequence of paths, or mapping of str to path or paths
    limits : Limits

    Raises
    ------
    NoImages
        There is no such file or folder.
    TooLarge
        The folder contains more files than the limit.
    """
    if isinstance(path, Mapping):
        return [
            ExamFile(path=Path(file), source=Path(file).name, named_view=name)
            for name, files in path.items()
            for file in ([files] if isinstance(files, (str, Path)) else files)
        ], []
    if isinstance(path, (str, Path)):
        root = Path(path)
        if root.is_dir():
            return _walk(root, limits)
        if not root.exists():
            raise NoImages(
                "there is no such file or folder", remedy="Check the path.", source=str(path)
            )
        return [ExamFile(path=root, source=root.name)], []
    files = []
    for i, file in enumerate(path):
        if not Path(file).exists():
            raise NoImages(
                "there is no such file",
                where=f"file {i + 1}",
                remedy="Check the path.",
                source=str(file),
            )
        files.append(ExamFile(path=Path(file), source=Path(file).name))
    return files, []


def _walk(root: Path, limits: Limits) -> tuple[list[ExamFile], list[SetAside]]:
    real_root = root.resolve()
    files: list[ExamFile] = []
    aside: list[SetAside] = []
    seen = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        for name in [name for name in folders if (here / name).is_symlink()]:
            reason = f"a link to a folder, not followed: {_REMEDY_LINKS}"
            aside.append(SetAside(source=str((here / name).relative_to(root)), reason=reason))
        if folders and depth >= limits.max_folder_depth:
            reason = f"folders deeper than {limits.max_folder_depth} levels are not searched"
            aside.append(SetAside(source=str(here.relative_to(root)), reason=reason))
            folders.clear()
        folders.sort()
        for name in sorted(names):
            if name.startswith(".") or name.upper() == "DICOMDIR":
                continue
            seen += 1
            if seen > limits.max_files:
                raise TooLarge(
                    f"the folder holds more than {limits.max_files:,} files",
                    remedy="Give the folder of one exam.",
                    source=root.name,
                )
            file = here / name
            source = str(file.relative_to(root))
            unusable = _unusable(file, real_root)
            if unusable is None:
                files.append(ExamFile(path=file, source=source))
            else:
                aside.append(SetAside(source=source, reason=unusable))
    return files, aside


def _unusable(file: Path, real_root: Path) -> str | None:
    """Return the reason why a file is not opened; None for a regular file in the folder."""
    try:
        mode = file.stat().st_mode
        inside = file.resolve().is_relative_to(real_root)
    except (OSError, RuntimeError):
        return "a link without a target"
    if not inside:
        return f"a link out of the folder, not followed: {_REMEDY_LINKS}"
    return None if stat.S_ISREG(mode) else "not a regular file"
