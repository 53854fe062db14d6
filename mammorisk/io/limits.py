"""Limits on the size of files and images, checked before memory is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mammorisk.errors import TooLarge, UnreadableFile


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on files and images.

    Attributes
    ----------
    max_file_bytes : int
        Largest size of a file. The largest mammograms have about 60 MB uncompressed.
    max_pixels : int
        Largest number of pixels of an image. The largest detectors have about 24 million.
    max_files : int
        Largest number of files in the folder of an exam.
    max_folder_depth : int
        Largest depth of folders below the given one.
    decode_seconds : float
        Longest decoding time of an image in seconds.
    decode_memory_bytes : int
        Largest address space of a decoder. Not enforced on Windows.
    decode_in_process : bool
        Decode in the calling process, for systems where no child process can be started. The limits
        on time and memory are then not enforced, and a codec that crashes ends the Python process.

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
    """Return the size of a regular file in bytes.

    Raises
    ------
    UnreadableFile
        The file cannot be opened.
    TooLarge
        The file is larger than the limit.
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
