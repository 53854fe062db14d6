"""ImageIndex: what the pass over the images found, in a file, so that memory does not grow.

A temporary SQLite database holds one row an image. Medians and copies are computed in it.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

#: Numbers of an image that are compared within a device: fields of an Acquisition, and its spacing.
FIELDS = (
    "force_n",
    "thickness_mm",
    "kvp",
    "mas",
    "glandular_dose_mgy",
    "entrance_dose_mgy",
    "half_value_layer_mm_al",
    "source_detector_mm",
    "pixel_mm",
)
#: Memory of the database's cache, KiB.
_CACHE_KIB = 16_384


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """One image.

    Attributes
    ----------
    row : int
        Row of the cohort.
    is_prior : bool
        Whether it is of the prior exam.
    view : str
    device : str
        Manufacturer and model.
    numbers : tuple of float or None
        In the order of :data:`FIELDS`.
    implausible : dict of str to float
        Values that were not used, by DICOM attribute.
    digest : bytes or None
        Digest of the stored pixels.
    is_flat : bool
        Whether all pixels have the same value.
    """

    row: int
    is_prior: bool
    view: str
    device: str
    numbers: tuple[float | None, ...]
    implausible: dict[str, float] = field(default_factory=dict)
    digest: bytes | None = None
    is_flat: bool = False


class ImageIndex:
    """A temporary table of images, deleted at the end of the ``with`` block."""

    def __enter__(self) -> ImageIndex:
        self._folder = tempfile.TemporaryDirectory(prefix="mammorisk-")
        self._base = sqlite3.connect(Path(self._folder.name) / "images.sqlite")
        for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
            self._base.execute(f"PRAGMA {setting}")
        numbers = ", ".join(f"{name} REAL" for name in FIELDS)
        self._base.execute(
            "CREATE TABLE image (row INTEGER, prior INTEGER, view TEXT, device TEXT, digest BLOB, "
            f"flat INTEGER, {numbers})"
        )
        self._base.execute("CREATE TABLE implausible (device TEXT, attribute TEXT, value REAL)")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._base.close()
        self._folder.cleanup()

    def add(self, images: Sequence[ImageFacts]) -> None:
        marks = ", ".join("?" * (6 + len(FIELDS)))
        self._base.executemany(
            f"INSERT INTO image VALUES ({marks})",
            [
                (
                    *(one.row, one.is_prior, one.view, one.device, one.digest, one.is_flat),
                    *one.numbers,
                )
                for one in images
            ],
        )
        self._base.executemany(
            "INSERT INTO implausible VALUES (?, ?, ?)",
            [
                (one.device, name, value)
                for one in images
                for name, value in one.implausible.items()
            ],
        )

    def devices(self) -> list[tuple[str, int, int]]:
        """Device, images and exams, the most frequent first."""
        return self._base.execute(
            "SELECT device, COUNT(*) AS n, COUNT(DISTINCT row * 2 + prior) FROM image "
            "GROUP BY device ORDER BY n DESC, device"
        ).fetchall()

    def quantiles(self, device: str, name: str, shares: Sequence[float]) -> list[float]:
        """Quantiles of a field of a device, as lower order statistics. Empty without values."""
        where = f"FROM image WHERE device = ? AND {_checked(name)} IS NOT NULL"
        n = self._base.execute(f"SELECT COUNT(*) {where}", (device,)).fetchone()[0]
        return [
            self._nth(f"SELECT {name} {where} ORDER BY {name}", (device,), share, n)
            for share in shares
            if n
        ]

    def median_distance(self, device: str, name: str, middle: float) -> float:
        """Median absolute distance of a field of a device from a value."""
        where = f"FROM image WHERE device = ? AND {_checked(name)} IS NOT NULL"
        n = self._base.execute(f"SELECT COUNT(*) {where}", (device,)).fetchone()[0]
        text = f"SELECT ABS({name} - ?) AS away {where} ORDER BY away"
        return self._nth(text, (middle, device), 0.5, n)

    def outside(
        self, device: str, name: str, low: float, high: float, most: int
    ) -> tuple[int, list[tuple[int, int, str, float]]]:
        """Number of values outside limits, and row, whether prior, view and value of the first."""
        where = f"FROM image WHERE device = ? AND ({_checked(name)} < ? OR {name} > ?)"
        given = (device, low, high)
        n = self._base.execute(f"SELECT COUNT(*) {where}", given).fetchone()[0]
        text = f"SELECT row, prior, view, {name} {where} ORDER BY row, prior, view LIMIT {most:d}"
        return n, self._base.execute(text, given).fetchall()

    def count(self, device: str, name: str) -> int:
        """Number of images of a device with a value."""
        text = f"SELECT COUNT({_checked(name)}) FROM image WHERE device = ?"
        return int(self._base.execute(text, (device,)).fetchone()[0])

    def implausible(self, device: str) -> list[tuple[str, int, float]]:
        """Attribute, number and median of the values of a device that were not used."""
        found = self._base.execute(
            "SELECT attribute, COUNT(*) FROM implausible WHERE device = ? GROUP BY attribute",
            (device,),
        ).fetchall()
        text = "SELECT value FROM implausible WHERE device = ? AND attribute = ? ORDER BY value"
        return [(name, n, self._nth(text, (device, name), 0.5, n)) for name, n in found]

    def flat_images(self) -> list[tuple[int, int, str]]:
        """Row, whether prior, and view of images of one value."""
        return self._base.execute(
            "SELECT row, prior, view FROM image WHERE flat ORDER BY row"
        ).fetchall()

    def copies(self) -> Iterator[tuple[list[int], list[bool]]]:
        """Yield rows, and whether they are of the prior exam, of each image in several rows."""
        self._base.execute("CREATE INDEX by_digest ON image (digest)")
        text = (
            "SELECT digest FROM image WHERE digest IS NOT NULL AND NOT flat GROUP BY digest "
            "HAVING COUNT(DISTINCT row) > 1"
        )
        for (digest,) in self._base.execute(text):
            found = self._base.execute(
                "SELECT row, prior FROM image WHERE digest = ? ORDER BY row", (digest,)
            ).fetchall()
            yield [row for row, _ in found], [bool(prior) for _, prior in found]

    def _nth(self, text: str, given: tuple[Any, ...], share: float, n: int) -> float:
        place = min(int(share * n), n - 1)
        return float(self._base.execute(f"{text} LIMIT 1 OFFSET {place:d}", given).fetchone()[0])


def _checked(name: str) -> str:
    """The name of a column, which is put into the text of a query."""
    if name not in FIELDS:
        raise KeyError(name)
    return name
