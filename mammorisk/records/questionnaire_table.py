"""check_frame(): check many questionnaires, with the same rules as for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mammorisk.errors import QuestionnaireError
from mammorisk.records.questionnaire_fields import (
    BOOLEANS,
    CATEGORIES,
    FIELDS,
    MISSING_CODES,
    NUMBERS,
    code_text,
    is_missing,
    other_units,
    range_text,
    read_ages,
    read_category,
    read_number,
    read_yes_no,
)

if TYPE_CHECKING:
    import pandas as pd

#: Largest accepted difference between a stated BMI and that from height and weight, kg/m2.
BMI_TOLERANCE = 0.5
POUND_KG = 0.45359237


def check_frame(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Check a table of questionnaires and convert its columns.

    Parameters
    ----------
    frame : DataFrame
        Columns are Questionnaire fields; only ``age`` is required. Other columns are ignored.

    Returns
    -------
    clean : DataFrame
        Same index; numbers and booleans as float64 (NaN = unknown), categories as pandas
        Categorical, onset ages as tuples (None = unknown). Only the fields given, plus ``bmi``
        where it can be derived.
    problems : Series of tuple of str
        Faults of each row with the names of the fields. Empty if there are none.

    Raises
    ------
    QuestionnaireError
        There is no ``age`` column, or a column appears twice.
    """
    import numpy as np
    import pandas as pd

    if "age" not in frame.columns:
        raise QuestionnaireError(
            "the table has no column age",
            remedy="Name the columns after Questionnaire fields; age is the only required one.",
        )
    given = [name for name in frame.columns if name in FIELDS]
    if len(set(given)) < len(given):
        twice = sorted({name for name in given if given.count(name) > 1})
        raise QuestionnaireError(f"columns appear twice: {', '.join(twice)}")

    faults: list[tuple[np.ndarray, str]] = []
    columns: dict[str, Any] = {}
    for name in given:
        column = frame[name]
        if name in NUMBERS:
            columns[name] = _check_numbers(name, column, faults)
        elif name in CATEGORIES:
            columns[name] = _check_categories(name, column, faults)
        elif name in BOOLEANS:
            columns[name] = _check_booleans(name, column, faults)
        else:
            columns[name] = _check_onset_ages(name, column, faults)
    clean = pd.DataFrame(columns, index=frame.index)
    out_of_range = np.any([rows for rows, text in faults if text.startswith("age:")], axis=0)
    faults.append((clean["age"].isna().to_numpy() & ~out_of_range, "age: unknown"))
    _derive_bmi(clean, faults)
    faults.extend(_contradictions(clean))
    return clean, _join(faults, frame.index)


def read_numbers(name: str, column: pd.Series) -> tuple[Any, Any]:
    """Convert a column of numbers to floats.

    Parameters
    ----------
    name : str
        A key of ``NUMBERS``.
    column : Series
        Of any type: numbers, nullable or Arrow types, text, categories.

    Returns
    -------
    values : ndarray of float, shape (n,)
        NaN if unknown or not a number.
    is_wrong : ndarray of bool, shape (n,)
        Rows with an answer that is not a number. Dates, durations, and yes or no are not numbers:
        pandas would convert them to nanoseconds and ones.
    """
    import numpy as np

    if column.dtype == object and _kind(column) in ("floating", "integer", "mixed-integer-float"):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=bool)
    if column.dtype.kind in "iuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.zeros(len(values), dtype=bool)
    if column.dtype.kind in "bmM":
        return np.full(len(column), np.nan), column.notna().to_numpy(dtype=bool)
    codes, uniques = _factorize(column)
    values = np.full(len(uniques) + 1, np.nan)
    wrong = np.zeros(len(uniques) + 1, dtype=bool)
    for i, unique in enumerate(uniques):
        try:
            number = read_number(name, unique)
            if number is not None:
                values[i] = float(number)
        except (TypeError, ValueError):
            wrong[i] = True
    return values[codes], wrong[codes]


def _kind(column: pd.Series) -> str:
    """Return the kind of the objects in a column, ignoring empty cells."""
    import pandas as pd

    return pd.api.types.infer_dtype(column, skipna=True)


def _factorize(column: pd.Series) -> tuple[Any, list[Any]]:
    """Return codes and distinct values, which are few. Code -1 is an empty cell."""
    import numpy as np
    import pandas as pd

    if column.dtype == object and _kind(column) not in ("string", "boolean", "empty"):
        # True equals 1, so types are kept apart.
        keys = column.map(lambda value: (type(value).__name__, str(value)))
        codes, _ = pd.factorize(keys)
        first = np.unique(codes, return_index=True)[1]
        uniques = [column.iloc[i] for i in first]
        empty = [i for i, value in enumerate(uniques) if is_missing(value)]
        return np.where(np.isin(codes, empty), -1, codes), uniques
    codes, found = pd.factorize(column)
    return codes, list(found)


