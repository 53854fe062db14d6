"""Writing of a file that a user asked for, with one error if this fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.errors import OutputError


def write_output(
    path: Path,
    content: str | bytes | Callable[[Path], object],
    what: str,
    *,
    where: str | None = None,
    make_folder: bool = False,
) -> Path:
    """Write a file atomically.

    Parameters
    ----------
    path : Path
    content : str, bytes or callable
        A callable writes the content to the path that it is given.
    what : str
        What is written, for the message: ``"the report"``.
    where : str, optional
        Place for the message. The name of a file of an exam may be an identity and is no place.
    make_folder : bool
        Whether a folder that does not exist is made.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from mammorisk._utils.output_file import write_output
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_output(Path(folder) / "note.txt", "done", "the note").read_text()
    'done'
    """
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            atomic_write(path, content)
        else:
            data = content.encode() if isinstance(content, str) else content
            atomic_write(path, lambda temporary: temporary.write_bytes(data))
    except OSError as error:
        raise OutputError(
            f"{what} cannot be written ({error.strerror or type(error).__name__})",
            where=where,
            remedy="Choose a folder that exists and can be written to, with enough free space.",
        ) from None
    return path
