"""Limits: what a file may ask for, checked before memory is taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mammorisk.errors import TooLarge, UnreadableFile


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on files and images.

    Attributes
    ----------
    max_file_bytes : int
        Largest file opened. The largest mammograms are near 60 MB uncompressed.
    max_pixels : int
        Largest rows x columns of an image; the largest detectors have about 24 million.
    max_files : int
        Files looked at in one exam's folder.
    max_folder_depth : int
        Levels of folders below the one given.
    decode_seconds : float
        Longest time a decoder may take for one image before it is stopped.
    decode_memory_bytes : int
        Address space a decoder may take; enforced where the system can (not on Windows).
    decode_in_process : bool
        Decode in the calling process instead of a child, where no child can be started. The
        limits on time and memory then do not hold, and a codec that crashes takes Python along.

    See Also
    --------
    mammorisk.read_exam : Takes the limits as an argument.

    Examples
    --------
    >>> import mammorisk as mr
    >>> limits = mr.Limits(max_files=500)
    >>> limits.max_files, limits.decode_seconds
    (500, 60.0)
    """

    max_file_bytes: int = 512 * 2**20
    max_pixels: int = 64_000_000
    max_files: int = 2_000
    max_folder_depth: int = 6
    decode_seconds: float = 60.0
    decode_memory_bytes: int = 4 * 2**30
    decode_in_process: bool = False


def file_size(path: Path, limits: Limits) -> int:
    """Size of a regular file in bytes.

    Raises
    ------
    UnreadableFile
        It cannot be opened.
    TooLarge
        It is larger than the limit.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableFile(f"the file cannot be opened ({error.strerror})") from None
    if size > limits.max_file_bytes:
        raise TooLarge(
            f"the file has {size / 2**20:.0f} MB, more than the limit of "
            f"{limits.max_file_bytes / 2**20:.0f} MB",
            remedy="Pass limits=mr.Limits(max_file_bytes=...) if it is genuine.",
        )
    return size
