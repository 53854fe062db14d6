"""Writing of text and binary files of results."""

from __future__ import annotations

from pathlib import Path

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.prediction.exports.dicom_header import cannot_write


def write_file(content: str | bytes, path: Path) -> Path:
    """Write a file atomically.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        atomic_write(path, lambda temporary: temporary.write_bytes(data))
    except OSError as error:
        raise cannot_write(error, path) from None
    return path
