"""Writing of the files of a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mammorisk._utils.output_file import write_output


def write_report_file(path: Path, content: str | bytes | Callable[[Path], object]) -> Path:
    """Write a file of a report, and make its folder.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    return write_output(path, content, "the report", where=str(path), make_folder=True)
