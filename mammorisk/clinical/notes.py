"""Notes: short texts about many women at once, gathered as bits and spelled out at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Notes:
    """What is to be said of each of ``n`` women.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int) -> None:
        self._bits = np.zeros(n, dtype=np.int64)
        self._texts: list[tuple[str, str]] = []

    def add(self, rows: Mask, text: str, *, under: str = "") -> None:
        """Say ``text`` of some women; texts with the same ``under`` share it as a heading."""
        if not rows.any():
            return
        self._bits |= rows.astype(np.int64) << len(self._texts)
        self._texts.append((under, text))

    @property
    def any(self) -> Mask:
        """Who has a note."""
        return self._bits != 0

    def text(self) -> NDArray[np.object_]:
        """All notes of each woman joined by ``"; "``, in the order they were added."""
        distinct, inverse = np.unique(self._bits, return_inverse=True)
        spelled = np.array([self._spell(int(bits)) for bits in distinct], dtype=object)
        return spelled[inverse]

    def _spell(self, bits: int) -> str:
        parts: dict[str, list[str]] = {}
        for i, (under, text) in enumerate(self._texts):
            if bits >> i & 1:
                parts.setdefault(under or text, []).append(text)
        return "; ".join(
            heading if items == [heading] else f"{heading}: {', '.join(items)}"
            for heading, items in parts.items()
        )
