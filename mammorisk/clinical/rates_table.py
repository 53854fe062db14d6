"""read_rates(): a table of incidence and mortality by age as Rates.

Nothing is guessed. The unit, the kind of the numbers and the deaths that are counted must be
stated, by an argument or by a column of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.clinical.rates import EVERYONE, UNSTATED, Deaths, Rates
from mammorisk.clinical.rates_checks import doubt_rates
from mammorisk.errors import RatesError
from mammorisk.records.frames import as_frame

if TYPE_CHECKING:
    import pandas as pd

#: Kind of the numbers: a rate per person-year, or the probability over a year or over the band.
Kind = Literal["hazard", "probability per year", "probability per band"]

_FEMALE = {"f", "female", "females", "woman", "women"}
_MALE = {"m", "male", "males", "man", "men", "all", "both", "persons", "total"}
_NUMBERS = ("incidence", "mortality", "breast_cancer_mortality")
_TEXTS = ("name", "source", "years", "licence", "rest")
_STATED = ("per", "kind", "deaths", "mortality_per", "mortality_kind", *_TEXTS)
_AGES = ("age", "age_from", "age_to")
_COLUMNS = (*_AGES, "sex", "group", *_NUMBERS, *_STATED)
#: Age at which an open last band ends; the formulas of the models end there.
OPEN_BAND_ENDS = 90
_BAND = re.compile(r"[\[(]?\s*(\d+)\s*(?:-|\u2013|\u2014|to|,)\s*(\d+)\s*(\)?)\]?", re.IGNORECASE)
_OPEN = re.compile(
    r"(?:>=|\u2265)?\s*(\d+)\s*(?:\+|(?:years )?(?:and|or) (?:over|above|older|more)|plus)?",
    re.IGNORECASE,
)
_UNDER = re.compile(r"(?:<|under)\s*(\d+)", re.IGNORECASE)
_ROWS_NAMED = 5


def read_rates(
    table: str | Path | pd.DataFrame,
    *,
    per: float | None = None,
    kind: Kind | None = None,
    deaths: Deaths | None = None,
    mortality_per: float | None = None,
    mortality_kind: Kind | None = None,
    name: str | None = None,
    source: str | None = None,
    years: str | None = None,
    licence: str | None = None,
) -> Rates:
    """Read incidence and mortality by age from a table.

    Parameters
    ----------
    table : path or DataFrame
        One row per age (or band of ages) and group. Columns:

        ``age``
            A completed year (``50``), a band (``50-54``, ``[50,55)``) or an open band (``85+``).
            Or ``age_from`` and ``age_to``.
        ``incidence``, ``mortality``
            Of invasive breast cancer, and of death.
        ``breast_cancer_mortality``, optional
            Deaths from breast cancer. They are subtracted from a mortality of all causes.
        ``sex``, optional
            Rows of men or of both sexes are left out.
        ``group``, optional
            Values of ``Questionnaire.race_ethnicity``. ``all`` or an empty cell stands for every
            other woman.

        Columns named like the arguments below have the same meaning. Every row then has the same
        value.
    per : float
        Number of women (and years) to whom the numbers refer, such as 1 or 100,000.
    kind : {"hazard", "probability per year", "probability per band"}
        ``"hazard"`` is a rate per person-year: cases or deaths by population. Probabilities are
        those of a life table, over one year or over the band of the row.
    deaths : {"other causes", "all causes"}
        Deaths that ``mortality`` counts: all but those from breast cancer, or all.
    mortality_per, mortality_kind : optional
        For the mortality, if they differ from ``per`` and ``kind``.
    name : str, optional
        Short name, repeated by every result. The name of the file by default.
    source, years, licence : str, optional
        Origin of the numbers.

    Returns
    -------
    Rates
        Hazards per woman and completed year of age. ``doubts`` lists what is implausible.

    Raises
    ------
    RatesError
        The unit, kind or deaths are not stated or contradict the table; a column is missing or
        unknown; ages are not in ascending order, overlap or have gaps; the table is of men; a value
        is missing between others, negative, or impossible in the stated unit.
    ManifestError
        The file cannot be read.

    See Also
    --------
    mammorisk.rates : Lists the sets in the package.
    mammorisk.clinical.Rates : The result.
    mammorisk.load_model : Takes rates as an option of a model.

    Notes
    -----
    A rate applies to every year of its band. A probability :math:`p` over :math:`n` years becomes
    the hazard :math:`-\\log(1-p)/n`. An open last band ends at 90. Incidence and mortality may
    cover different ages; a model gives risks at ages where both are known. Missing values at the
    ends of the table narrow these ages; missing values between others are refused.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> table = pd.DataFrame(
    ...     {
    ...         "age": ["40-49", "50-59", "60-69", "70-79"],
    ...         "incidence": [150, 270, 350, 320],
    ...         "mortality": [120, 320, 800, 2300],
    ...     }
    ... )
    >>> rates = mr.read_rates(
    ...     table, per=100_000, kind="hazard", deaths="other causes", name="invented"
    ... )
    >>> rates
    <Rates invented: ages 40 to 80, one group>
      source: not stated
      licence: not stated
    >>> model = mr.load_model("bcrat", rates=rates)
    >>> women = pd.DataFrame({"age": [55], "race_ethnicity": "white"})
    >>> scores = model.score(women, (5,))
    >>> round(float(scores.risk.iloc[0, 0]), 4)
    0.0077
    >>> scores.warnings.iloc[0][-1].text
    'rates of invented'
    """
    frame, found = _frame(table)
    given = {
        "per": per,
        "kind": kind,
        "deaths": deaths,
        "mortality_per": mortality_per,
        "mortality_kind": mortality_kind,
        "name": name,
        "source": source,
        "years": years,
        "licence": licence,
        "rest": None,
    }
    stated = {key: _statement(frame, key, value) for key, value in given.items()}
    units = _units(stated)
    frame = _women(frame)
    ages = _ages(frame)
    groups = _groups(frame)
    names = tuple(dict.fromkeys(groups))
    deaths_counted = stated["deaths"]
    parts = {}
    for group in names:
        rows = np.flatnonzero(groups == group)
        bands = _checked_bands(ages[rows], rows, group)
        parts[group] = {
            column: _by_year(frame[column].iloc[rows], bands, *units[column], column, rows)
            for column in _NUMBERS
            if column in frame.columns
        }
        if "breast_cancer_mortality" in parts[group]:
            parts[group]["mortality"] = _other_causes(parts[group], deaths_counted)
    if "breast_cancer_mortality" in frame.columns:
        deaths_counted = "other causes"
    incidence_from, incidence = _joined(parts, "incidence")
    mortality_from, mortality = _joined(parts, "mortality")
    made = {
        "name": stated["name"] or found,
        "incidence": incidence,
        "mortality": mortality,
        "incidence_from": incidence_from,
        "mortality_from": mortality_from,
        "groups": names,
        "deaths": deaths_counted,
        "source": stated["source"] or UNSTATED,
        "years": stated["years"] or UNSTATED,
        "licence": stated["licence"] or UNSTATED,
    }
    if stated["rest"]:
        made["rest"] = stated["rest"]
    return Rates(**made, doubts=doubt_rates(Rates(**made)))


def _frame(table: object) -> tuple[pd.DataFrame, str]:
    """The table and the name of its file; columns in lower case without blanks."""
    if isinstance(table, (str, Path)):
        from mammorisk.io.table_files import read_table_file

        path = Path(table)
        if not path.is_file():
            raise RatesError(
                "there is no such file",
                where=path.name,
                remedy="Pass a CSV; mr.rates() lists the sets that load_model knows by name.",
            )
        frame, name = read_table_file(path, ("age", "group")).table, path.stem
    else:
        found = as_frame(table)
        if found is None:
            raise RatesError(
                f"a {type(table).__name__} is no table of rates",
                remedy="Pass a path or a DataFrame.",
            )
        frame, name = found.reset_index(drop=True), "own rates"
    frame = frame.rename(columns={one: _plain(one) for one in frame.columns})
    if len(set(frame.columns)) < len(frame.columns):
        raise RatesError("a column appears twice", where=name)
    if unknown := [str(one) for one in frame.columns if one not in _COLUMNS]:
        raise RatesError(
            f"columns that are not read: {', '.join(unknown)}",
            where=name,
            remedy=f"Leave them out, or rename them. Known: {', '.join(_COLUMNS)}.",
        )
    if missing := [one for one in ("incidence", "mortality") if one not in frame.columns]:
        raise RatesError(f"there is no column {' or '.join(missing)}", where=name)
    if len(frame) == 0:
        raise RatesError("the table has no rows", where=name)
    return frame, name


def _plain(name: object) -> str:
    return re.sub(r"[\s.-]+", "_", str(name).strip().lower())


def _statement(frame: pd.DataFrame, key: str, value: Any) -> Any:
    """What the argument or the column states; None if neither does."""
    if key not in frame.columns:
        return value
    told = frame[key].dropna().unique().tolist()
    if len(told) > 1:
        raise RatesError(f"the column {key} has several values", where=key)
    if not told:
        return value
    own = float(told[0]) if key.endswith("per") and _is_number(told[0]) else str(told[0]).strip()
    if value is not None and value != own:
        raise RatesError(
            f"the table states {own!r}, the argument {value!r}", where=key, remedy="Leave one out."
        )
    return own


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _units(stated: dict[str, Any]) -> dict[str, tuple[float, Kind]]:
    """Unit and kind by column of numbers."""
    remedies = {
        "per": "Pass per=100_000 for cases per 100,000 women and year, or per=1.",
        "kind": 'Pass kind="hazard" for cases by population, or kind="probability per year" or '
        '"probability per band" for those of a life table.',
        "deaths": 'Pass deaths="other causes" if deaths from breast cancer are not in mortality, '
        'else deaths="all causes".',
    }
    for key, remedy in remedies.items():
        if stated[key] is None:
            raise RatesError(f"{key} is not stated", where=key, remedy=remedy)
    for key, allowed in (
        ("kind", get_args(Kind)),
        ("mortality_kind", get_args(Kind)),
        ("deaths", get_args(Deaths)),
    ):
        if stated[key] is not None and stated[key] not in allowed:
            raise RatesError(
                f"{stated[key]!r} is not known", where=key, remedy=f"One of: {', '.join(allowed)}."
            )
    for key in ("per", "mortality_per"):
        value = stated[key]
        if value is not None and not (_is_number(value) and 0 < float(value) < np.inf):
            raise RatesError(f"{value!r} is no number of women", where=key)
    unit = (float(stated["per"]), stated["kind"])
    deaths = (
        float(stated["mortality_per"] or stated["per"]),
        stated["mortality_kind"] or stated["kind"],
    )
    return {"incidence": unit, "mortality": deaths, "breast_cancer_mortality": deaths}


def _women(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of women; all rows of a table without a column of sex."""
    if "sex" not in frame.columns:
        return frame
    told = frame["sex"].astype(str).str.strip().str.lower()
    if unknown := sorted(set(told) - _FEMALE - _MALE):
        raise RatesError(
            f"{unknown[0]!r} is no sex", where="sex", remedy="Write female or male, not a code."
        )
    women = told.isin(_FEMALE)
    if not women.any():
        raise RatesError("the table has no rows of women", where="sex")
    return frame[women.to_numpy()].reset_index(drop=True)


