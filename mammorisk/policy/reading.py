"""Reading of the inputs of a policy from the tables of risks and fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.errors import PolicyError
from mammorisk.policy.policy import FieldUse, Quantity
from mammorisk.records.follow_up import as_numbers
from mammorisk.records.follow_up_doubts import read_years
from mammorisk.records.frames import as_frame
from mammorisk.records.match_ids import id_columns, match_ids
from mammorisk.records.questionnaire_fields import blank_to_none, yes_or_no
from mammorisk.records.risk_doubts import doubt_risks

KEYS = ["patient_id", "exam_id"]
#: Plausible ages in years. Ages outside of this range are treated as unknown.
AGES = (0.0, 120.0)
#: A risk from an age applies to women of this age in completed years.
_ONE_YEAR = 1.0


def as_table(data: object) -> pd.DataFrame:
    """Return the table of a cohort or of one prediction, or a table unchanged."""
    table = as_frame(data)
    if table is None:
        table = getattr(data, "exams", None)
    if table is None and callable(to_frame := getattr(data, "to_frame", None)):
        table = to_frame()
    if not isinstance(table, pd.DataFrame):
        raise PolicyError(
            f"a {type(data).__name__} is neither a table nor a cohort",
            remedy="Pass a Cohort, or a table with one row per exam.",
        )
    return table


def beside(risks: pd.DataFrame, data: object) -> pd.DataFrame:
    """Return the rows of a cohort or table in the order of the risks table.

    Rows are matched on ``patient_id`` and ``exam_id`` if both tables have them, else on the index.

    Raises
    ------
    PolicyError
        A key occurs twice in ``data``, no ids match, or there is nothing to match on.
    """
    table = as_table(data)
    keys = [key for key in KEYS if key in risks.columns and key in table.columns]
    if keys:
        wanted, ids = id_columns(risks, keys), id_columns(table, keys)
        known = ids.notna().all(axis=1)
        if (twice := ids[known].duplicated()).any():
            raise PolicyError(
                f"{int(twice.sum())} rows have a {' and '.join(keys)} that occurs before",
                remedy="Give one row per exam, with exam_id in both tables.",
            )
        match = match_ids(wanted, ids, names=("risks", "other table"))
        if match.problem is not None:
            raise PolicyError(match.problem, where="cohort", remedy=match.remedy)
        text = table.drop(columns=keys).join(ids)[known.to_numpy()]
        found = wanted.merge(text, on=keys, how="left")
        return found.set_axis(risks.index, axis=0)
    if table.index.is_unique and risks.index.isin(table.index).all():
        return table.loc[risks.index]
    raise PolicyError(
        "the risks and the other table have no key in common",
        remedy="Keep patient_id and exam_id in both tables, or the same index.",
    )


def column(name: str, risks: pd.DataFrame, other: pd.DataFrame | None) -> pd.Series | None:
    """Return a field from the other table, completed from the risks. None if both lack it."""
    found = [table[name] for table in (other, risks) if table is not None and name in table.columns]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    return found[0].where(found[0].notna(), found[1])


def numbers(values: pd.Series, name: str) -> NDArray[np.floating]:
    """Return a column as floats, with NaN for missing values. Single precision is kept.

    Raises
    ------
    PolicyError
        The column contains text that is not a number.
    """
    if values.dtype == np.float32:
        return values.to_numpy()
    found, wrong = as_numbers(read_years(values))
    if wrong.any():
        raise PolicyError(
            "the column contains values that are not numbers",
            where=name,
            remedy="Leave unknown cells empty.",
        )
    return found


def ages(risks: pd.DataFrame, other: pd.DataFrame | None) -> NDArray[np.floating]:
    """Return the age of each woman in years. NaN if unknown or implausible."""
    values = column("age", risks, other)
    if values is None:
        return np.full(len(risks), np.nan)
    age = numbers(values, "age").astype(float)
    return np.where((age >= AGES[0]) & (age <= AGES[1]), age, np.nan)


def risks_of(
    quantity: Quantity, risks: pd.DataFrame, age: NDArray[np.floating], where: str
) -> NDArray[np.floating]:
    """Return the absolute risk of a quantity. NaN if the row has none.

    Raises
    ------
    PolicyError
        There is no column of that horizon (risks of other horizons are never converted), or values
        are outside [0, 1].
    """
    exact = quantity.column if quantity.scale == "absolute" else quantity.risk_column
    start = quantity.from_age_years
    if exact in risks.columns:
        return fractions(risks[exact], exact)
    if start is not None and quantity.risk_column in risks.columns:
        values = fractions(risks[quantity.risk_column], quantity.risk_column)
        return np.where((age >= start) & (age < start + _ONE_YEAR), values, np.nan)
    have = [name for name in risks.columns if str(name).startswith("risk_")]
    years = quantity.horizon_years
    horizon = '"lifetime"' if years == "lifetime" else f"{years:g}"
    if start is None:
        how = f"Predict with horizons=({horizon},)"
    else:
        how = (
            "Pass the model of the risks (model=, on the command line --model), or predict with "
            f"horizons=({horizon},) at age {start:g} and name the column {exact}"
        )
    remedy = f"{how}; a risk is never converted to another horizon."
    raise PolicyError(
        f"the policy needs the {quantity.words} (column {exact}); "
        f"the table has {', '.join(have) or 'no risks'}",
        where=where,
        remedy=remedy,
    )


def fractions(values: pd.Series, name: str) -> NDArray[np.floating]:
    """Return a column of risks or ranks, each in [0, 1] or NaN.

    Raises
    ------
    PolicyError
        A value is outside [0, 1]. Percent read as fractions would put every woman in the top group.
    """
    found = numbers(values, name)
    wrong = (found < 0) | (found > 1)
    if wrong.any():
        raise PolicyError(
            f"{int(wrong.sum())} values lie outside 0 to 1",
            where=name,
            remedy="Risks are fractions: 1.7% is 0.017.",
        )
    return found


def doubts(
    risks: pd.DataFrame, other: pd.DataFrame | None, quantities: Iterable[Quantity]
) -> list[str]:
    """Return doubts about the absolute risks that a policy uses, such as percent below 1."""
    age = ages(risks, other).astype(np.float64)
    found = []
    for quantity in quantities:
        years, name = quantity.horizon_years, quantity.risk_column
        if quantity.scale == "absolute" and years != "lifetime" and name in risks.columns:
            values = fractions(risks[name], name).astype(np.float64)
            if (text := doubt_risks(values, float(years), age)) is not None:
                found.append(text)
    return list(dict.fromkeys(found))


def level_cells(values: pd.Series | None, use: FieldUse, name: str, n: int) -> NDArray[np.intp]:
    """Return the position of each value among the levels of a field. -1 if unknown.

    Raises
    ------
    PolicyError
        A value is not a level of the field.
    """
    if values is None:
        return np.full(n, -1)
    codes, found = pd.factorize(values)
    places = np.array([_place(value, use.levels) for value in found] + [-1], dtype=np.intp)
    wrong = places[codes] == _NO_LEVEL
    if wrong.any():
        raise PolicyError(
            f"{int(wrong.sum())} values are not among {', '.join(map(str, use.levels))}",
            where=name,
            remedy="Leave unknown cells empty.",
        )
    return places[codes]


_NO_LEVEL = -2


def _place(value: Any, levels: list[bool | str]) -> int:
    """Return the position of a value among the levels: -1 unknown, ``_NO_LEVEL`` not a level."""
    if blank_to_none(value) is None and "unknown" not in levels:
        return -1
    text = str(value).strip().lower().replace(" ", "_")
    if isinstance(levels[0], bool):
        answer = yes_or_no(text)
        return _NO_LEVEL if answer is None else levels.index(answer)
    for position, level in enumerate(levels):
        if text == str(level).lower():
            return position
    return -1 if blank_to_none(value) is None else _NO_LEVEL
