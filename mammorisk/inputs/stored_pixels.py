"""Pixels of standardised exams that stay on disk until they are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.digests import json_digest
from mammorisk.errors import CacheDamaged
from mammorisk.inputs.image_cache import read_pixels, write_entry
from mammorisk.inputs.standard_exam import VIEWS, ImageSettings, StandardExam

#: Makes the standardised exam of a row again: row, and 0 for the exam or 1 for its prior.
Remake = Callable[[int, int], StandardExam | None]


@dataclass
class StoredPixels:
    """Pixels of n exams in the files of an :class:`~mammorisk.inputs.image_cache.ImageCache`.

    It is indexed like an array of shape (n, tokens, rows, columns), by one row, by rows and tokens
    of the same length, or by one of each. Only what is asked for is read.

    Attributes
    ----------
    files : sequence of tuple of Path or None
        File of each exam, and of its prior exam if priors are used; None without one.
    settings : ImageSettings
    remake : callable or None
        Makes a damaged entry again. Another process has it only if it was forked.
    """

    files: Sequence[tuple[Path | None, ...]] = field(repr=False)
    settings: ImageSettings
    remake: Remake | None = field(default=None, repr=False)
    _last: tuple[int, NDArray[np.uint8]] | None = field(default=None, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        times = len(self.files[0]) if self.files else 1
        return len(self.files), times * len(VIEWS), self.settings.rows, self.settings.columns

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        rows, tokens = index if isinstance(index, tuple) else (index, None)
        if np.ndim(rows) == 0:
            found = self.exam(int(rows))
            return found if tokens is None else found[tokens]
        if tokens is None:
            return np.stack([self.exam(int(row)) for row in rows])
        both = zip(np.asarray(rows), np.asarray(tokens), strict=True)
        return np.stack([self.exam(int(row))[token] for row, token in both])

    def take(self, rows: NDArray[np.int64]) -> StoredPixels:
        """Select some exams."""
        remake = self.remake
        return StoredPixels(
            files=[self.files[row] for row in rows],
            settings=self.settings,
            remake=None if remake is None else lambda row, time: remake(int(rows[row]), time),
        )

    def digest(self) -> str:
        """Return the SHA-256 of the names of the files, which name content and settings."""
        names = [[None if one is None else one.stem for one in files] for files in self.files]
        return json_digest(names)

    def exam(self, row: int) -> NDArray[np.uint8]:
        """Pixels of one exam and its prior, shape (tokens, rows, columns). Missing views are 0.

        Raises
        ------
        CacheDamaged
            An entry is damaged and cannot be made again.
        """
        if self._last is not None and self._last[0] == row:
            # Callers go through the views of an exam one after the other.
            return self._last[1]
        pixels = np.zeros(self.shape[1:], dtype=np.uint8)
        for time, file in enumerate(self.files[row]):
            if file is not None:
                place = slice(time * len(VIEWS), (time + 1) * len(VIEWS))
                pixels[place] = self._read(row, time, file)
        self._last = (row, pixels)
        return pixels

    def _read(self, row: int, time: int, file: Path) -> NDArray[np.uint8]:
        found = read_pixels(file, self.settings)
        if found is not None:
            return found
        made = None if self.remake is None else self.remake(row, time)
        if made is None:
            raise CacheDamaged(
                "an entry of the cache of images is damaged or was removed",
                where=f"row {row}",
                remedy="Start the same call again: it makes the entry again and goes on.",
            )
        write_entry(made, file)
        return made.pixels

    def __getstate__(self) -> dict[str, Any]:
        # Functions that open exams cannot be sent to another process.
        return self.__dict__ | {"remake": None, "_last": None}
