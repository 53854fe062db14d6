"""Assignment of each woman to a group of a policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.policy.grid import UNDETERMINED, Axis
from mammorisk.policy.policy import Policy, Quantity
from mammorisk.policy.ranks import ranks
from mammorisk.policy.reading import ages, column, fractions, level_cells, risks_of
from mammorisk.policy.refused import refusals


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Groups of the women of a table, with one entry per row.

    Attributes
    ----------
    policy : Policy
    group : ndarray of int
        Position in ``policy.groups``. ``len(policy.groups)`` is "excluded", and -1 is
        "undetermined".
    rule : ndarray of int
        Number of the rule that is met. Exclusions are numbered after the rules. -1 where several
        rules lead to the same group.
    unknown : ndarray of int
        Bit i is set where the i-th axis of the policy's grid matters and is not known.
    assumed : ndarray of int
        Bit i is set where the i-th field of the policy was assumed.
    near : ndarray of bool
        Whether another group lies within the interval of the risk.
    age : ndarray of float
        Years; NaN where unknown.
    refused : ndarray of object
        Reason why no policy applies to the row; None where one may apply.
    without_risk : ndarray of object
        Reason why the row has no risk from a fixed age; None where it is not stated.
    """

    policy: Policy
    group: NDArray[np.int16]
    rule: NDArray[np.int16]
    unknown: NDArray[np.int64]
    assumed: NDArray[np.int64]
    near: NDArray[np.bool_]
    age: NDArray[np.floating]
    refused: NDArray[np.object_]
    without_risk: NDArray[np.object_]

    @property
    def has_group(self) -> NDArray[np.bool_]:
        """Rows to which the policy applies."""
        return (self.group >= 0) & (self.group < len(self.policy.groups))


def assign(
    policy: Policy, risks: pd.DataFrame, other: pd.DataFrame | None, near_margin: float
) -> Assignment:
    """Determine the group of every row.

    Parameters
    ----------
    policy : Policy
    risks : DataFrame
    other : DataFrame or None
        Fields, with the rows of ``risks``.
    near_margin : float
        Relative half-width that is used where the table has no interval of a risk.

    Returns
    -------
    Assignment

    Raises
    ------
    PolicyError
        The table lacks the risk that the policy uses, or has impossible values.
    """
    grid = policy.grid
    axes = {axis.name: axis for axis in grid.axes}
    age = ages(risks, other)
    cells = {"age": axes["age"].locate(age)}
    assumed = np.zeros(len(risks), dtype=np.int64)
    for bit, (name, use) in enumerate(policy.fields.items()):
        found = level_cells(column(name, risks, other), use, name, len(risks))
        if use.assume is not None:
            assumed |= (found < 0).astype(np.int64) << bit
            found = np.where(found < 0, use.levels.index(use.assume), found)
        cells[name] = found
    nowhere = np.full(len(risks), UNDETERMINED, dtype=np.intp)
    eligible = grid.find(cells | dict.fromkeys(policy.quantities, nowhere))[0] != grid.n_groups
    values = {
        name: _values(quantity, risks, age, eligible, policy.id)
        for name, quantity in policy.quantities.items()
    }
    cells |= {name: axes[name].locate(value) for name, value in values.items()}
    group, rule = _settle(policy, cells)
    unknown = np.zeros(len(risks), dtype=np.int64)
    for bit, axis in enumerate(grid.axes):
        if axis.size > 1:
            unknown |= (cells[axis.name] < 0).astype(np.int64) << bit
    near = np.zeros(len(risks), dtype=bool)
    for name, quantity in policy.quantities.items():
        for end in _interval(quantity, values[name], risks, near_margin):
            moved = cells | {name: axes[name].locate(end)}
            near |= _settle(policy, moved)[0] != group
    refused = refusals(risks)
    is_refused = np.array([reason is not None for reason in refused], dtype=bool)
    return Assignment(
        policy=policy,
        group=np.where(is_refused, np.int16(grid.n_groups), group),
        rule=rule,
        unknown=unknown,
        assumed=assumed,
        near=near & ~is_refused,
        age=age,
        refused=refused,
        without_risk=_without_risk(policy, risks),
    )