def _ages(frame: pd.DataFrame) -> Floats:
    """First and last completed year of each row, shape (n, 2)."""
    if {"age_from", "age_to"} <= set(frame.columns):
        ends = [_bounds(a, b) for a, b in zip(frame["age_from"], frame["age_to"], strict=True)]
    elif "age" in frame.columns:
        ends = [_band(value) for value in frame["age"]]
    else:
        raise RatesError(
            "there is no column age", where="age", remedy="Or give age_from and age_to."
        )
    wrong = [i for i, one in enumerate(ends) if one is None]
    if wrong:
        column = "age" if "age" in frame.columns else "age_from"
        value = frame[column].iloc[wrong[0]]
        raise RatesError(
            f"{value!r} is no age or band of ages (row {wrong[0] + 1})",
            where=column,
            remedy="Write 50, 50-54 or 85+.",
        )
    bands = np.array(ends, dtype=float)
    # In a table of bands that end where the next begins (20-25, 25-30), the end is exclusive.
    touching = (bands[1:, 0] == bands[:-1, 1]) & (bands[1:, 0] > bands[:-1, 0])
    closed = bands[:, 1] > bands[:, 0]
    rising = bands[1:, 0] > bands[:-1, 0]
    if rising.any() and closed[:-1][rising].all() and touching[rising].all():
        bands[closed, 1] -= 1
    return bands


