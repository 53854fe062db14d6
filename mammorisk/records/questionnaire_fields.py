"""The fields of a questionnaire: names, categories, plausible ranges, and how words are read."""

from __future__ import annotations

from collections.abc import Iterable
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


def blank_to_none(value: Any) -> Any:
    """None for NaN and for the words that tables use for "nothing"."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, str) and value.strip().lower() in _BLANK:
        return None
    return value


def read_text(value: Any) -> Any:
    """A category in any case and spacing: ``" White "`` is ``"white"``."""
    value = blank_to_none(value)
    return value.strip().lower().replace(" ", "_") if isinstance(value, str) else value


def read_yes_no(value: Any) -> Any:
    """True, False, None for unknown; what is none of these comes back as it is."""
    value = read_text(value)
    if isinstance(value, str):
        if value == "unknown":
            return None
        if value in _TRUE | _FALSE:
            return value in _TRUE
    return value


def read_ages(value: Any) -> Any:
    """A tuple of ages, not yet numbers, from one age, several, or text with spaces between."""
    value = blank_to_none(value)
    if value is None:
        return None
    if isinstance(value, str):
        return tuple(value.replace(",", " ").replace(";", " ").split())
    return tuple(value) if isinstance(value, Iterable) else (value,)


def range_text(name: str) -> str:
    """What a number must be, in words."""
    low, high, whole = NUMBERS[name]
    return f"must be a {'whole ' if whole else ''}number from {low:g} to {high:g}"
