"""Questionnaire: what the woman and her record say. Every field but age is optional.

One woman is a :class:`Questionnaire`; many are a table whose columns are the same fields, checked
whole by :func:`check_frame` under the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mammorisk.errors import QuestionnaireError

if TYPE_CHECKING:
    import pandas as pd

#: Plausible range and whether only whole numbers make sense. Outside it a value is refused, which
#: also catches codes for "unknown" such as 99 or -1.
NUMBERS: dict[str, tuple[float, float, bool]] = {
    "age": (0, 120, False),
    "age_menarche": (5, 30, False),
    "age_menopause": (15, 70, False),
    "parity": (0, 25, True),
    "age_first_birth": (9, 65, False),
    "height_cm": (100, 230, False),
    "weight_kg": (25, 350, False),
    "bmi": (10, 100, False),
    "alcohol_g_per_day": (0, 500, False),
    "biopsies": (0, 50, True),
    "first_degree_relatives": (0, 30, True),
}

CATEGORIES: dict[str, tuple[str, ...]] = {
    "race_ethnicity": (
        "white",
        "black",
        "hispanic_us_born",
        "hispanic_foreign_born",
        "native_american",
        "chinese",
        "japanese",
        "filipino",
        "hawaiian",
        "pacific_islander",
        "other_asian",
        "other",
        "unknown",
    ),
    "menopausal_status": ("pre", "peri", "post"),
    "menopause_type": ("natural", "surgical"),
    "hrt_use": ("never", "former", "current"),
    "hrt_type": ("combined", "estrogen", "unknown"),
    "oral_contraceptive": ("never", "former", "current"),
    "brca": ("untested", "negative", "brca1", "brca2"),
    "breast_density": ("a", "b", "c", "d"),
    "last_mammogram": ("negative", "false_positive"),
}

BOOLEANS: tuple[str, ...] = (
    "atypical_hyperplasia",
    "lcis",
    "benign_breast_disease",
    "ashkenazi",
    "ovarian_cancer",
    "prior_breast_cancer",
)

#: Ages at onset of breast cancer of relatives, a list a relation (family-history models).
RELATIVES: tuple[str, ...] = (
    "onset_mother",
    "onset_daughters",
    "onset_full_sisters",
    "onset_maternal_aunts",
    "onset_paternal_aunts",
    "onset_maternal_grandmother",
    "onset_paternal_grandmother",
    "onset_maternal_half_sisters",
    "onset_paternal_half_sisters",
)

FIELDS: tuple[str, ...] = (*NUMBERS, *CATEGORIES, *BOOLEANS, *RELATIVES)

_TRUE = frozenset({"1", "1.0", "true", "yes", "y"})
_FALSE = frozenset({"0", "0.0", "false", "no", "n"})
_BLANK = frozenset({"", "na", "n/a", "nan", "none", "null"})

#: Largest difference accepted between a stated BMI and the one from height and weight, kg/m2.
BMI_TOLERANCE = 0.5


def _blank_to_none(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, str) and value.strip().lower() in _BLANK:
        return None
    return value


def _text(value: Any) -> Any:
    value = _blank_to_none(value)
    return value.strip().lower().replace(" ", "_") if isinstance(value, str) else value


def _yes_no(value: Any) -> Any:
    value = _text(value)
    if isinstance(value, str):
        if value == "unknown":
            return None
        if value in _TRUE | _FALSE:
            return value in _TRUE
    return value


def _ages(value: Any) -> Any:
    value = _blank_to_none(value)
    if value is None:
        return None
    if isinstance(value, str):
        return tuple(value.replace(",", " ").replace(";", " ").split())
    return tuple(value) if isinstance(value, Iterable) else (value,)


def _number(name: str) -> Any:
    low, high, whole = NUMBERS[name]
    kind: Any = int if whole else float
    bounded = Annotated[kind, Field(ge=low, le=high, allow_inf_nan=False)]
    return Annotated[bounded | None, BeforeValidator(_blank_to_none)]


Text = BeforeValidator(_text)
YesNo = Annotated[bool | None, BeforeValidator(_yes_no)]
OnsetAges = Annotated[
    tuple[Annotated[float, Field(ge=0, le=120)], ...] | None, BeforeValidator(_ages)
]


class Questionnaire(BaseModel):
    """What is known of one woman at her exam. None means unknown, never "no".

    Attributes
    ----------
    age : float
        Age at the exam in years.
    race_ethnicity : str, optional
        One of the groups of ``CATEGORIES["race_ethnicity"]``.
    menopausal_status : {"pre", "peri", "post"}, optional
    age_menarche, age_menopause : float, optional
        Years.
    menopause_type : {"natural", "surgical"}, optional
    parity : int, optional
        Number of births.
    age_first_birth : float, optional
        Years, at first live birth.
    height_cm, weight_kg, bmi : float, optional
        BMI (kg/m2) is derived from height and weight; give it only where they are not known.
    hrt_use : {"never", "former", "current"}, optional
    hrt_type : {"combined", "estrogen", "unknown"}, optional
    oral_contraceptive : {"never", "former", "current"}, optional
    alcohol_g_per_day : float, optional
    biopsies : int, optional
        Number of breast biopsies.
    atypical_hyperplasia, lcis, benign_breast_disease : bool, optional
    first_degree_relatives : int, optional
        Mother, sisters and daughters with breast cancer.
    brca : {"untested", "negative", "brca1", "brca2"}, optional
    ashkenazi, ovarian_cancer, prior_breast_cancer : bool, optional
    breast_density : {"a", "b", "c", "d"}, optional
        BI-RADS category given by a reader.
    last_mammogram : {"negative", "false_positive"}, optional
    onset_mother, onset_daughters, ... : sequence of float, optional
        Ages at onset of breast cancer of each affected relative of that relation; an empty
        sequence says that none is affected.

    Raises
    ------
    QuestionnaireError
        A value out of range, or two fields that contradict each other; both are named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    age: Annotated[float, Field(ge=0, le=120, allow_inf_nan=False)]
    race_ethnicity: Annotated[
        Literal[
            "white",
            "black",
            "hispanic_us_born",
            "hispanic_foreign_born",
            "native_american",
            "chinese",
            "japanese",
            "filipino",
            "hawaiian",
            "pacific_islander",
            "other_asian",
            "other",
            "unknown",
        ]
        | None,
        Text,
    ] = None
    menopausal_status: Annotated[Literal["pre", "peri", "post"] | None, Text] = None
    age_menarche: _number("age_menarche") = None  # type: ignore[valid-type]
    age_menopause: _number("age_menopause") = None  # type: ignore[valid-type]
    menopause_type: Annotated[Literal["natural", "surgical"] | None, Text] = None
    parity: _number("parity") = None  # type: ignore[valid-type]
    age_first_birth: _number("age_first_birth") = None  # type: ignore[valid-type]
    height_cm: _number("height_cm") = None  # type: ignore[valid-type]
    weight_kg: _number("weight_kg") = None  # type: ignore[valid-type]
    bmi: _number("bmi") = None  # type: ignore[valid-type]
    hrt_use: Annotated[Literal["never", "former", "current"] | None, Text] = None
    hrt_type: Annotated[Literal["combined", "estrogen", "unknown"] | None, Text] = None
    oral_contraceptive: Annotated[Literal["never", "former", "current"] | None, Text] = None
    alcohol_g_per_day: _number("alcohol_g_per_day") = None  # type: ignore[valid-type]
    biopsies: _number("biopsies") = None  # type: ignore[valid-type]
    atypical_hyperplasia: YesNo = None
    lcis: YesNo = None
    benign_breast_disease: YesNo = None
    first_degree_relatives: _number("first_degree_relatives") = None  # type: ignore[valid-type]
    brca: Annotated[Literal["untested", "negative", "brca1", "brca2"] | None, Text] = None
    ashkenazi: YesNo = None
    ovarian_cancer: YesNo = None
    breast_density: Annotated[Literal["a", "b", "c", "d"] | None, Text] = None
    last_mammogram: Annotated[Literal["negative", "false_positive"] | None, Text] = None
    prior_breast_cancer: YesNo = None
    onset_mother: OnsetAges = None
    onset_daughters: OnsetAges = None
    onset_full_sisters: OnsetAges = None
    onset_maternal_aunts: OnsetAges = None
    onset_paternal_aunts: OnsetAges = None
    onset_maternal_grandmother: OnsetAges = None
    onset_paternal_grandmother: OnsetAges = None
    onset_maternal_half_sisters: OnsetAges = None
    onset_paternal_half_sisters: OnsetAges = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise QuestionnaireError(_explain(error), remedy=_REMEDY) from None
        frame, problems = check_frame(self.to_frame())
        if problems.iloc[0]:
            raise QuestionnaireError(problems.iloc[0], remedy=_REMEDY)
        if self.bmi is None and self.height_cm is not None and self.weight_kg is not None:
            object.__setattr__(self, "bmi", float(frame["bmi"].iloc[0]))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, value) for name, value in self if value is not None]

    def to_frame(self) -> pd.DataFrame:
        """A table of one row whose columns are the known fields."""
        import pandas as pd

        known = {name: value for name, value in self if value is not None}
        return pd.DataFrame({name: [value] for name, value in known.items()})


