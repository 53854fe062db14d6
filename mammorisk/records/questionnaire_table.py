"""check_frame(): many questionnaires at once, under the same rules as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mammorisk.errors import QuestionnaireError
from mammorisk.records.questionnaire_fields import (
    BOOLEANS,
    CATEGORIES,
    FIELDS,
    NUMBERS,
    blank_to_none,
    range_text,
    read_ages,
    read_text,
    read_yes_no,
)

if TYPE_CHECKING:
    import pandas as pd

#: Largest difference accepted between a stated BMI and the one from height and weight, kg/m2.
BMI_TOLERANCE = 0.5


def check_frame(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Check and type a table of questionnaires whole.

    Parameters
    ----------
    frame : DataFrame
        Columns named after Questionnaire fields, all optional but ``age``; other columns are
        ignored.

    Returns
    -------
    clean : DataFrame
        Same index; numbers and booleans as float64 (NaN = unknown), categories as pandas
        Categorical, onset ages as tuples (None = unknown). Only the fields given, plus ``bmi``
        where it can be derived.
    problems : Series of tuple of str
        Empty where the row is sound, else what is wrong, naming the fields.

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


def _check_numbers(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    if column.dtype.kind in "iuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        unreadable = np.zeros(len(values), dtype=bool)
    else:
        text = column.map(blank_to_none)
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        unreadable = np.isnan(values) & text.notna().to_numpy()
    low, high, whole = NUMBERS[name]
    # A comparison with NaN is False, so unknown values pass.
    wrong = unreadable | (values < low) | (values > high)
    if whole:
        wrong |= np.isfinite(values) & (np.floor(values) != values)
    if wrong.any():
        faults.append((wrong, f"{name}: {range_text(name)}"))
        values = np.where(wrong, np.nan, values)
    return values


def _check_categories(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import pandas as pd

    allowed = pd.CategoricalDtype(list(CATEGORIES[name]))
    if column.dtype == allowed:
        return column.array
    # Women share few distinct values: clean those, then map.
    codes, uniques = pd.factorize(column)
    cleaned = [read_text(value) for value in uniques]
    if "unknown" not in CATEGORIES[name]:
        cleaned = [None if value == "unknown" else value for value in cleaned]
    known = pd.Series([*cleaned, None], dtype=object)
    wrong = known.notna().to_numpy() & ~known.isin(CATEGORIES[name]).to_numpy()
    if wrong.any():
        faults.append((wrong[codes], f"{name}: must be one of {', '.join(CATEGORIES[name])}"))
    positions = {value: i for i, value in enumerate(CATEGORIES[name])}
    lookup = pd.Series(known).map(lambda value: positions.get(value, -1)).to_numpy(dtype="int8")
    return pd.Categorical.from_codes(lookup[codes], dtype=allowed)


def _check_booleans(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    if column.dtype == bool:
        return column.to_numpy(dtype=np.float64)
    codes, uniques = pd.factorize(column)
    values = np.full(len(uniques) + 1, np.nan)
    wrong = np.zeros(len(uniques) + 1, dtype=bool)
    for i, unique in enumerate(uniques):
        answer = read_yes_no(unique)
        if answer is None:
            continue
        # numpy booleans and 0/1 in any numeric type compare equal to False/True.
        if not isinstance(answer, str) and answer in (0, 1):
            values[i] = float(answer)
        else:
            wrong[i] = True
    if wrong.any():
        faults.append((wrong[codes], f"{name}: must be yes or no"))
    return values[codes]


def _check_onset_ages(name: str, column: pd.Series, faults: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    cleaned: list[tuple[float, ...] | None] = []
    wrong = np.zeros(len(column), dtype=bool)
    for i, value in enumerate(column):
        try:
            ages = read_ages(value)
            ages = None if ages is None else tuple(float(age) for age in ages)
        except (TypeError, ValueError):
            ages, wrong[i] = None, True
        if ages is not None and not all(0 <= age <= 120 for age in ages):
            ages, wrong[i] = None, True
        cleaned.append(ages)
    if wrong.any():
        faults.append((wrong, f"{name}: must be ages from 0 to 120, separated by spaces"))
    series = pd.Series([None] * len(cleaned), dtype=object)
    series[:] = cleaned
    return series.to_numpy()


def _derive_bmi(clean: pd.DataFrame, faults: list[Any]) -> None:
    import numpy as np

    if not {"height_cm", "weight_kg"} <= set(clean.columns):
        return
    derived = clean["weight_kg"] / (clean["height_cm"] / 100.0) ** 2
    if "bmi" in clean.columns:
        differs = (clean["bmi"] - derived).abs() > BMI_TOLERANCE
        faults.append((differs.to_numpy(), "bmi contradicts height_cm and weight_kg"))
        derived = derived.where(derived.notna(), clean["bmi"])
    clean["bmi"] = np.asarray(derived, dtype=np.float64)


def _contradictions(clean: pd.DataFrame) -> list[tuple[Any, str]]:
    """Rows in which two fields cannot both be true; unknown (NaN) never contradicts."""
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
