"""Cache of standardised exams on disk, keyed by content and settings.

An exam is one file. Several processes may share a folder: entries are written atomically, and two
processes that create the same entry write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.errors import OutputError
from mammorisk.inputs.standard_exam import (
    PREPROCESSING_VERSION,
    VIEWS,
    ImageSettings,
    StandardExam,
    standard_exam,
)
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Exam

#: Bytes of an entry besides its pixels, about.
_HEADER_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class ImageCache:
    """A folder of standardised exams.

    Attributes
    ----------
    folder : Path or None
        With None nothing is stored.
    settings : ImageSettings
    """

    folder: Path | None
    settings: ImageSettings

    @property
    def entry_bytes(self) -> int:
        """Size of one exam on disk, about."""
        return len(VIEWS) * self.settings.rows * self.settings.columns + _HEADER_BYTES

    def has(self, exam: Exam) -> bool:
        """Whether the folder has the exam; False if it cannot be known without its pixels."""
        file = self.file_of(exam)
        return file is not None and file.exists()

    def get(self, exam: Exam) -> StandardExam:
        """Return the standardised exam, from the folder or created now.

        Raises
        ------
        PixelError, TooLarge, UnsupportedSyntax
            The pixels of a view cannot be read.
        OutputError
            The folder cannot be written. The entries in it stay usable.
        """
        return self.keep(exam)[0]

    def keep(self, exam: Exam) -> tuple[StandardExam, Path | None]:
        """Return the standardised exam and its file; the file is None without a folder.

        Raises
        ------
        PixelError, TooLarge, UnsupportedSyntax, OutputError
            As for :meth:`get`.
        """
        file = self.file_of(exam)
        if file is not None and file.exists():
            kept = read_entry(file, self.settings)
            if kept is not None:
                return kept, file
        made = standard_exam(exam, self.settings)
        if self.folder is not None:
            # Views that are not files have no digest: the pixels are the key.
            file = file or self._place(hashlib.blake2b(made.pixels.tobytes(), digest_size=16))
            write_entry(made, file)
        return made, file

    def file_of(self, exam: Exam) -> Path | None:
        """Return the file of an exam, which need not exist; None if only its pixels tell it."""
        if self.folder is None or any(view.digest is None for view in exam):
            return None
        key = hashlib.blake2b(digest_size=16)
        for view in exam:
            assert view.digest is not None
            key.update(f"{view.name} {view.digest()}".encode())
        return self._place(key)

    def _place(self, key: hashlib.blake2b) -> Path:
        assert self.folder is not None
        key.update(f"preprocessing {PREPROCESSING_VERSION}".encode())
        key.update(self.settings.model_dump_json().encode())
        name = key.hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"


def write_entry(made: StandardExam, file: Path) -> None:
    """Write an entry of a cache atomically.

    Raises
    ------
    OutputError
        The file cannot be written, for example because the disk is full.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, lambda path: _write(made, path))
    except OSError as error:
        raise OutputError(
            f"the cache of images cannot be written ({error.strerror or type(error).__name__})",
            remedy="Exams in the cache are kept. Free space or choose another cache, and start the "
            "same call again.",
        ) from None


def _write(made: StandardExam, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    acquisitions = [
        None if one is None else one.model_dump(mode="json") for one in made.acquisitions
    ]
    try:
        save_file(
            {
                "pixels": made.pixels,
                "present": made.present.astype(np.uint8),
                "percent_density": made.percent_density,
            },
            path,
            metadata={
                "acquisitions": json.dumps(acquisitions),
                "implant": json.dumps(made.implant),
                "checksum": _checksum(made.pixels),
            },
        )
    except SafetensorError as error:
        # safetensors has its own error for a full disk.
        raise OSError(str(error)) from None


def read_entry(file: Path, settings: ImageSettings) -> StandardExam | None:
    """Read an entry of a cache. None if it is absent or damaged; it is then created again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as entry:
            told = entry.metadata()
            pixels = entry.get_tensor("pixels")
            present = entry.get_tensor("present").astype(bool)
            density = entry.get_tensor("percent_density")
        acquisitions = json.loads(told["acquisitions"])
        implant = json.loads(told["implant"])
        checksum = told["checksum"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None
    if not _is_whole(pixels, checksum, settings):
        return None
    return StandardExam(
        pixels=pixels,
        present=present,
        percent_density=density,
        acquisitions=tuple(None if one is None else Acquisition(**one) for one in acquisitions),
        implant=bool(implant),
    )


def read_pixels(file: Path, settings: ImageSettings) -> NDArray[np.uint8] | None:
    """Read only the pixels of an entry, shape (4, rows, columns). None if absent or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as entry:
            checksum = entry.metadata()["checksum"]
            pixels: NDArray[np.uint8] = entry.get_tensor("pixels")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None
    return pixels if _is_whole(pixels, checksum, settings) else None


def _is_whole(pixels: NDArray[np.uint8], checksum: str, settings: ImageSettings) -> bool:
    shape = (len(VIEWS), settings.rows, settings.columns)
    return pixels.shape == shape and _checksum(pixels) == checksum


def _checksum(pixels: NDArray[np.uint8]) -> str:
    return f"{zlib.crc32(pixels.data):08x}"
