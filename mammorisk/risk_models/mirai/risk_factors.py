"""Conversion of questionnaires to Mirai's vector of 100 risk factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.networks.mirai import N_RISK_FACTORS, RISK_FACTORS
from mammorisk.records.questionnaire_fields import RELATIVES, read_ages

if TYPE_CHECKING:
    import pandas as pd

_POUNDS, _INCHES = 1 / 0.45359237, 1 / 2.54
#: Inner edges of the bins of numeric factors. A whole number on an edge belongs to the bin below.
_EDGES: dict[str, tuple[float, ...]] = {
    "age": (40, 50, 60, 70, 80),
    "menarche_age": (10, 12, 14, 16),
    "menopause_age": (45, 50, 55, 60),
    "first_pregnancy_age": (20, 25, 30, 35, 40),
    "weight": (100, 130, 160, 190, 220, 250),
    "height": (50, 55, 60, 65, 70, 75),
}
#: Questionnaire fields of the factors on breast cancer of a relative.
_RELATIVES = {
    "mom_bc_cancer_history": "onset_mother",
    "m_aunt_bc_cancer_history": "onset_maternal_aunts",
    "p_aunt_bc_cancer_history": "onset_paternal_aunts",
    "m_grandmother_bc_cancer_history": "onset_maternal_grandmother",
    "p_grantmother_bc_cancer_history": "onset_paternal_grandmother",
    "sister_bc_cancer_history": "onset_full_sisters",
}
_FIRST_DEGREE = ("onset_mother", "onset_daughters", "onset_full_sisters")
_RACES = {
    "white": 0,
    "black": 1,
    "native_american": 2,
    "pacific_islander": 3,
    "other": 4,
    "hispanic_us_born": 7,
    "hispanic_foreign_born": 7,
    "chinese": 8,
    "japanese": 9,
    "filipino": 10,
    "hawaiian": 11,
    "other_asian": 12,
}


Woman = dict[str, Any]
#: Numbers of one factor. All 0 if it does not apply (age at menopause before menopause).
Numbers = tuple[float, ...]
#: Function from the answers of a woman to a factor; None if the answers do not determine it.
Find = Callable[[Woman], Numbers | None]


def risk_factors(frame: pd.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Convert the answers of each woman to risk factors in Mirai's order.

    Parameters
    ----------
    frame : DataFrame
        Columns are Questionnaire fields.

    Returns
    -------
    values : ndarray of float32, shape (n, 100)
    is_known : ndarray of bool, shape (n, 34)
        By factor. An answer "no" is known; race "unknown" is not.

    Notes
    -----
    Factors that follow from other answers are known too: there is no age at first birth without a
    birth, no age at menopause before menopause, no type of hormones that were never used, no
    finding without a biopsy, and no affected mother or sister without an affected first-degree
    relative. Such factors are all 0, as in the data on which Mirai was trained. "Any relative" is
    known to be "no" if no first-degree relative is affected and no other affected relative is
    given. Ovarian cancer of relatives and durations of hormone use are not in the questionnaire.
    """
    values = np.zeros((len(frame), N_RISK_FACTORS), dtype=np.float32)
    is_known = np.zeros((len(frame), len(RISK_FACTORS)), dtype=bool)
    starts = dict(zip(RISK_FACTORS, np.cumsum([0, *RISK_FACTORS.values()]), strict=False))
    order = {key: place for place, key in enumerate(RISK_FACTORS)}
    for i, row in enumerate(frame.to_dict("records")):
        woman = {str(name): value for name, value in row.items() if not _is_unknown(value)}
        for key, find in _FACTORS.items():
            found = find(woman)
            if found is not None:
                is_known[i, order[key]] = True
                values[i, starts[key] : starts[key] + RISK_FACTORS[key]] = found
    return values, is_known


def _is_unknown(value: Any) -> bool:
    import pandas as pd

    return not isinstance(value, (tuple, list)) and bool(pd.isna(value) or value == "")


def _place(key: str, place: int | None) -> Numbers | None:
    """Return the numbers of a factor: 1 at a position, else 0."""
    if place is None:
        return None
    return tuple(float(i == place) for i in range(RISK_FACTORS[key]))


def _none_of(key: str) -> Numbers:
    return (0.0,) * RISK_FACTORS[key]


def _yes_no(answer: bool | None) -> Numbers | None:
    return None if answer is None else (float(answer),)


def _bin(key: str, value: float | None) -> Numbers | None:
    """Return the bin of the integer part, as in the reference."""
    if value is None:
        return None
    return _place(key, int(np.searchsorted(_EDGES[key], int(value), side="left")))


def _age_at(woman: Woman, field: str) -> int | None:
    """Return an age in whole years; None if it is after the exam."""
    value = woman.get(field)
    return None if value is None or int(value) > woman.get("age", np.inf) else int(value)


