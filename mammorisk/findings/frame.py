"""ViewFrame: where the grid of a detector lies in an upright view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ViewFrame:
    """Mapping between the pixels of a grid and those of the upright view.

    The grid shows the box of the breast, mirrored if needed so that the chest wall is at the left.

    Attributes
    ----------
    box_px : tuple of int
        First row, one past the last row, first column, one past the last column in the view.
    mirrored : bool
    scale : float
        Pixels of the grid per pixel of the view.
    """

    box_px: tuple[int, int, int, int]
    mirrored: bool
    scale: float

    def to_view(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert rows and columns on the grid, shape (n, 2), to those in the view."""
        inner = (np.asarray(points, dtype=float) + 0.5) / self.scale - 0.5
        moved: NDArray[np.float64] = self._swap(inner) + self._corner()
        return moved

    def to_grid(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert rows and columns in the view, shape (n, 2), to those on the grid."""
        inner = np.asarray(points, dtype=float) - self._corner()
        moved: NDArray[np.float64] = (self._swap(inner) + 0.5) * self.scale - 0.5
        return moved

    def _corner(self) -> NDArray[np.float64]:
        return np.array([self.box_px[0], self.box_px[2]], dtype=float)

    def _swap(self, inner: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.mirrored:
            return inner
        width = self.box_px[3] - self.box_px[2]
        return np.column_stack([inner[:, 0], width - 1 - inner[:, 1]])

    def box_to_view(
        self, centre: tuple[float, float], size: tuple[float, float]
    ) -> tuple[float, float, float, float]:
        """Convert a centre and height and width on the grid to a half-open box in the view."""
        (row, column), height, width = (
            self.to_view(np.array([centre]))[0],
            size[0] / self.scale,
            size[1] / self.scale,
        )
        return (
            float(row + 0.5 - height / 2),
            float(row + 0.5 + height / 2),
            float(column + 0.5 - width / 2),
            float(column + 0.5 + width / 2),
        )
