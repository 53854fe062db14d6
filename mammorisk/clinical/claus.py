"""Claus 1994: risk to 79 from the ages at onset of breast cancer of relatives.

Source: Claus EB, Risch N, Thompson WD. Cancer 1994;73:643-51,
doi:10.1002/1097-0142(19940201)73:3<643::AID-CNCR2820730323>3.0.CO;2-5
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import ModelCard
from mammorisk.clinical.answers import Answers
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.clinical.tables import load_table
from mammorisk.errors import QuestionnaireError
from mammorisk.records.column_names import read_names
from mammorisk.records.questionnaire_fields import RELATIVES
from mammorisk.records.questionnaire_table import check_frame

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST_DEGREE = ("onset_mother", "onset_daughters", "onset_full_sisters")
_MATERNAL = ("onset_maternal_aunts", "onset_maternal_grandmother", "onset_maternal_half_sisters")
_PATERNAL = ("onset_paternal_aunts", "onset_paternal_grandmother", "onset_paternal_half_sisters")

#: Onset ages of the tables: from 20 to under 80, in bins of ten years.
_ONSET_FROM, _ONSET_TO, _BIN_YEARS = 20, 80, 10
_NONE = 99

#: Columns of :func:`from_relatives` and their Questionnaire fields.
RELATIVE_COLUMNS: dict[str, str] = {
    "mother": "onset_mother",
    "daughters": "onset_daughters",
    "full_sisters": "onset_full_sisters",
    "maternal_aunts": "onset_maternal_aunts",
    "paternal_aunts": "onset_paternal_aunts",
    "maternal_gm": "onset_maternal_grandmother",
    "paternal_gm": "onset_paternal_grandmother",
    "maternal_half_sisters": "onset_maternal_half_sisters",
    "paternal_half_sisters": "onset_paternal_half_sisters",
}


@dataclass(frozen=True, repr=False)
class Claus(ClinicalModel):
    """Family-history tables of Claus, Risch and Thompson.

    The risk is that of the applicable table with the highest remaining risk.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> mr.load_model("claus-1994").card.horizons
    'any up to age 79, and lifetime (to 79)'
    """

    end_of_data: ClassVar[float] = 79.0
    card: ClassVar[ModelCard] = ModelCard(
        name="claus-1994",
        title="Claus family-history tables (1994)",
        family="family history",
        inputs=("age", *RELATIVES),
        required=("age", "onset_... of at least one affected relative"),
        outcome="invasive",
        ages=(29, 78),
        horizons="any up to age 79, and lifetime (to 79)",
        competing_mortality=False,
        training_data="Cancer and Steroid Hormone Study: 4,730 patients, 4,688 controls (US)",
        source="doi:10.1002/1097-0142(19940201)73:3<643::AID-CNCR2820730323>3.0.CO;2-5",
        licence="published tables",
        intended_use="women with one or two relatives with breast cancer",
        limits="no other risk factor, no ovarian or male cancer, no more than two relatives; "
        "deaths from other causes not taken into account",
    )

    def _refuse(self, women: Answers, refusals: Notes) -> None:
        told = np.zeros(len(women), dtype=bool)
        dated = np.zeros(len(women), dtype=bool)
        for field in RELATIVES:
            onsets = women.objects(field)
            told |= np.array([ages is not None for ages in onsets], dtype=bool)
            dated |= np.array([len(_dated(ages)) > 0 for ages in onsets], dtype=bool)
        refusals.add(~told, "answer-missing", "ages at onset of relatives unknown")
        refusals.add(told & ~dated, "not-applicable", "no relative with onset from 20 to 79")

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        outside = np.zeros(len(women), dtype=bool)
        unknown = np.zeros(len(women), dtype=bool)
        for field in RELATIVES:
            onsets = women.objects(field)
            unknown |= np.array([ages is None for ages in onsets], dtype=bool)
            outside |= np.array([len(_dated(a)) < len(a or ()) for a in onsets], dtype=bool)
        notes.add(
            outside, "answer-not-used", "relatives with onset under 20 or over 79 not counted"
        )
        notes.add(unknown, "answer-assumed", "relations without an answer: counted as not affected")
        curve = _highest_curve(women)
        now = _cumulative(curve, women.age[:, None])
        return (_cumulative(curve, end) - now) / (1 - now), {}


def from_relatives(frame: pd.DataFrame) -> pd.Series:
    """Compute the remaining risk to age 79 from the ages at onset of relatives.

    Parameters
    ----------
    frame : DataFrame
        ``age`` (29 to 78) and any of ``mother``, ``daughters``, ``full_sisters``,
        ``maternal_aunts``, ``paternal_aunts``, ``maternal_gm``, ``paternal_gm``,
        ``maternal_half_sisters``, ``paternal_half_sisters``: ages at onset, a number or several
        separated by spaces; empty if none is affected.

    Returns
    -------
    Series
        Risk in [0, 1], rounded to three decimals like the tables; NaN outside ages 29-78 or
        without an affected relative.

    Raises
    ------
    QuestionnaireError
        ``age`` is missing, a value is not an age, or a column is nearly one of these.
    """
    named = frame.rename(columns=read_names(frame.columns, ("age", *RELATIVE_COLUMNS)))
    known = named.rename(columns=RELATIVE_COLUMNS)
    _, problems = check_frame(known)
    faulty = np.flatnonzero(problems.map(bool))
    if faulty.size:
        row = int(faulty[0])
        raise QuestionnaireError("; ".join(problems.iloc[row]), where=f"row {row}")
    risk = Claus().score(known, ("lifetime",)).risk["lifetime"]
    return risk.round(3).rename("remaining_risk")


def _dated(ages: Sequence[float] | None) -> list[float]:
    """Ages at onset for which the tables have a column."""
    return [age for age in ages or () if _ONSET_FROM <= age < _ONSET_TO]


def _two_youngest(women: Answers, fields: tuple[str, ...]) -> tuple[Ints, Ints]:
    """Onset bins of the two youngest relatives of these relations; ``_NONE`` where fewer."""
    lists = zip(*(women.objects(field) for field in fields), strict=True)
    pairs = np.full((len(women), 2), float(_NONE))
    for i, relations in enumerate(lists):
        ages = sorted(age for ages in relations for age in _dated(ages))[:2]
        pairs[i, : len(ages)] = [(age - _ONSET_FROM) // _BIN_YEARS for age in ages]
    bins = pairs.astype(np.int64)
    return bins[:, 0], bins[:, 1]


@cache
def _curves(table: str) -> Floats:
    """Cumulative risk by onset bin(s); the last axis is the age of the rows."""
    return np.moveaxis(np.array(load_table("claus1994")["tables"][table]), 0, -1)


def _highest_curve(women: Answers) -> Floats:
    """Cumulative risk at the table's ages, from the table with the highest remaining risk."""
    first, second = _two_youngest(women, _FIRST_DEGREE)
    mother, _ = _two_youngest(women, ("onset_mother",))
    maternal, maternal_second = _two_youngest(women, _MATERNAL)
    paternal, paternal_second = _two_youngest(women, _PATERNAL)
    maternal_aunt, _ = _two_youngest(women, ("onset_maternal_aunts",))
    paternal_aunt, _ = _two_youngest(women, ("onset_paternal_aunts",))
    applicable: list[tuple[str, tuple[Ints, ...]]] = [
        ("one_first_degree", (first,)),
        ("one_second_degree", (np.minimum(maternal, paternal),)),
        # The younger onset is the row, because some cells of this table are not symmetric.
        ("two_first_degree", (first, second)),
        ("mother_and_maternal_aunt", (mother, maternal_aunt)),
        ("mother_and_paternal_aunt", (mother, paternal_aunt)),
        ("two_second_degree_same_side", (maternal, maternal_second)),
        ("two_second_degree_same_side", (paternal, paternal_second)),
        ("two_second_degree_different_sides", (maternal, paternal)),
    ]
    best = np.full((len(women), len(load_table("claus1994")["ages"])), np.nan)
    highest = np.full(len(women), -np.inf)
    for table, bins in applicable:
        has = np.all([b != _NONE for b in bins], axis=0)
        curve = np.zeros_like(best)
        curve[has] = _curves(table)[tuple(b[has] for b in bins)]
        now = _cumulative(curve, women.age[:, None])[:, 0]
        remaining = np.where(has, (curve[:, -1] - now) / (1 - now), -np.inf)
        better = remaining > highest
        best[better], highest[better] = curve[better], remaining[better]
    return best


def _cumulative(curve: Floats, age: Floats) -> Floats:
    """Linear interpolation of each woman's curve, shape (n, 6), at her ages, shape (n, k)."""
    knots = np.array(load_table("claus1994")["ages"], dtype=float)
    left = np.clip(np.searchsorted(knots, age, side="right") - 1, 0, len(knots) - 2)
    rows = np.arange(len(curve))[:, None]
    share = (age - knots[left]) / (knots[left + 1] - knots[left])
    return np.asarray(curve[rows, left] + share * (curve[rows, left + 1] - curve[rows, left]))
