"""Reading what a policy needs from the risks table and the tables beside it."""

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
from mammorisk.records.questionnaire_fields import blank_to_none
from mammorisk.records.risk_doubts import doubt_risks

KEYS = ["patient_id", "exam_id"]
_YES = {"1", "1.0", "true", "yes", "y"}
_NO = {"0", "0.0", "false", "no", "n"}
#: Ages outside are mistakes, and treated as not known, years.
AGES = (0.0, 120.0)
#: A woman of this age in completed years has her present risk as the risk from that age.
_ONE_YEAR = 1.0


def as_table(data: object) -> pd.DataFrame:
    """The table of a cohort (its ``exams``), or a table as it is."""
    table = as_frame(data)
    if table is None:
        table = getattr(data, "exams", None)
    if not isinstance(table, pd.DataFrame):
        raise PolicyError(
            f"a {type(data).__name__} is neither a table nor a cohort",
            remedy="Pass a Cohort, or a table with one row an exam.",
        )
    return table


def beside(risks: pd.DataFrame, data: object) -> pd.DataFrame:
    """Rows of a cohort or table in the order of the risks table.

    Matched on ``patient_id`` and ``exam_id`` where both tables have them, else on the index.

    Raises
    ------
    PolicyError
        A key occurs twice in ``data``, the ids do not meet, or there is nothing to match on.
    """
    table = as_table(data)
    keys = [key for key in KEYS if key in risks.columns and key in table.columns]
    if keys:
        wanted, ids = id_columns(risks, keys), id_columns(table, keys)
        known = ids.notna().all(axis=1)
        if (twice := ids[known].duplicated()).any():
            raise PolicyError(
                f"{int(twice.sum())} rows have a {' and '.join(keys)} that occurs before",
                remedy="Give one row an exam, with exam_id in both tables.",
            )
        match = match_ids(wanted, ids, names=("risks", "table beside them"))
        if match.problem is not None:
            raise PolicyError(match.problem, where="cohort", remedy=match.remedy)
        text = table.drop(columns=keys).join(ids)[known.to_numpy()]
        found = wanted.merge(text, on=keys, how="left")
        return found.set_axis(risks.index, axis=0)
    if table.index.is_unique and risks.index.isin(table.index).all():
        return table.loc[risks.index]
    raise PolicyError(
        "the risks and the table beside them have no key in common",
        remedy="Keep patient_id and exam_id in both, or one index.",
    )


def column(name: str, risks: pd.DataFrame, other: pd.DataFrame | None) -> pd.Series | None:
    """A field: from the table beside, what it lacks from the risks table; None where in neither."""
    found = [table[name] for table in (other, risks) if table is not None and name in table.columns]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    return found[0].where(found[0].notna(), found[1])


def numbers(values: pd.Series, name: str) -> NDArray[np.floating]:
    """A column as floats, NaN where missing; single precision stays single.

    Raises
    ------
    PolicyError
        Text that is not a number.
    """
    if values.dtype == np.float32:
        return values.to_numpy()
    found, wrong = as_numbers(read_years(values))
    if wrong.any():
        raise PolicyError(
            "the column holds values that are not numbers",
            where=name,
            remedy="Leave a cell empty where nothing is known.",
        )
    return found


def ages(risks: pd.DataFrame, other: pd.DataFrame | None) -> NDArray[np.floating]:
    """Age of each woman in years, NaN where not known or not plausible."""
    values = column("age", risks, other)
    if values is None:
        return np.full(len(risks), np.nan)
    age = numbers(values, "age").astype(float)
    return np.where((age >= AGES[0]) & (age <= AGES[1]), age, np.nan)


def risks_of(
    quantity: Quantity, risks: pd.DataFrame, age: NDArray[np.floating], where: str
) -> NDArray[np.floating]:
    """The absolute risk a quantity starts from, NaN where the row has none.

    Raises
    ------
    PolicyError
        No column of that horizon (another horizon is never converted), or values outside [0, 1].
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
    remedy = (
        f"Predict with horizons=({horizon},)"
        f"{'' if start is None else f' at age {start:g} and name the column {exact}'}; "
        "a risk over one horizon is never turned into another."
    )
    raise PolicyError(
        f"the policy needs the {quantity.words} (column {exact}); "
        f"the table has {', '.join(have) or 'no risks'}",
        where=where,
        remedy=remedy,
    )


def fractions(values: pd.Series, name: str) -> NDArray[np.floating]:
    """A column of risks or ranks, each in [0, 1] or NaN.

    Raises
    ------
    PolicyError
        Any value outside: percent taken for fractions would put every woman in the top group.
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
    """What looks wrong with the absolute risks that a policy uses: percent below 1."""
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
    """Position of each value among the levels of a field, -1 where not known.

    Raises
    ------
    PolicyError
        Values that are none of the levels.
    """
    if values is None:
        return np.full(n, -1)
    codes, found = pd.factorize(values)
    places = np.array([_place(value, use.levels) for value in found] + [-1], dtype=np.intp)
    wrong = places[codes] == _NO_LEVEL
    if wrong.any():
        raise PolicyError(
            f"{int(wrong.sum())} values are none of {', '.join(map(str, use.levels))}",
            where=name,
            remedy="Leave a cell empty where it is not known.",
        )
    return places[codes]


_NO_LEVEL = -2


def _place(value: Any, levels: list[bool | str]) -> int:
    """Place of a value among the levels: -1 unknown, ``_NO_LEVEL`` foreign."""
    if blank_to_none(value) is None and "unknown" not in levels:
        return -1
    text = str(value).strip().lower().replace(" ", "_")
    if isinstance(levels[0], bool):
        return levels.index(text in _YES) if text in _YES | _NO else _NO_LEVEL
    for position, level in enumerate(levels):
        if text == str(level).lower():
            return position
    return -1 if blank_to_none(value) is None else _NO_LEVEL
