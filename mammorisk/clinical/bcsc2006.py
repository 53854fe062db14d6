"""BCSC 2006: one-year risk of invasive or in situ breast cancer after a screening mammogram.

Source: Barlow WE et al. J Natl Cancer Inst 2006;98:1204-14, doi:10.1093/jnci/djj331. The
coefficients are those of a public calculator and were not checked against the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mammorisk.base import Horizon, ModelCard
from mammorisk.clinical.answers import Answers, any_biopsy
from mammorisk.clinical.density_race import ASIAN_AND_PACIFIC
from mammorisk.clinical.notes import Notes
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.clinical.tables import load_table

Floats = NDArray[np.float64]
Labels = NDArray[np.str_]

#: Ages in completed years for which the two parts have coefficients.
_PRE_AGES, _POST_AGES = (35, 54), (45, 84)

_RACE = {
    "white": "white",
    "black": "african_american",
    "native_american": "native_american",
    **dict.fromkeys(ASIAN_AND_PACIFIC, "asian_pacific_islander"),
    "other": "other_mixed",
}
_HISPANIC = {
    **dict.fromkeys(_RACE, "no"),
    "hispanic_us_born": "yes",
    "hispanic_foreign_born": "yes",
}
#: Factors by the model's own names, and their Questionnaire fields.
_FIELDS = {
    "breast_procedure": "biopsies",
    "density": "breast_density",
    "hormone_therapy": "hrt_use",
}


@dataclass(frozen=True, repr=False)
class Bcsc2006(ClinicalModel):
    """The Breast Cancer Surveillance Consortium model of 2006 (Barlow): one year only.

    Its risk must not be scaled to other horizons: the cancers found in the year after a screen
    include cancers that screening detects earlier, also in situ.

    See Also
    --------
    mammorisk.load_model : Loads a model by name.
    mammorisk.models : Lists the models.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"age": [54, 54], "breast_density": ["b", "d"]})
    >>> mr.load_model("bcsc-2006").predict(women, horizons=1)["risk_1y"].round(4).tolist()
    [nan, nan]
    """

    end_of_data: ClassVar[float] = np.inf
    results_as_biopsy: ClassVar[bool] = True
    longest: ClassVar[float] = 1
    factors: ClassVar[tuple[str, ...]] = (
        "age",
        "biopsies",
        "first_degree_relatives",
        "breast_density",
        "hispanic",
        "race",
        "bmi",
        "age_first_birth",
        "hrt_use",
        "menopause_type",
        "last_mammogram",
    )
    card: ClassVar[ModelCard] = ModelCard(
        name="bcsc-2006",
        title="BCSC one-year model (Barlow 2006)",
        family="density",
        inputs=(
            "age",
            "race_ethnicity",
            "menopausal_status",
            "age_menopause",
            "menopause_type",
            "breast_density",
            "first_degree_relatives",
            "biopsies",
            "atypical_hyperplasia",
            "lcis",
            "bmi",
            "parity",
            "age_first_birth",
            "hrt_use",
            "last_mammogram",
        ),
        required=("age", "menopausal_status"),
        outcome="invasive or in situ",
        ages=(35, 84),
        horizons="1 year only",
        competing_mortality=False,
        training_data="2,392,998 screening mammograms of 1,007,600 women (US, 1996-2001)",
        source="doi:10.1093/jnci/djj331, coefficients from a public calculator",
        licence="published constants",
        intended_use="women of 35-84 without breast cancer at a screening mammogram",
        limits="coefficients not checked against the paper; one year only; counts in situ cancer",
    )

    def answers(self, horizon: Horizon) -> bool:
        return horizon == 1

    def _refuse(self, women: Answers, refusals: Notes) -> None:
        after, before = self._menopause(women)
        age = women.completed_age
        refusals.add(~after & ~before, "answer-missing", "menopausal status unknown at 45-54")
        refusals.add(before & (age > _PRE_AGES[1]), "not-applicable", "premenopausal over 54")
        refusals.add(after & (age < _POST_AGES[0]), "not-applicable", "postmenopausal under 45")

    def _menopause(self, women: Answers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Women scored as postmenopausal and as premenopausal; neither where not known."""
        age = women.completed_age
        told_after = women.is_in("menopausal_status", "post")
        told_before = women.is_in("menopausal_status", "pre", "peri")
        implied = ~women.unknown("age_menopause") | ~women.unknown("menopause_type")
        after = told_after | (~told_before & (implied | (age > _PRE_AGES[1])))
        return after, told_before | (~after & (age < _POST_AGES[0]))

    def _assess(
        self, women: Answers, end: Floats, notes: Notes
    ) -> tuple[Floats, Mapping[str, Floats]]:
        after, _ = self._menopause(women)
        notes.add(
            women.is_in("menopausal_status", "peri"),
            "answer-assumed",
            "perimenopausal: scored as premenopausal",
        )
        assumed = women.unknown("menopausal_status") & women.unknown("age_menopause")
        notes.add(
            assumed & women.unknown("menopause_type"),
            "answer-assumed",
            "menopausal status assumed from age",
        )
        table = load_table("bcsc2006")
        answers = _categories(women)
        logit = np.full(len(women), np.nan)
        factors: dict[str, Floats] = {}
        for part, rows in (("premenopausal", ~after), ("postmenopausal", after)):
            total = np.full(int(rows.sum()), table[part]["intercept"])
            for factor, coefficients in table[part].items():
                if factor == "intercept":
                    continue
                labels = answers[factor][rows]
                values = _lookup(labels, coefficients)
                total = total + values
                field = _FIELDS.get(factor, factor)
                factors.setdefault(field, np.full(len(women), np.nan))[rows] = values
                unknown = np.zeros(len(women), dtype=bool)
                unknown[rows] = labels == "unknown"
                notes.add(
                    unknown,
                    "unknown-category",
                    field,
                    under="unknown, which is a category of the model",
                )
            logit[rows] = total
        risk = 1 / (1 + np.exp(-logit))
        return np.where(np.isnan(end), np.nan, risk[:, None]), factors