_REMEDY = "Leave a field out (or empty) when it is not known."


def _explain(error: ValidationError) -> str:
    """All faults in one line, naming fields but not repeating values."""
    parts = []
    for item in error.errors(include_url=False, include_input=False):
        name = str(item["loc"][0]) if item["loc"] else "questionnaire"
        if item["type"] == "extra_forbidden":
            parts.append(f"{name}: no such field")
        elif name in CATEGORIES:
            parts.append(f"{name}: must be one of {', '.join(CATEGORIES[name])}")
        elif item["type"] == "missing":
            parts.append(f"{name}: required")
        elif name in NUMBERS:
            parts.append(f"{name}: {_range_text(name)}")
        else:
            parts.append(f"{name}: {item['msg'].lower()}")
    return "; ".join(dict.fromkeys(parts))


def _range_text(name: str) -> str:
    low, high, whole = NUMBERS[name]
    return f"must be a {'whole ' if whole else ''}number from {low:g} to {high:g}"


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
    problems : Series of str
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
    faults.append((clean["age"].isna().to_numpy(), "age: unknown"))
    _derive_bmi(clean, faults)
    faults.extend(_contradictions(clean))
    return clean, _join(faults, frame.index)


def _check_numbers(name: str, column: pd.Series, faults: list) -> Any:
    import numpy as np
    import pandas as pd

    if column.dtype.kind in "iuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        unreadable = np.zeros(len(values), dtype=bool)
    else:
        text = column.map(_blank_to_none)
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        unreadable = np.isnan(values) & text.notna().to_numpy()
    low, high, whole = NUMBERS[name]
    # A comparison with NaN is False, so unknown values pass.
    wrong = unreadable | (values < low) | (values > high)
    if whole:
        wrong |= np.isfinite(values) & (np.floor(values) != values)
    if wrong.any():
        faults.append((wrong, f"{name}: {_range_text(name)}"))
        values = np.where(wrong, np.nan, values)
    return values