def _first_birth(woman: Woman) -> Numbers | None:
    if woman.get("parity") == 0:
        return _none_of("first_pregnancy_age")
    return _bin("first_pregnancy_age", _age_at(woman, "age_first_birth"))


def _menopause_age(woman: Woman) -> Numbers | None:
    if woman.get("menopausal_status") == "pre":
        return _none_of("menopause_age")
    return _bin("menopause_age", _age_at(woman, "age_menopause"))


def _menopausal_status(woman: Woman) -> Numbers | None:
    status = woman.get("menopausal_status")
    if status is None and "age" in woman and "age_menopause" in woman:
        since = int(woman["age"]) - int(woman["age_menopause"])
        status = "post" if since > 0 else "peri" if since == 0 else "pre"
    return _place("menopausal_status", {"pre": 0, "peri": 1, "post": 2}.get(str(status)))


def _parous(woman: Woman) -> Numbers | None:
    if "age_first_birth" in woman and "age" in woman:
        return _yes_no(bool(woman["age_first_birth"] < woman["age"]))
    return _yes_no(bool(woman["parity"] > 0) if "parity" in woman else None)


def _any_relative(woman: Woman) -> Numbers | None:
    named = [read_ages(woman[name]) for name in RELATIVES if name in woman]
    if woman.get("first_degree_relatives", 0) > 0 or any(named):
        return (1.0,)
    is_known = "first_degree_relatives" in woman or all(name in woman for name in _FIRST_DEGREE)
    return (0.0,) if is_known else None


def _relative(field: str) -> Find:
    def find(woman: Woman) -> Numbers | None:
        if field in woman:
            return _yes_no(bool(read_ages(woman[field])))
        is_none = field in _FIRST_DEGREE and woman.get("first_degree_relatives") == 0
        return (0.0,) if is_none else None

    return find


def _hyperplasia(woman: Woman) -> Numbers | None:
    """Hyperplasia at a biopsy. The questionnaire can only exclude it."""
    is_none = woman.get("biopsies") == 0 or woman.get("benign_breast_disease") == 0
    return (0.0,) if is_none else None


def _at_biopsy(field: str) -> Find:
    def find(woman: Woman) -> Numbers | None:
        if field in woman:
            return _yes_no(bool(woman[field]))
        return (0.0,) if woman.get("biopsies") == 0 else None

    return find


def _hormones(woman: Woman) -> Numbers | None:
    if woman.get("hrt_use") == "never":
        return _none_of("hrt_type")
    if woman.get("hrt_use") not in ("former", "current"):
        return None
    places = {"combined": 0, "estrogen": 1}
    return _place("hrt_type", places.get(str(woman.get("hrt_type")), 2))


def _none_if(key: str, field: str, *answers: object) -> Find:
    """Return a function for a factor that is known only if an answer excludes it."""
    return lambda woman: _none_of(key) if woman.get(field) in answers else None


def _category(key: str, field: str, places: dict[str, int]) -> Find:
    return lambda woman: _place(key, places.get(str(woman.get(field))))


def _yes(field: str) -> Find:
    return lambda woman: _yes_no(bool(woman[field]) if field in woman else None)


_FACTORS: dict[str, Find] = {
    "density": _category("density", "breast_density", {"a": 0, "b": 1, "c": 2, "d": 3}),
    "binary_family_history": _any_relative,
    "binary_biopsy_benign": _hyperplasia,
    "binary_biopsy_LCIS": _at_biopsy("lcis"),
    "binary_biopsy_atypical_hyperplasia": _at_biopsy("atypical_hyperplasia"),
    "age": lambda w: _bin("age", w.get("age")),
    "menarche_age": lambda w: _bin("menarche_age", _age_at(w, "age_menarche")),
    "menopause_age": _menopause_age,
    "first_pregnancy_age": _first_birth,
    "prior_hist": _yes("prior_breast_cancer"),
    "race": _category("race", "race_ethnicity", _RACES),
    "parous": _parous,
    "menopausal_status": _menopausal_status,
    "weight": lambda w: _bin("weight", w["weight_kg"] * _POUNDS if "weight_kg" in w else None),
    "height": lambda w: _bin("height", w["height_cm"] * _INCHES if "height_cm" in w else None),
    "ovarian_cancer": _yes("ovarian_cancer"),
    "ovarian_cancer_age": _none_if("ovarian_cancer_age", "ovarian_cancer", False),
    "ashkenazi": _yes("ashkenazi"),
    "brca": _category("brca", "brca", {"untested": 0, "negative": 1, "brca1": 2, "brca2": 3}),
    **{key: _relative(field) for key, field in _RELATIVES.items()},
    "hrt_type": _hormones,
    "hrt_duration": _none_if("hrt_duration", "hrt_use", "never"),
    "hrt_years_ago_stopped": _none_if("hrt_years_ago_stopped", "hrt_use", "never", "current"),
}
