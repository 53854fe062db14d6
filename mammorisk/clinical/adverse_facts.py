"""Warnings about facts that raise a woman's risk but that a model does not use."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from mammorisk.clinical.answers import Answers
from mammorisk.clinical.notes import Notes
from mammorisk.records.questionnaire_fields import RELATIVES

#: Fields whose affected relatives are counted by ``first_degree_relatives`` too.
FIRST_DEGREE = ("onset_mother", "onset_daughters", "onset_full_sisters")
SECOND_DEGREE = tuple(field for field in RELATIVES if field not in FIRST_DEGREE)
#: Facts that some models count as a biopsy only.
BIOPSY_RESULTS = ("atypical_hyperplasia", "lcis")

_CODE = "adverse-fact-not-used"


def adverse_facts(women: Answers) -> dict[str, NDArray[np.bool_]]:
    """Find the facts that raise the risk of each woman.

    Parameters
    ----------
    women : Answers, n women

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        By name: a Questionnaire field, ``"first_degree_onset"`` (an affected relative of the first
        degree who is not counted in ``first_degree_relatives``) or ``"second_degree_onset"``.
    """
    counted = women.number("first_degree_relatives")
    return {
        "first_degree_relatives": counted > 0,
        "first_degree_onset": _any_onset(women, FIRST_DEGREE) & ~(counted > 0),
        "second_degree_onset": _any_onset(women, SECOND_DEGREE),
        "biopsies": women.number("biopsies") > 0,
        "atypical_hyperplasia": women.yes("atypical_hyperplasia"),
        "lcis": women.yes("lcis"),
        "brca": women.is_in("brca", "brca1", "brca2"),
        "ashkenazi": women.yes("ashkenazi"),
        "ovarian_cancer": women.yes("ovarian_cancer"),
        "breast_density": women.is_in("breast_density", "c", "d"),
    }


#: Name of a fact in warnings, and the fields with which a model uses it.
_TOLD: dict[str, tuple[str, tuple[str, ...]]] = {
    "first_degree_relatives": (
        "first-degree relatives with breast cancer",
        ("first_degree_relatives", *FIRST_DEGREE),
    ),
    "first_degree_onset": ("first-degree relatives given by age at onset only", FIRST_DEGREE),
    "second_degree_onset": ("second-degree relatives with breast cancer", SECOND_DEGREE),
    "biopsies": ("biopsies", ("biopsies",)),
    "atypical_hyperplasia": ("atypical hyperplasia", ("atypical_hyperplasia",)),
    "lcis": ("LCIS", ("lcis",)),
    "brca": ("BRCA1/2 mutation", ("brca",)),
    "ashkenazi": ("Ashkenazi ancestry", ("ashkenazi",)),
    "ovarian_cancer": ("ovarian cancer", ("ovarian_cancer",)),
    "breast_density": ("dense breasts", ("breast_density",)),
}


def add_unused_facts(
    women: Answers,
    notes: Notes,
    used: Collection[str],
    *,
    biopsy_only: bool = False,
    images: NDArray[np.bool_] | None = None,
) -> None:
    """Add warnings about facts that raise the risk but are not part of it.

    Parameters
    ----------
    women : Answers, n women
    notes : Notes
        Receives a warning ``"adverse-fact-not-used"`` for each woman concerned.
    used : collection of str
        Questionnaire fields that the model uses.
    biopsy_only : bool
        The model counts atypical hyperplasia and LCIS as a biopsy and does not use its result.
    images : ndarray of bool, shape (n,), optional
        Women whose images are used: they show the density.
    """
    for fact, rows in adverse_facts(women).items():
        text, fields = _TOLD[fact]
        if fact == "breast_density" and images is not None:
            rows = rows & ~images
        if biopsy_only and fact in BIOPSY_RESULTS:
            notes.add(rows, _CODE, text, under="counted as a biopsy only")
        elif not set(fields) & set(used):
            notes.add(rows, _CODE, text, under="not included in this risk")


def _any_onset(women: Answers, fields: tuple[str, ...]) -> NDArray[np.bool_]:
    found = np.zeros(len(women), dtype=bool)
    for field in fields:
        if women.has(field):
            found |= np.array([bool(ages) for ages in women.objects(field)], dtype=bool)
    return found