def _without_risk(policy: Policy, risks: pd.DataFrame) -> NDArray[np.object_]:
    """Return the reasons in the table why rows have no risk that the policy uses."""
    found = np.full(len(risks), None, dtype=object)
    for quantity in policy.quantities.values():
        if quantity.reason_column in risks.columns:
            told = risks[quantity.reason_column]
            found = np.where(told.notna(), told.astype(object), found)
    return found


def _settle(
    policy: Policy, cells: dict[str, NDArray[np.intp]]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return group and rule. A woman without a risk is never in the least intensive group.

    She can be in another group if her risk does not matter, for example as a carrier. But a missing
    risk must not count as a low one, even if the rules of the policy would allow it.
    """
    group, rule = policy.grid.find(cells)
    for name in policy.quantities:
        silent = (cells[name] < 0) & (group == 0)
        group = np.where(silent, np.int16(UNDETERMINED), group)
        rule = np.where(silent, np.int16(UNDETERMINED), rule)
    return group, rule


def _values(
    quantity: Quantity,
    risks: pd.DataFrame,
    age: NDArray[np.floating],
    eligible: NDArray[np.bool_],
    where: str,
) -> NDArray[np.floating]:
    """Return the quantity of each row: a risk, or a rank from the table or among its rows."""
    if quantity.scale == "absolute":
        return risks_of(quantity, risks, age, where)
    if quantity.column in risks.columns:
        return fractions(risks[quantity.column], quantity.column)
    risk = risks_of(quantity, risks, age, where)
    return ranks(risk, eligible, age if quantity.scale == "age_percentile" else None)


def _interval(
    quantity: Quantity, value: NDArray[np.floating], risks: pd.DataFrame, margin: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the limits of the interval of a risk, or of a relative margin if it has none.

    A rank has no interval. Its margin is relative to the share of women above it.
    """
    if quantity.scale != "absolute":
        half = margin * (1 - value)
        return np.maximum(value - half, 0), value + half
    ends = []
    for name, factor in (("lower", 1 - margin), ("upper", 1 + margin)):
        end = value * np.asarray(factor, dtype=value.dtype)
        given = f"{quantity.column}_{name}"
        if given in risks.columns:
            told = fractions(risks[given], given)
            end = np.where(np.isnan(told), end, told).astype(value.dtype)
        ends.append(np.where(np.isnan(value), np.nan, end).astype(value.dtype))
    return np.minimum(ends[0], value), np.maximum(ends[1], value)


def rule_words(policy: Policy, number: int) -> str:
    """Return the conditions of a rule as text, which is the reason for a woman's group."""
    rule = policy.rules[number]
    axes = {axis.name: axis for axis in policy.grid.axes}
    parts = [_condition(policy, axes[name], wanted) for name, wanted in rule.when.items()]
    return "; ".join(part for part in parts if part) or "every woman"


def _condition(policy: Policy, axis: Axis, wanted: object) -> str:
    if axis.levels is not None:
        levels = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        use = policy.fields[axis.name]
        name = axis.name.replace("_", " ")
        if isinstance(levels[0], bool):
            # Assumed values are listed in the cautions.
            return "" if levels == [use.assume] else f"{name}: {'yes' if levels[0] else 'no'}"
        return "" if use.assume in levels else f"{name}: {' or '.join(map(str, levels))}"
    assert isinstance(wanted, (list, tuple))
    low, high = wanted
    percent = axis.name != "age"
    words = policy.quantities[axis.name].words if percent else "age"
    ends = [
        f"{sign} {f'{100 * end:.6g}%' if percent else f'{end:g}'}"
        for sign, end in ((">=", low), ("<", high))
        if end is not None
    ]
    return f"{words} {' and '.join(ends)}"


def unknown_words(policy: Policy, pattern: int) -> list[str]:
    """Return the names of the unknown quantities and fields of a row."""
    words = []
    for bit, axis in enumerate(policy.grid.axes):
        if pattern >> bit & 1:
            quantity = policy.quantities.get(axis.name)
            words.append(quantity.words if quantity else axis.name.replace("_", " "))
    return words