def _check_numbers(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np

    values, unreadable = read_numbers(name, column)
    low, high, whole = NUMBERS[name]
    # A comparison with NaN is False, so unknown values pass.
    wrong = unreadable | (values < low) | (values > high)
    if whole:
        wrong |= np.isfinite(values) & (np.floor(values) != values)
    if wrong.any():
        _tell_numbers(name, values, wrong, faults)
        values = np.where(wrong, np.nan, values)
    return values


def _tell_numbers(name: str, values: Any, wrong: Any, faults: list[Any]) -> None:
    """Describe faults of numbers, with a possible reason: a code, or another unit."""
    import numpy as np

    text = f"{name}: {range_text(name)}"
    rest = wrong.copy()
    for code in MISSING_CODES:
        if (rows := rest & (values == code)).any():
            faults.append((rows, f"{text}; {code_text(name, code)}"))
            rest &= ~rows
    for low, high, unit in other_units(name):
        if (rows := rest & (values >= low) & (values <= high)).any():
            faults.append((rows, f"{text}; in {unit}?"))
            rest &= ~rows
    if np.any(rest):
        faults.append((rest, text))


def _check_categories(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    allowed = pd.CategoricalDtype(list(CATEGORIES[name]))
    if column.dtype == allowed:
        return column.array
    codes, uniques = _factorize(column)
    positions = {value: i for i, value in enumerate(CATEGORIES[name])}
    lookup = np.full(len(uniques) + 1, -1, dtype="int8")
    for i, unique in enumerate(uniques):
        word = read_category(name, unique)
        if isinstance(word, str) and word in positions:
            lookup[i] = positions[word]
        elif word is not None:
            _tell_value(name, f"must be one of {', '.join(positions)}", unique, codes == i, faults)
    return pd.Categorical.from_codes(lookup[codes], dtype=allowed)


def _tell_value(name: str, text: str, value: Any, rows: Any, faults: list[Any]) -> None:
    """Describe the fault of a word, with a possible reason: a code for "not known"."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    hint = f"; {code_text(name, number)}" if number in MISSING_CODES else ""
    faults.append((rows, f"{name}: {text}{hint}"))


def _check_booleans(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np

    if column.dtype == bool:
        return column.to_numpy(dtype=np.float64)
    codes, uniques = _factorize(column)
    values = np.full(len(uniques) + 1, np.nan)
    for i, unique in enumerate(uniques):
        answer = read_yes_no(unique)
        if answer is None:
            continue
        # numpy booleans and 0/1 in any numeric type compare equal to False/True.
        if isinstance(answer, (bool, int, float, np.generic)) and answer in (0, 1):
            values[i] = float(answer)
        else:
            _tell_value(name, "must be yes or no", unique, codes == i, faults)
    return values[codes]


def _check_onset_ages(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np

    cleaned = np.full(len(column), None, dtype=object)
    wrong = np.zeros(len(column), dtype=bool)
    for i in np.flatnonzero(column.notna().to_numpy(dtype=bool)):
        try:
            ages = read_ages(column.iloc[i])
            ages = None if ages is None else tuple(float(age) for age in ages)
        except (TypeError, ValueError):
            ages, wrong[i] = None, True
        if ages is not None and not all(0 <= age <= 120 for age in ages):
            ages, wrong[i] = None, True
        cleaned[i] = ages
    if wrong.any():
        faults.append((wrong, f"{name}: must be ages from 0 to 120, separated by spaces"))
    return cleaned


def _derive_bmi(clean: pd.DataFrame, faults: list[Any]) -> None:
    import numpy as np

    if not {"height_cm", "weight_kg"} <= set(clean.columns):
        return
    derived = clean["weight_kg"] / (clean["height_cm"] / 100.0) ** 2
    if "bmi" in clean.columns:
        differs = ((clean["bmi"] - derived).abs() > BMI_TOLERANCE).to_numpy()
        pounds = ((clean["bmi"] - derived * POUND_KG).abs() <= BMI_TOLERANCE).to_numpy()
        text = "bmi contradicts height_cm and weight_kg"
        faults.append((differs & ~pounds, text))
        faults.append((differs & pounds, f"{text}: weight_kg in pounds?"))
        derived = derived.where(derived.notna(), clean["bmi"])
    clean["bmi"] = np.asarray(derived, dtype=np.float64)


def _contradictions(clean: pd.DataFrame) -> list[tuple[Any, str]]:
    """Find rows in which two fields contradict each other. Unknown (NaN) never contradicts."""
    found: list[tuple[Any, str]] = []

    def later(first: str, second: str) -> None:
        if first in clean.columns and second in clean.columns:
            rows = (clean[first] > clean[second]).to_numpy()
            found.append((rows, f"{first} is later than {second}"))

    def both(first: str, first_rows: Any, second: str, second_rows: Any, text: str) -> None:
        if first in clean.columns and second in clean.columns:
            rows = first_rows(clean[first]) & second_rows(clean[second])
            found.append((rows.to_numpy(dtype=bool), text))

    for event in ("age_menarche", "age_first_birth", "age_menopause"):
        later(event, "age")
    later("age_menarche", "age_first_birth")
    later("age_menarche", "age_menopause")
    both(
        "parity",
        lambda v: v == 0,
        "age_first_birth",
        lambda v: v.notna(),
        "parity 0 contradicts age_first_birth",
    )
    both(
        "menopausal_status",
        lambda v: v == "pre",
        "age_menopause",
        lambda v: v.notna(),
        "menopausal_status pre contradicts age_menopause",
    )
    both(
        "menopausal_status",
        lambda v: v == "pre",
        "menopause_type",
        lambda v: v.notna(),
        "menopausal_status pre contradicts menopause_type",
    )
    both(
        "hrt_use",
        lambda v: v == "never",
        "hrt_type",
        lambda v: v.notna(),
        "hrt_use never contradicts hrt_type",
    )
    both(
        "biopsies",
        lambda v: v == 0,
        "atypical_hyperplasia",
        lambda v: v == 1,
        "biopsies 0 contradicts atypical_hyperplasia",
    )
    both(
        "biopsies",
        lambda v: v == 0,
        "lcis",
        lambda v: v == 1,
        "biopsies 0 contradicts lcis",
    )
    return found


def _join(faults: list[tuple[Any, str]], index: pd.Index) -> pd.Series:
    import numpy as np
    import pandas as pd

    found: list[tuple[str, ...]] = [()] * len(index)
    for rows, message in faults:
        for i in np.flatnonzero(rows):
            found[i] = (*found[i], message)
    return pd.Series(found, index=index, dtype=object)
