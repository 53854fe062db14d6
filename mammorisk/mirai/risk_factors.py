"""The questionnaire as Mirai's 100 risk factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.networks.mirai import N_RISK_FACTORS, RISK_FACTORS

if TYPE_CHECKING:
    import pandas as pd

_POUNDS, _INCHES = 1 / 0.45359237, 1 / 2.54
#: Inner edges of numeric factors; a value on an edge belongs below it.
_EDGES: dict[str, tuple[float, ...]] = {
    "age": (40, 50, 60, 70, 80),
    "menarche_age": (10, 12, 14, 16),
    "menopause_age": (45, 50, 55, 60),
    "first_pregnancy_age": (20, 25, 30, 35, 40),
    "weight": (100, 130, 160, 190, 220, 250),
    "height": (50, 55, 60, 65, 70, 75),
}
_RACES = {
    "white": 0,
    "black": 1,
    "native_american": 2,
    "pacific_islander": 3,
    "other": 4,
    "unknown": 6,
    "hispanic_us_born": 7,
    "hispanic_foreign_born": 7,
    "chinese": 8,
    "japanese": 9,
    "filipino": 10,
    "hawaiian": 11,
    "other_asian": 12,
}


def risk_factors(frame: pd.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What is known of each woman, in Mirai's order.

    Parameters
    ----------
    frame : DataFrame
        Columns are Questionnaire fields.

    Returns
    -------
    values : ndarray of float32, shape (n, 100)
    is_known : ndarray of bool, shape (n, 34)
        By factor. A known "no" is known; race "unknown" is not.

    Notes
    -----
    Factors of relatives by name, and the durations of hormone therapy, are not in the questionnaire
    and stay unknown; a number of affected first-degree relatives makes "any relative" known.
    """
    values = np.zeros((len(frame), N_RISK_FACTORS), dtype=np.float32)
    is_known = np.zeros((len(frame), len(RISK_FACTORS)), dtype=bool)
    starts = dict(zip(RISK_FACTORS, np.cumsum([0, *RISK_FACTORS.values()]), strict=False))
    order = {key: place for place, key in enumerate(RISK_FACTORS)}
    for i, row in enumerate(frame.to_dict("records")):
        woman = {str(name): value for name, value in row.items() if _is_given(value)}
        for key, find in _FACTORS.items():
            found = find(woman)
            if found is None:
                continue
            is_known[i, order[key]] = True
            if RISK_FACTORS[key] == 1:
                values[i, starts[key]] = float(found)
            else:
                values[i, starts[key] + int(found)] = 1.0
    return values, is_known


def _is_given(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and np.isnan(value)) and value != ""


Woman = dict[str, Any]


def _bin(key: str, value: float | None) -> int | None:
    return None if value is None else int(np.searchsorted(_EDGES[key], value, side="left"))


def _numeric(key: str, field: str, factor: float = 1.0) -> Callable[[Woman], int | None]:
    def find(woman: Woman) -> int | None:
        value = woman.get(field)
        if value is None:
            return None
        late = field.startswith("age_") and "age" in woman and float(value) > float(woman["age"])
        return None if late else _bin(key, float(value) * factor)

    return find


def _yes(field: str) -> Callable[[Woman], bool | None]:
    return lambda woman: None if field not in woman else bool(woman[field])


def _place(field: str, places: dict[str, int]) -> Callable[[Woman], int | None]:
    return lambda woman: places.get(str(woman.get(field)))


def _parous(woman: Woman) -> bool | None:
    if "age_first_birth" in woman and "age" in woman:
        return bool(float(woman["age_first_birth"]) < float(woman["age"]))
    return bool(woman["parity"] > 0) if "parity" in woman else None


def _hormones(woman: Woman) -> int | None:
    if woman.get("hrt_use") not in ("former", "current"):
        return None
    return {"combined": 0, "estrogen": 1}.get(str(woman.get("hrt_type")), 2)


_FACTORS: dict[str, Callable[[Woman], int | bool | None]] = {
    "density": _place("breast_density", {"a": 0, "b": 1, "c": 2, "d": 3}),
    "binary_family_history": lambda w: (
        bool(w["first_degree_relatives"] > 0) if "first_degree_relatives" in w else None
    ),
    "binary_biopsy_LCIS": _yes("lcis"),
    "binary_biopsy_atypical_hyperplasia": _yes("atypical_hyperplasia"),
    "age": _numeric("age", "age"),
    "menarche_age": _numeric("menarche_age", "age_menarche"),
    "menopause_age": _numeric("menopause_age", "age_menopause"),
    "first_pregnancy_age": _numeric("first_pregnancy_age", "age_first_birth"),
    "prior_hist": _yes("prior_breast_cancer"),
    "race": lambda w: (
        None if w.get("race_ethnicity") == "unknown" else _RACES.get(str(w.get("race_ethnicity")))
    ),
    "parous": _parous,
    "menopausal_status": _place("menopausal_status", {"pre": 0, "peri": 1, "post": 2}),
    "weight": _numeric("weight", "weight_kg", _POUNDS),
    "height": _numeric("height", "height_cm", _INCHES),
    "ovarian_cancer": _yes("ovarian_cancer"),
    "ashkenazi": _yes("ashkenazi"),
    "brca": _place("brca", {"untested": 0, "negative": 1, "brca1": 2, "brca2": 3}),
    "hrt_type": _hormones,
}
