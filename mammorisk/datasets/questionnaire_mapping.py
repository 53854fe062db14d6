"""map_questionnaire(): conversion of tables with other names, codes and units to answers."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mammorisk.errors import QuestionnaireError
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS
from mammorisk.records.frames import as_frame
from mammorisk.records.questionnaire_fields import FIELDS, is_missing, is_unknown_word

#: Factors by which a value in a unit becomes one in the unit of its field (cm, kg, years, g/day).
#: Alcohol: a US standard drink has 14 g (NIAAA), a UK unit 8 g.
UNITS: dict[str, dict[str, float]] = {
    "height_cm": {"cm": 1, "m": 100, "mm": 0.1, "in": 2.54, "ft": 30.48},
    "weight_kg": {"kg": 1, "g": 0.001, "lb": 0.45359237, "st": 6.35029318},
    "alcohol_g_per_day": {
        "g/day": 1,
        "g/week": 1 / 7,
        "us drinks/day": 14,
        "us drinks/week": 2,
        "uk units/week": 8 / 7,
    },
}
_YEARS: dict[str, float] = {"years": 1, "months": 1 / 12, "weeks": 7 / 365.25, "days": 1 / 365.25}
UNITS |= dict.fromkeys(
    ("age", "age_menarche", "age_menopause", "age_first_birth", "time", "entry"), _YEARS
)
_TARGETS = (*FIELDS, *KEYS, *OUTCOME_COLUMNS)
#: Maximum number of values named in an error.
_VALUES_NAMED = 8


class Source(BaseModel):
    """Where the values of one field come from.

    Attributes
    ----------
    column : str
        Column of the table.
    values : dict or None
        Code -> value of the field. None: values are taken as they are.
    missing : tuple
        Codes that mean "not known".
    unit : str or None
        Unit of the column, if it is not that of the field: cm, m, mm, in or ft; kg, g, lb or st;
        years, months, weeks or days; g/day, g/week, us drinks/day, us drinks/week or
        uk units/week.
    others : {"error", "unknown"}
        Treatment of codes that are neither in ``values`` nor in ``missing``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    values: dict[str, Any] | None = None
    missing: tuple[Any, ...] = ()
    unit: str | None = None
    others: Literal["error", "unknown"] = "error"

    @field_validator("values", mode="before")
    @classmethod
    def _codes_as_text(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {_code(key): value for key, value in values.items()}


class QuestionnaireMapping(BaseModel):
    """Mapping of the columns of a table to Questionnaire fields.

    Attributes
    ----------
    fields : dict of str to tuple of Source
        Sources by field, key or outcome column. If there are several, the first known value is
        used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: dict[str, tuple[Source, ...]] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "fields" in data:
            return data
        found = {}
        for name, source in data.items():
            if name not in _TARGETS:
                raise ValueError(f"{name!r} is no Questionnaire field, key or outcome column")
            sources = source if isinstance(source, (list, tuple)) else [source]
            found[name] = [{"column": one} if isinstance(one, str) else one for one in sources]
            for one in found[name]:
                unit = one.get("unit") if isinstance(one, Mapping) else None
                if unit is not None and unit not in UNITS.get(name, {}):
                    known = ", ".join(UNITS.get(name, {})) or "none"
                    raise ValueError(f"{name}: unit {unit!r} is none of {known}")
        return {"fields": found}


def read_mapping(
    mapping: Mapping[str, Any] | str | Path | QuestionnaireMapping,
) -> QuestionnaireMapping:
    """Read a mapping from a YAML file or a dictionary.

    Raises
    ------
    QuestionnaireError
        The file cannot be read, or an entry of it is wrong; the message names the entry.
    """
    if isinstance(mapping, QuestionnaireMapping):
        return mapping
    where = "mapping"
    if isinstance(mapping, (str, Path)):
        where = Path(mapping).name
        try:
            content = yaml.safe_load(Path(mapping).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise QuestionnaireError(
                f"the mapping cannot be read ({type(error).__name__})", where=where
            ) from None
    else:
        content = mapping
    try:
        return QuestionnaireMapping.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise QuestionnaireError(
            f"{place}: {text}" if place else text,
            where=where,
            remedy="An entry is field: column, or field: {column, values, missing, unit, others}.",
        ) from None


def map_questionnaire(
    frame: object, mapping: Mapping[str, Any] | str | Path, *, keep: bool = True
) -> pd.DataFrame:
    """Convert a table with other names, codes and units to Questionnaire fields.

    Parameters
    ----------
    frame : DataFrame
        One row per woman or exam; tables of polars, pyarrow and DuckDB are also accepted.
    mapping : dict or path
        A dictionary, or a YAML file with the same content, by Questionnaire field (also
        ``patient_id``, ``exam_id``, ``time``, ``event``, ``entry``, ``weight``,
        ``frequency_weight``). An entry is the name of a column, or a dictionary with ``column``
        and any of ``values`` (code -> value), ``missing`` (codes that mean "not known"), ``unit``
        and ``others`` (``"error"`` or ``"unknown"``: treatment of codes that are not listed). For a
        list of entries the first known value is used.
    keep : bool
        Also keep the original columns of the table.

    Returns
    -------
    DataFrame
        Same index. Unknown values are empty.

    Raises
    ------
    QuestionnaireError
        A column is missing, has codes that are not in the mapping, or has text instead of numbers.
        The message names all of them with their counts. Nothing is guessed.

    See Also
    --------
    mammorisk.Questionnaire : The fields, with their units and categories.
    mammorisk.read_cohort : Reads a table whose columns are named after fields already.
    mammorisk.datasets.redcap : Reads an export of REDCap with such a mapping.

    Notes
    -----
    The mapping changes names, codes and units. As for any other table, impossible values are
    detected when the result is used.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> table = pd.DataFrame({"AGE": [54, 61], "HT_IN": [64, 66], "FHX": [1, 9]})
    >>> mapping = {
    ...     "age": "AGE",
    ...     "height_cm": {"column": "HT_IN", "unit": "in"},
    ...     "first_degree_relatives": {"column": "FHX", "values": {0: 0, 1: 1}, "missing": [9]},
    ... }
    >>> mr.map_questionnaire(table, mapping, keep=False)
       age  height_cm  first_degree_relatives
    0   54     162.56                     1.0
    1   61     167.64                     NaN
    """
    table = as_frame(frame)
    if table is None:
        raise QuestionnaireError(f"a {type(frame).__name__} is no table", where="frame")
    wanted = read_mapping(mapping).fields
    absent = sorted(
        {one.column for sources in wanted.values() for one in sources} - set(table.columns)
    )
    if absent:
        raise QuestionnaireError(
            f"the table has no column {', '.join(absent)}",
            where="mapping",
            remedy=f"Its columns are {', '.join(map(str, table.columns[:20]))}.",
        )
    problems: list[str] = []
    found: dict[str, pd.Series] = {}
    for field, sources in wanted.items():
        column: pd.Series | None = None
        for source in sources:
            values = _read(table[source.column], field, source, problems)
            column = values if column is None else column.where(column.notna(), values)
        if column is not None:
            found[field] = column.infer_objects()
    if problems:
        raise QuestionnaireError(
            "; ".join(problems),
            where="mapping",
            remedy='List these codes under values or missing, or write others: "unknown".',
        )
    mapped = pd.DataFrame(found, index=table.index)
    rest = [name for name in table.columns if name not in found] if keep else []
    return pd.concat([mapped, table[rest]], axis=1)


def _read(column: pd.Series, field: str, source: Source, problems: list[str]) -> pd.Series:
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    missing = {_code(one) for one in source.missing}
    meanings: list[Any] = []
    unknown: dict[str, int] = {}
    factor = None if source.unit is None else UNITS[field][source.unit]
    for i, value in enumerate(uniques):
        code = _code(value)
        if is_missing(value) or code in missing or is_unknown_word(code):
            meanings.append(None)
        elif source.values is not None:
            if code not in source.values and source.others == "error":
                unknown[code] = int((codes == i).sum())
            meanings.append(source.values.get(code))
        elif factor is not None:
            number = _number(code)
            if number is None and source.others == "error":
                unknown[code] = int((codes == i).sum())
            meanings.append(None if number is None else number * factor)
        else:
            meanings.append(value)
    if unknown:
        named = [f"{code!r} in {n:,} rows" for code, n in list(unknown.items())[:_VALUES_NAMED]]
        more = f" and {len(unknown) - len(named)} more" if len(unknown) > len(named) else ""
        problems.append(f"{source.column} ({field}) has {', '.join(named)}{more}")
    lookup = np.empty(len(meanings) + 1, dtype=object)
    lookup[:-1] = meanings
    lookup[-1] = None
    return pd.Series(lookup[codes], index=column.index, dtype=object)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _code(value: Any) -> str:
    """A code as text: 1, 1.0, "1" and "1.0" are one code, and so are "Yes" and " yes"."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, Real):
        number = float(value)
        return str(int(number)) if number.is_integer() else str(number)
    text = str(value).strip().lower()
    number_of = _number(text) if text[:1] in "+-0123456789." and text else None
    # 007 is another code than 7.
    plain = number_of is not None and (text[:1] != "0" or text[:2] in ("0", "0."))
    if plain and number_of is not None and number_of.is_integer() and "e" not in text:
        return str(int(number_of))
    return text
