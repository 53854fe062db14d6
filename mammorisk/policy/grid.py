"""Grid: all combinations of values that a policy distinguishes, each with its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.errors import PolicyError

#: Group or rule that is unmatched, or cannot be determined from the known values.
UNDETERMINED = -1
#: Maximum number of combinations of a policy.
MAX_CELLS = 500_000


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Lookup table of a policy.

    Attributes
    ----------
    axes : tuple of Axis
    group, rule : ndarray of int
        One dimension per axis, with one entry more than the axis has cells. The last entry is
        "not known": it is the group (rule) that all cells share, else ``UNDETERMINED``. Group
        ``n_groups`` is "excluded". Rules from ``n_rules`` on are the exclusions in order.
    n_groups, n_rules : int
    """

    axes: tuple[Axis, ...]
    group: NDArray[np.int16]
    rule: NDArray[np.int16]
    n_groups: int
    n_rules: int

    def find(
        self, cells: Mapping[str, NDArray[np.intp]]
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Return group and rule for the given cells on each axis (-1 = not known)."""
        place = tuple(cells[axis.name] for axis in self.axes)
        return self.group[place], self.rule[place]


@dataclass(frozen=True)
class Axis:
    """One input of a policy: a number divided into ``[low, high)``, or a field with levels."""

    name: str
    cuts: NDArray[np.float64] | None = None
    levels: tuple[bool | str, ...] | None = None

    @property
    def size(self) -> int:
        if self.levels is not None:
            return len(self.levels)
        assert self.cuts is not None
        return len(self.cuts) + 1

    def locate(self, values: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the cell of each number, -1 for NaN. A cut point belongs to the cell above it.

        Single-precision values are compared with cut points in single precision. Otherwise 0.0167
        as float32 would lie below 0.0167.
        """
        assert self.cuts is not None
        cuts = self.cuts.astype(values.dtype)
        return np.where(np.isnan(values), -1, np.searchsorted(cuts, values, side="right"))

    def meets(self, wanted: Any) -> NDArray[np.bool_]:
        """Return which cells satisfy a condition."""
        if self.levels is not None:
            asked = wanted if isinstance(wanted, (list, tuple)) else [wanted]
            return np.array([level in asked for level in self.levels])
        assert self.cuts is not None
        starts = np.concatenate([[-np.inf], self.cuts])
        low = -np.inf if wanted[0] is None else wanted[0]
        high = np.inf if wanted[1] is None else wanted[1]
        return (starts >= low) & (starts < high)

    def describe(self, cell: int) -> str:
        """Return the text of a cell for an error message."""
        if self.levels is not None:
            return f"{self.name} {self.levels[cell]}"
        assert self.cuts is not None
        if len(self.cuts) == 0:
            return f"any {self.name}"
        if cell == 0:
            return f"{self.name} < {self.cuts[0]:g}"
        above = f"{self.name} >= {self.cuts[cell - 1]:g}"
        return above if cell == len(self.cuts) else f"{above} and < {self.cuts[cell]:g}"


def build_grid(
    axes: tuple[Axis, ...],
    *,
    exclusions: Sequence[Mapping[str, Any]],
    rules: Sequence[tuple[Mapping[str, Any], int]],
    where: str,
) -> Grid:
    """Build the grid of a policy, and check that its rules cover every combination once.

    Parameters
    ----------
    axes : tuple of Axis
    exclusions : sequence of conditions
        The first that applies is the reason.
    rules : sequence of (condition, group number)
    where : str
        Name of the policy, for errors.

    Returns
    -------
    Grid

    Raises
    ------
    PolicyError
        A combination that is not excluded meets no rule, or more than one.
    """
    shape = tuple(axis.size for axis in axes)
    if prod(shape) > MAX_CELLS:
        raise PolicyError(
            f"the policy distinguishes {prod(shape)} combinations",
            where=where,
            remedy=f"Use fewer cut points or fields: {MAX_CELLS} combinations at most.",
        )
    n_groups = 1 + max(group for _, group in rules)
    hits = np.zeros(shape, dtype=np.int16)
    group = np.full(shape, UNDETERMINED, dtype=np.int16)
    rule = np.full(shape, UNDETERMINED, dtype=np.int16)
    for number, (condition, target) in enumerate(rules):
        inside = _inside(axes, condition)
        hits += inside
        group[inside], rule[inside] = target, number
    for number in reversed(range(len(exclusions))):
        outside = _inside(axes, exclusions[number])
        hits[outside] = 1
        group[outside], rule[outside] = n_groups, len(rules) + number
    if not (hits == 1).all():
        cell = tuple(np.argwhere(hits != 1)[0])
        example = ", ".join(axis.describe(int(i)) for axis, i in zip(axes, cell, strict=True))
        problem = "no rule" if hits[cell] == 0 else f"{hits[cell]} rules"
        raise PolicyError(
            f"the rules do not partition: {problem} for {example or 'any woman'}",
            where=where,
            remedy="Change the conditions so that every woman meets exactly one rule.",
        )
    return Grid(
        axes=axes,
        group=_with_unknown(group),
        rule=_with_unknown(rule),
        n_groups=n_groups,
        n_rules=len(rules),
    )


def _inside(axes: tuple[Axis, ...], condition: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the cells that satisfy every part of a condition."""
    inside = np.ones(tuple(axis.size for axis in axes), dtype=bool)
    for position, axis in enumerate(axes):
        if axis.name in condition:
            shape = [1] * len(axes)
            shape[position] = axis.size
            inside = inside & axis.meets(condition[axis.name]).reshape(shape)
    return inside


def _with_unknown(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """Append "not known" to every axis: the common value of all its cells, or undetermined."""
    for position in range(values.ndim):
        first = values.take([0], axis=position)
        same = (values == first).all(axis=position, keepdims=True)
        shared = np.where(same, first, UNDETERMINED).astype(np.int16)
        values = np.concatenate([values, shared], axis=position)
    return values
