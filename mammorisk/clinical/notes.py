"""Notes: warnings about many women, collected as bits and converted to records at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk.warnings import Warnings, make_warning

Mask = NDArray[np.bool_]


class Notes:
    """Warnings about each of ``n`` women.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int) -> None:
        self._bits = np.zeros(n, dtype=np.int64)
        self._entries: list[tuple[str, str, str]] = []

    def add(self, rows: Mask, code: str, text: str, *, under: str = "") -> None:
        """Add a warning about some women.

        Parameters
        ----------
        rows : ndarray of bool, shape (n,)
        code : str
            A key of :data:`mammorisk.warnings.CODES`.
        text : str
        under : str, optional
            Heading. Texts with the same code and heading are joined to one warning, as in
            ``"heading: a, b"``.
        """
        if not rows.any():
            return
        self._bits |= rows.astype(np.int64) << len(self._entries)
        self._entries.append((code, under, text))

    @property
    def any(self) -> Mask:
        """Women with a warning."""
        found: Mask = self._bits != 0
        return found

    def records(self) -> NDArray[np.object_]:
        """Warnings of each woman, shape (n,) of tuples, in the order they were added."""
        distinct, inverse = np.unique(self._bits, return_inverse=True)
        return as_object_array([self._spell(int(bits)) for bits in distinct])[inverse]

    def _spell(self, bits: int) -> Warnings:
        parts: dict[tuple[str, str], list[str]] = {}
        for i, (code, under, text) in enumerate(self._entries):
            if bits >> i & 1:
                parts.setdefault((code, under or text), []).append(text)
        return tuple(
            make_warning(code, heading if items == [heading] else f"{heading}: {', '.join(items)}")
            for (code, heading), items in parts.items()
        )


def as_object_array(items: list[Warnings]) -> NDArray[np.object_]:
    """Array with tuples as elements; ``np.array`` would make them rows."""
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array
