"""Cache of standardised exams on disk, keyed by content and settings.

Several processes may share a folder. Entries are written atomically, and two processes that create
the same entry write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._version import __version__
from mammorisk.inputs.standard_exam import ImageSettings, StandardExam, standard_exam
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.exam import Exam


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

    def get(self, exam: Exam) -> StandardExam:
        """Return the standardised exam, from the folder or created now.

        Raises
        ------
        PixelError, TooLarge, UnsupportedSyntax
            The pixels of a view cannot be read.
        OSError
            The folder cannot be written.
        """
        file = self._file(exam)
        if file is not None and file.exists():
            kept = _read(file, self.settings)
            if kept is not None:
                return kept
        made = standard_exam(exam, self.settings)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(file, lambda path: _write(made, path))
        return made

    def _file(self, exam: Exam) -> Path | None:
        if self.folder is None:
            return None
        key = hashlib.blake2b(digest_size=16)
        key.update(__version__.encode())
        key.update(self.settings.model_dump_json().encode())
        for view in exam:
            if view.digest is None:
                return None
            key.update(f"{view.name} {view.digest()}".encode())
        name = key.hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"


def _write(made: StandardExam, path: Path) -> None:
    from safetensors.numpy import save_file

    acquisitions = [
        None if one is None else one.model_dump(mode="json") for one in made.acquisitions
    ]
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
        },
    )


def _read(file: Path, settings: ImageSettings) -> StandardExam | None:
    """Read an entry. None if it is damaged; it is then created again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as entry:
            told = entry.metadata()
            pixels = entry.get_tensor("pixels")
            present = entry.get_tensor("present").astype(bool)
            density = entry.get_tensor("percent_density")
        acquisitions = json.loads(told["acquisitions"])
        implant = json.loads(told["implant"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None
    if pixels.shape[1:] != (settings.rows, settings.columns):
        return None
    return StandardExam(
        pixels=pixels,
        present=present,
        percent_density=density,
        acquisitions=tuple(None if one is None else Acquisition(**one) for one in acquisitions),
        implant=bool(implant),
    )