def _lookup(labels: Labels, coefficients: dict[str, float]) -> Floats:
    names, values = list(coefficients), np.array(list(coefficients.values()))
    order = np.argsort(names)
    position = np.searchsorted(names, labels, sorter=order)
    return np.asarray(values[order[position]])


def _bands(values: Floats, edges: list[float], labels: list[str]) -> Labels:
    """Label of the band of each value, lower edge inclusive; ``"unknown"`` for NaN."""
    band = np.array(labels)[np.searchsorted(edges, values, side="right") % len(labels)]
    return np.where(np.isnan(values), "unknown", band)


def _categories(women: Answers) -> dict[str, Labels]:
    """Categories of the model, by its own factor names."""
    ages = list(range(35, 85, 5))
    age_bands = [f"{low}-{low + 4}" for low in ages]
    birth = _bands(women.number("age_first_birth"), [30], ["<30", ">=30"])
    return {
        "age": _bands(women.completed_age, [*map(float, ages[1:])], age_bands),
        "breast_procedure": _bands(any_biopsy(women), [1], ["no", "yes"]),
        "first_degree_relatives": _bands(
            women.number("first_degree_relatives"), [1, 2], ["0", "1", "2+"]
        ),
        "density": women.lookup("breast_density", {c: c for c in "abcd"}, "unknown"),
        "hispanic": women.lookup("race_ethnicity", _HISPANIC, "unknown"),
        "race": women.lookup("race_ethnicity", _RACE, "unknown"),
        "bmi": _bands(
            women.number("bmi"), [25, 30, 35], ["10-24.99", "25-29.99", "30-34.99", "35+"]
        ),
        "age_first_birth": np.where(women.number("parity") == 0, "nulliparous", birth),
        "hormone_therapy": women.lookup(
            "hrt_use", {"never": "no", "former": "no", "current": "current"}, "unknown"
        ),
        "menopause_type": women.lookup(
            "menopause_type", {"natural": "natural", "surgical": "surgical"}, "unknown"
        ),
        "last_mammogram": women.lookup(
            "last_mammogram",
            {"negative": "negative", "false_positive": "false_positive"},
            "unknown",
        ),
    }
