"""Trees: regression and survival trees as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats

#: Rows times trees that are evaluated together.
_AT_ONCE = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Trees:
    """The nodes of several trees, one tree after the other.

    Attributes
    ----------
    first : ndarray of int, shape (n_trees,)
        Root of each tree.
    left, right : ndarray of int, shape (n_nodes,)
        Next node if the column is at most the threshold, and if it is above; -1 in a leaf.
    column : ndarray of int, shape (n_nodes,)
    threshold : ndarray of float, shape (n_nodes,)
    value : ndarray of float, shape (n_nodes, n_values)
        Value of a leaf.
    """

    first: NDArray[np.int64] = field(repr=False)
    left: NDArray[np.int64] = field(repr=False)
    right: NDArray[np.int64] = field(repr=False)
    column: NDArray[np.int64] = field(repr=False)
    threshold: Floats = field(repr=False)
    value: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.first)

    def leaves(self, matrix: Floats) -> NDArray[np.int64]:
        """Leaf of every row in every tree, shape (n, n_trees)."""
        # The trees of scikit-learn compare in single precision.
        columns = np.ascontiguousarray(matrix, dtype=np.float32)
        node = np.tile(self.first, (len(columns), 1))
        while True:
            inside = self.left[node] >= 0
            if not inside.any():
                return node
            row, tree = np.nonzero(inside)
            at = node[row, tree]
            lower = columns[row, self.column[at]] <= self.threshold[at]
            node[row, tree] = np.where(lower, self.left[at], self.right[at])

    def mean(self, matrix: Floats) -> Floats:
        """Mean of the values over the trees, shape (n, n_values)."""
        return self._by_rows(
            matrix, lambda node: self.value[node].mean(axis=1), self.value.shape[1]
        )

    def sums(self, matrix: Floats, counts: NDArray[np.int64]) -> Floats:
        """Sum of the first value over the first trees, shape (n, len(counts))."""
        places = np.asarray(counts) - 1

        def add(node: NDArray[np.int64]) -> Floats:
            found: Floats = np.cumsum(self.value[node, 0], axis=1)[:, places]
            return found

        return self._by_rows(matrix, add, len(places))

    def _by_rows(
        self, matrix: Floats, found: Callable[[NDArray[np.int64]], Floats], width: int
    ) -> Floats:
        step = max(1, _AT_ONCE // max(len(self), 1))
        parts = [
            found(self.leaves(matrix[start : start + step]))
            for start in range(0, len(matrix), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, width))

    def keep(self, count: int) -> Trees:
        """The first trees."""
        if count >= len(self):
            return self
        end = int(self.first[count])
        return Trees(
            first=self.first[:count],
            left=self.left[:end],
            right=self.right[:end],
            column=self.column[:end],
            threshold=self.threshold[:end],
            value=self.value[:end],
        )

    @property
    def columns_used(self) -> frozenset[int]:
        """Columns in which any tree is split."""
        return frozenset(int(one) for one in np.unique(self.column[self.left >= 0]))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Arrays to save, by attribute."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def check(self, n_columns: int) -> None:
        """Refuse arrays that are not trees, which a damaged file could hold.

        Raises
        ------
        ValueError
        """
        n = len(self.left)
        shapes = {len(one) for one in (self.right, self.column, self.threshold, self.value)}
        if shapes != {n} or self.value.ndim != 2 or not len(self.first):
            raise ValueError("the arrays of the trees have different lengths")
        if self.first.min() < 0 or self.first.max() >= n:
            raise ValueError("a root is not a node")
        inside = self.left >= 0
        place = np.arange(n)[inside]
        for child in (self.left[inside], self.right[inside]):
            # A child stands after its parent, so every walk ends.
            if (child <= place).any() or (child >= n).any():
                raise ValueError("a node has an impossible child")
        if (self.column[inside] < 0).any() or (self.column[inside] >= n_columns).any():
            raise ValueError("a node has an impossible column")


_ARRAYS = ("first", "left", "right", "column", "threshold", "value")