def _check_categories(name: str, column: pd.Series, faults: list) -> Any:
    import pandas as pd

    allowed = pd.CategoricalDtype(list(CATEGORIES[name]))
    if column.dtype == allowed:
        return column.array
    # Women share few distinct values: clean those, then map.
    codes, uniques = pd.factorize(column)
    cleaned = [_text(value) for value in uniques]
    if "unknown" not in CATEGORIES[name]:
        cleaned = [None if value == "unknown" else value for value in cleaned]
    known = pd.Series([*cleaned, None], dtype=object)
    wrong = known.notna().to_numpy() & ~known.isin(CATEGORIES[name]).to_numpy()
    if wrong.any():
        faults.append((wrong[codes], f"{name}: must be one of {', '.join(CATEGORIES[name])}"))
    positions = {value: i for i, value in enumerate(CATEGORIES[name])}
    lookup = pd.Series(known).map(lambda value: positions.get(value, -1)).to_numpy(dtype="int8")
    return pd.Categorical.from_codes(lookup[codes], dtype=allowed)


def _check_booleans(name: str, column: pd.Series, faults: list) -> Any:
    import numpy as np
    import pandas as pd

    if column.dtype == bool:
        return column.to_numpy(dtype=np.float64)
    codes, uniques = pd.factorize(column)
    values = np.full(len(uniques) + 1, np.nan)
    wrong = np.zeros(len(uniques) + 1, dtype=bool)
    for i, unique in enumerate(uniques):
        answer = _yes_no(unique)
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


def _check_onset_ages(name: str, column: pd.Series, faults: list) -> Any:
    import numpy as np
    import pandas as pd

    cleaned: list[tuple[float, ...] | None] = []
    wrong = np.zeros(len(column), dtype=bool)
    for i, value in enumerate(column):
        try:
            ages = _ages(value)
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


def _derive_bmi(clean: pd.DataFrame, faults: list) -> None:
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

    text = np.full(len(index), "", dtype=object)
    for rows, message in faults:
        where = np.flatnonzero(rows)
        for i in where:
            text[i] = f"{text[i]}; {message}" if text[i] else message
    return pd.Series(text, index=index, dtype=object)
