"""Raw codes of the BCRAT (Gail) calculation: checks, categories and relative risk.

The columns and codes are those of the published software (R package BCRA). The checks are exactly
its own, including the unusual ones, so that the same rows are in error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mammorisk.clinical.notes import Notes
from mammorisk.clinical.tables import load_table

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Codes for an unknown answer and for no birth in the raw columns.
UNKNOWN, NO_BIRTH = 99, 98
_ERROR = "questionnaire-invalid"

COLUMNS = ("T1", "T2", "N_Biop", "HypPlas", "AgeMen", "Age1st", "N_Rels", "Race")

#: Groups in the order of their race code, 1 ... 11.
GROUPS: tuple[str, ...] = tuple(load_table("bcrat")["groups"])
_BLACK = GROUPS.index("black")
_HISPANIC_US = GROUPS.index("hispanic_us_born")
_HISPANIC = (_HISPANIC_US, GROUPS.index("hispanic_foreign_born"))
_FIRST_ASIAN = GROUPS.index("chinese")

#: Relative risk of atypical hyperplasia on biopsy: absent, present, unknown (Gail 1989).
HYPERPLASIA_FACTORS = {0: 0.93, 1: 1.82, UNKNOWN: 1.0}


@dataclass(frozen=True, kw_only=True)
class Categories:
    """Categories of the factors; NaN where a code has no category.

    Attributes
    ----------
    group : ndarray of int
        Position in :data:`GROUPS`; 0 where the race code is not valid, which is an error.
    biopsies, age_menarche, age_first_birth, relatives : ndarray of float
        Category 0, 1 or 2; 3 also for the age at first birth.
    hyperplasia : ndarray of float
        Factor on the relative risk.
    errors : Notes
        Reasons for which the published software gives no risk.
    """

    group: NDArray[np.int64]
    biopsies: Floats
    age_menarche: Floats
    age_first_birth: Floats
    relatives: Floats
    hyperplasia: Floats
    errors: Notes


def _choose(cases: list[tuple[Mask, float]]) -> Floats:
    masks, values = zip(*cases, strict=True)
    return np.select(masks, values, default=np.nan)


def categorise(raw: dict[str, Floats]) -> Categories:
    """Check raw codes and convert them to categories.

    Parameters
    ----------
    raw : dict of str to ndarray, shape (n,)
        Columns by name, as in :data:`COLUMNS`.

    Returns
    -------
    Categories
    """
    start, end = raw["T1"], raw["T2"]
    biopsies, hyperplasia = raw["N_Biop"], raw["HypPlas"]
    menarche, birth, relatives = raw["AgeMen"], raw["Age1st"], raw["N_Rels"]
    errors = Notes(len(start))

    errors.add(~((start >= 20) & (start < 90)), _ERROR, "T1 must be from 20 to under 90")
    errors.add(~(end <= 90), _ERROR, "T2 must be at most 90")
    errors.add(start >= end, _ERROR, "T1 must be below T2")

    none = (biopsies == 0) | (biopsies == UNKNOWN)
    odd = none & np.isfinite(hyperplasia) & (hyperplasia != UNKNOWN)
    errors.add(odd, _ERROR, "HypPlas must be 99 without a biopsy")
    known_code = np.isin(hyperplasia, list(HYPERPLASIA_FACTORS))
    # The software checks HypPlas only below 99 biopsies, and accepts a missing value.
    bad_code = (biopsies > 0) & (biopsies < 99) & np.isfinite(hyperplasia) & ~known_code
    errors.add(bad_code, _ERROR, "HypPlas must be 0, 1 or 99")
    # Any other number, 98 included, counts as two or more.
    biopsy = _choose([(none, 0), (biopsies == 1, 1), (np.isfinite(biopsies), 2)])
    factor = _choose(
        [(none & ~odd, 1.0)]
        + [((biopsy > 0) & (hyperplasia == code), f) for code, f in HYPERPLASIA_FACTORS.items()]
    )

    too_late = (menarche > start) & (menarche != UNKNOWN)
    menarche_category = _choose(
        [
            (too_late, np.nan),
            ((menarche >= 14) & (menarche <= start) | (menarche == UNKNOWN), 0),
            ((menarche >= 12) & (menarche < 14), 1),
            ((menarche > 0) & (menarche < 12), 2),
        ]
    )
    impossible = ((birth < menarche) & (menarche != UNKNOWN)) | ((birth > start) & (birth < 98))
    birth_category = _choose(
        [
            (impossible, np.nan),
            ((birth < 20) | (birth == UNKNOWN), 0),
            ((birth >= 20) & (birth < 25), 1),
            ((birth >= 25) & (birth < 30) | (birth == NO_BIRTH), 2),
            ((birth >= 30) & (birth < 98), 3),
        ]
    )
    relatives_category = _choose(
        [
            ((relatives == 0) | (relatives == UNKNOWN), 0),
            (relatives == 1, 1),
            ((relatives >= 2) & (relatives < 99), 2),
        ]
    )

    known_race = np.isin(raw["Race"], np.arange(1, len(GROUPS) + 1))
    group = np.where(known_race, raw["Race"], 1).astype(np.int64) - 1
    black = known_race & (group == _BLACK)
    # The model of black women does not use the first birth: the software accepts any value.
    birth_category[black] = 0
    errors.add(np.isnan(biopsy), _ERROR, "N_Biop missing")
    errors.add(
        np.isnan(menarche_category),
        _ERROR,
        "AgeMen missing, not above 0 or above T1",
    )
    errors.add(
        np.isnan(birth_category),
        _ERROR,
        "Age1st missing, below AgeMen or above T1",
    )
    errors.add(np.isnan(relatives_category), _ERROR, "N_Rels missing or not a count")
    errors.add(~known_race, _ERROR, "Race must be from 1 to 11")

    # Race rules: CARE (black), SFBCS (Hispanic), AABCS (Asian and Pacific) models.
    menarche_category[black] = np.minimum(menarche_category[black], 1)
    hispanic = np.isin(group, _HISPANIC)
    biopsy[hispanic] = np.minimum(biopsy[hispanic], 1)
    later_birth = hispanic & (birth_category >= 2) & (birth != NO_BIRTH)
    birth_category[later_birth] -= 1
    menarche_category[group == _HISPANIC_US] = 0
    pooled = hispanic | (group >= _FIRST_ASIAN)
    relatives_category[pooled] = np.minimum(relatives_category[pooled], 1)

    return Categories(
        group=group,
        biopsies=biopsy,
        age_menarche=menarche_category,
        age_first_birth=birth_category,
        relatives=relatives_category,
        hyperplasia=np.where(known_race, factor, np.nan),
        errors=errors,
    )


#: Factors of the relative risk, named after Questionnaire fields.
FACTORS = (
    "biopsies",
    "atypical_hyperplasia",
    "age_menarche",
    "age_first_birth",
    "first_degree_relatives",
    "age_first_birth x first_degree_relatives",
)


@cache
def _coefficients() -> Floats:
    return np.array([group["beta"] for group in load_table("bcrat")["groups"].values()])


def log_relative_risk(categories: Categories, *, from_50: bool) -> dict[str, Floats]:
    """Compute the log relative risk by factor (:data:`FACTORS`). The total is their sum.

    Parameters
    ----------
    categories : Categories
    from_50 : bool
        For ages from 50, at which the effect of biopsies is smaller; else for ages under 50.

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """
    beta = _coefficients()[categories.group].T
    birth, relatives = categories.age_first_birth, categories.relatives
    terms = (
        (beta[0] + (beta[4] if from_50 else 0.0)) * categories.biopsies,
        np.log(categories.hyperplasia),
        beta[1] * categories.age_menarche,
        beta[2] * birth,
        beta[3] * relatives,
        beta[5] * birth * relatives,
    )
    return dict(zip(FACTORS, terms, strict=True))