def _bounds(first: object, last: object) -> tuple[float, float] | None:
    if not (_is_number(first) and _is_number(last)):
        return None
    low, high = float(str(first)), float(str(last))
    return (low, high) if low.is_integer() and high.is_integer() and 0 <= low <= high else None


def _band(value: object) -> tuple[float, float] | None:
    if isinstance(value, (int, float, np.number)):
        return (float(value), float(value)) if float(value).is_integer() else None
    text = re.sub(r"\s*(?:years?|yrs?)$", "", str(value).strip(), flags=re.IGNORECASE)
    if (found := _BAND.fullmatch(text)) is not None:
        low, high = float(found.group(1)), float(found.group(2))
        high -= found.group(3) == ")"
        return (low, high) if low <= high else None
    if (found := _UNDER.fullmatch(text)) is not None and float(found.group(1)) > 0:
        return 0.0, float(found.group(1)) - 1
    if (found := _OPEN.fullmatch(text)) is not None:
        low = float(found.group(1))
        if text == found.group(1):
            return low, low
        return (low, OPEN_BAND_ENDS - 1) if low < OPEN_BAND_ENDS else None
    return None


def _groups(frame: pd.DataFrame) -> NDArray[np.object_]:
    if "group" not in frame.columns:
        return np.full(len(frame), EVERYONE, dtype=object)
    text = frame["group"].astype(object).where(frame["group"].notna(), EVERYONE)
    plain = text.map(lambda one: _plain(one) or EVERYONE)
    return plain.to_numpy(dtype=object)


