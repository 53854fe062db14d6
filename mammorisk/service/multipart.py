"""PartsToFiles: the parts of a multipart body, written to files while they arrive."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import IO
from uuid import uuid4

from mammorisk.errors import ServiceError

_REMEDY = 'Send multipart/related; type="application/dicom"; boundary=...'
#: Largest number of parts of a request.
_MOST_PARTS = 10_000
#: A boundary is a token or a quoted string of 70 characters (RFC 2046); those of Orthanc have 73.
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))(?:[\s;]|$)', re.IGNORECASE)


class PartsToFiles:
    """Writes each part of a body of ``multipart/related`` to a file.

    Parameters
    ----------
    content_type : str
        Header ``Content-Type`` of the request.
    folder : Path
        Folder for the files.

    Raises
    ------
    ServiceError
        The body has another type.
    """

    def __init__(self, content_type: str, folder: Path) -> None:
        from python_multipart.multipart import MultipartParser

        found = _BOUNDARY.search(content_type)
        if not content_type.lower().startswith("multipart/related") or found is None:
            raise ServiceError(
                "the body is not multipart/related", where="Content-Type", remedy=_REMEDY
            )
        # It logs where a body is not of the stated form; the client is told.
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._files: list[Path] = []
        self._parser = MultipartParser(
            found[1] or found[2],
            {
                "on_part_begin": self._begin,
                "on_part_data": self._write,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )
        self._is_whole = False

    def write(self, block: bytes) -> None:
        """Take the next bytes of the body.

        Raises
        ------
        ServiceError
            They are not of the stated form.
        OSError
            A file cannot be written.
        """
        from python_multipart.exceptions import ParseError

        try:
            self._parser.write(block)
        except ParseError:
            raise _not_whole() from None

    def close(self) -> list[Path]:
        """Return the files, when the body has ended.

        Raises
        ------
        ServiceError
            The body ended before its last boundary, or has no part.
        """
        self._parser.finalize()
        if not self._is_whole or not self._files:
            raise _not_whole()
        return self._files

    def remove(self) -> None:
        """Remove the files that are left."""
        if self._file is not None:
            self._file.close()
        for path in self._files:
            path.unlink(missing_ok=True)

    def _begin(self) -> None:
        if len(self._files) >= _MOST_PARTS:
            raise ServiceError("the body has too many parts", remedy="Send fewer at a time.")
        path = self._folder / f"{uuid4().hex}.part"
        self._files.append(path)
        self._file = open(path, "wb")  # noqa: SIM115

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _finish(self) -> None:
        self._is_whole = True


def _not_whole() -> ServiceError:
    return ServiceError("the body is not whole", where="body", remedy=_REMEDY)
