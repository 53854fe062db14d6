"""Fields of a questionnaire: names, categories, plausible ranges, and words for answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Real
from typing import Any, Literal, get_args

RaceEthnicity = Literal[
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
MenopausalStatus = Literal["pre", "peri", "post"]
MenopauseType = Literal["natural", "surgical"]
Use = Literal["never", "former", "current"]
HrtType = Literal["combined", "estrogen", "unknown"]
BrcaStatus = Literal["untested", "negative", "brca1", "brca2"]
BreastDensity = Literal["a", "b", "c", "d"]
LastMammogram = Literal["negative", "false_positive"]

CATEGORIES: dict[str, tuple[str, ...]] = {
    "race_ethnicity": get_args(RaceEthnicity),
    "menopausal_status": get_args(MenopausalStatus),
    "menopause_type": get_args(MenopauseType),
    "hrt_use": get_args(Use),
    "hrt_type": get_args(HrtType),
    "oral_contraceptive": get_args(Use),
    "brca": get_args(BrcaStatus),
    "breast_density": get_args(BreastDensity),
    "last_mammogram": get_args(LastMammogram),
}

#: Plausible range, and whether only whole numbers are valid. A value outside the range is refused,
#: including codes for "not known" such as 99 or -1. mammorisk.records.answer_doubts warns about
#: codes inside the range.
NUMBERS: dict[str, tuple[float, float, bool]] = {
    "age": (0, 120, False),
    "age_menarche": (5, 30, False),
    "age_menopause": (15, 70, False),
    "parity": (0, 25, True),
    "age_first_birth": (10, 65, False),
    "height_cm": (100, 230, False),
    "weight_kg": (25, 350, False),
    "bmi": (10, 100, False),
    "alcohol_g_per_day": (0, 500, False),
    "biopsies": (0, 50, True),
    "first_degree_relatives": (0, 30, True),
}

BOOLEANS: tuple[str, ...] = (
    "atypical_hyperplasia",
    "lcis",
    "benign_breast_disease",
    "ashkenazi",
    "ovarian_cancer",
    "prior_breast_cancer",
)

#: Ages at onset of breast cancer of relatives, one list for each relation (family-history models).
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

#: Counts, for which "none" is an answer: 0.
COUNTS: tuple[str, ...] = ("parity", "biopsies", "first_degree_relatives")

#: Words that tables use for "not known", in lower case. "none" is not one of them: it means 0 for a
#: count and is ambiguous elsewhere.
UNKNOWN_WORDS = frozenset(
    {
        *("", "?", "-", "--", "na", "n/a", "#n/a", "n.a.", "nan", "null", "<na>", "nk", "dk"),
        *("unknown", "unk", "unkn", "not known", "missing", "not available", "not recorded"),
        *("not stated", "don't know", "dont know", "do not know", "refused", "declined"),
        *("prefer not to say", "prefer not to answer", "undetermined"),
    }
)
#: Missing values as SAS prints them: a point, or a point with a letter.
_SAS_MISSING = re.compile(r"\.[a-z_]?")
_TRUE = frozenset({"1", "1.0", "true", "yes", "y"})
_FALSE = frozenset({"0", "0.0", "false", "no", "n"})

#: Codes for "not known" in files of registries and surveys: 9, 99 and 999 (BCSC, SEER), 7 and 8
#: with them for "refused" and "not applicable" (NHANES), and negative ones.
MISSING_CODES = (9, 99, 999, 9999, 88, 888, 98, 998, 77, 777, 97, 997, -1, -2, -8, -9, -99, -999)

#: Ranges outside the plausible range that are plausible in another unit: low, high, unit.
_OTHER_UNITS: dict[str, tuple[tuple[float, float, str], ...]] = {
    "height_cm": (
        (1.2, 2.3, "metres"),
        (4.0, 7.5, "feet"),
        (10.0, 23.0, "decimetres"),
        (47.0, 91.0, "inches"),
    ),
    "age": ((240.0, 1440.0, "months"), (7300.0, 43800.0, "days")),
}


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, NaT or ``pandas.NA``."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and value != value


def is_unknown_word(text: str) -> bool:
    """Whether a text means "not known"."""
    word = text.strip().lower().replace("_", " ")
    return word in UNKNOWN_WORDS or _SAS_MISSING.fullmatch(word) is not None


def blank_to_none(value: Any) -> Any:
    """Return None for an empty cell and for words for "not known"; else the value."""
    if is_missing(value) or (isinstance(value, str) and is_unknown_word(value)):
        return None
    return value


def read_number(name: str, value: Any) -> Any:
    """Convert a value to a number; None if unknown. Other values are returned unchanged.

    Raises
    ------
    ValueError
        The value is yes or no, a date or a duration: pandas and pydantic would convert it to a
        number.
    """
    value = blank_to_none(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word == "none" and name in COUNTS:
            return 0
        if "_" in word:
            # Python would read 5_4 as 54.
            raise ValueError("not a number")
        return word
    if (
        type(value).__name__ in ("bool", "bool_")
        or hasattr(value, "year")
        or hasattr(value, "days")
    ):
        raise ValueError("not a number")
    return value


def read_category(name: str, value: Any) -> Any:
    """Read a category in any case and spacing: ``" White "`` is ``"white"``."""
    if isinstance(value, str):
        word = value.strip().lower().replace(" ", "_")
        if word in CATEGORIES[name]:
            return word
    value = blank_to_none(value)
    return value.strip().lower().replace(" ", "_") if isinstance(value, str) else value


def yes_or_no(text: str) -> bool | None:
    """Read yes or no from text, in upper or lower case.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool or None
        None if the text is neither yes nor no.

    Examples
    --------
    >>> from mammorisk.records.questionnaire_fields import yes_or_no
    >>> yes_or_no("Yes"), yes_or_no("0.0"), yes_or_no("perhaps")
    (True, False, None)
    """
    word = text.strip().lower()
    return word in _TRUE if word in _TRUE | _FALSE else None


def read_yes_no(value: Any) -> Any:
    """Return True, False, or None for unknown. Any other value is returned unchanged."""
    value = blank_to_none(value)
    answer = yes_or_no(value) if isinstance(value, str) else None
    return value if answer is None else answer


def read_ages(value: Any) -> Any:
    """Split one age, several ages, or text with spaces to a tuple of ages, which are not yet
    numbers."""
    value = blank_to_none(value)
    if value is None:
        return None
    if isinstance(value, str):
        return tuple(value.replace(",", " ").replace(";", " ").split())
    return tuple(value) if isinstance(value, Iterable) else (value,)


def range_text(name: str) -> str:
    """Return the condition for a number as text."""
    low, high, whole = NUMBERS[name]
    return f"must be a {'whole ' if whole else ''}number from {low:g} to {high:g}"


def other_units(name: str) -> tuple[tuple[float, float, str], ...]:
    """Return the ranges of a field in other units: low, high, unit."""
    return _OTHER_UNITS.get(name, ())


def code_text(name: str, code: float) -> str:
    """Return the advice for a value that may be a code for "not known"."""
    return f'{code:g} is often a code for not known (missing={{"{name}": [{code:g}]}})'