def _checked_bands(bands: Floats, rows: NDArray[np.int64], group: str) -> Floats:
    """Refuse ages that do not ascend, overlap or leave gaps."""
    where = "age" if group == EVERYONE else f"age, group {group}"
    for i in range(1, len(bands)):
        before, now = bands[i - 1], bands[i]
        told = f"{_text(before)} and {_text(now)} (rows {rows[i - 1] + 1} and {rows[i] + 1})"
        if now[0] < before[0]:
            raise RatesError(
                f"ages do not ascend: {told}", where=where, remedy="Sort the table by age."
            )
        if now[0] <= before[1]:
            raise RatesError(f"ages overlap: {told}", where=where)
        if now[0] > before[1] + 1:
            raise RatesError(
                f"there is a gap between {told}",
                where=where,
                remedy="Give bands as 20-24 if a row stands for several years.",
            )
    return bands


def _text(band: Iterable[float]) -> str:
    low, high = band
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def _by_year(
    column: pd.Series,
    bands: Floats,
    per: float,
    kind: Kind,
    name: str,
    rows: NDArray[np.int64],
) -> tuple[int, Floats]:
    """First age and hazards by year; missing rows at both ends are left out."""
    import pandas as pd

    text = column.astype(object).map(lambda one: one.strip() if isinstance(one, str) else one)
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float)
    unreadable = np.isnan(values) & text.notna().to_numpy() & (text != "").to_numpy()
    if unreadable.any():
        first = int(np.argmax(unreadable))
        raise RatesError(f"{text.iloc[first]!r} is no number (row {rows[first] + 1})", where=name)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise RatesError("no row has a value", where=name)
    inner = slice(known[0], known[-1] + 1)
    if np.isnan(values[inner]).any():
        missing = rows[inner][np.isnan(values[inner])][:_ROWS_NAMED] + 1
        raise RatesError(
            f"values are missing between others: row {', '.join(map(str, missing))}", where=name
        )
    numbers, ages = values[inner] / per, bands[inner]
    length = ages[:, 1] - ages[:, 0] + 1
    if (numbers < 0).any():
        raise RatesError(
            f"a value is negative (row {rows[inner][int(np.argmax(numbers < 0))] + 1})", where=name
        )
    if kind != "hazard":
        if (numbers >= 1).any():
            raise RatesError(
                f"a probability is {numbers.max():g} in the stated unit, not below 1",
                where=name,
                remedy='Check per; rates per 100,000 women and year are kind="hazard".',
            )
        numbers = -np.log1p(-numbers)
        if kind == "probability per band":
            numbers = numbers / length
    return int(ages[0, 0]), np.repeat(numbers, length.astype(int))


def _other_causes(part: dict[str, tuple[int, Floats]], deaths: str) -> tuple[int, Floats]:
    """Mortality less that of breast cancer, over the ages of both."""
    if deaths != "all causes":
        raise RatesError(
            "breast_cancer_mortality is subtracted from a mortality of all causes, and this one is "
            f"of {deaths}",
            where="deaths",
            remedy="Leave the column out.",
        )
    (all_from, everything), (own_from, own) = part["mortality"], part["breast_cancer_mortality"]
    low = max(all_from, own_from)
    high = min(all_from + len(everything), own_from + len(own))
    left = everything[low - all_from : high - all_from] - own[low - own_from : high - own_from]
    if high <= low or (left < 0).any():
        raise RatesError(
            "mortality of all causes is below that of breast cancer, or has no age in common",
            where="breast_cancer_mortality",
        )
    return low, left


def _joined(
    parts: dict[str, dict[str, tuple[int, Floats]]], column: str
) -> tuple[int, tuple[tuple[float, ...], ...]]:
    """First age and rows of all groups, over the ages that all of them have."""
    found = [part[column] for part in parts.values()]
    low = max(first for first, _ in found)
    high = min(first + len(values) for first, values in found)
    if high <= low:
        raise RatesError("the groups have no age in common", where=column)
    return low, tuple(
        tuple(float(value) for value in values[low - first : high - first])
        for first, values in found
    )
