"""The four race groups of the BCSC 2008 model, and the group of each answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mammorisk.clinical.answers import Answers
from mammorisk.clinical.notes import Notes

GROUPS = ("white", "black", "asian", "hispanic")

ASIAN_AND_PACIFIC = (
    "chinese",
    "japanese",
    "filipino",
    "hawaiian",
    "pacific_islander",
    "other_asian",
)
_GROUP_OF = {
    "white": 0,
    "black": 1,
    **dict.fromkeys(ASIAN_AND_PACIFIC, 2),
    "hispanic_us_born": 3,
    "hispanic_foreign_born": 3,
}


def density_race_group(women: Answers, notes: Notes | None = None) -> NDArray[np.int64]:
    """Return the position in ``GROUPS``. Women outside the four groups count as white.

    Parameters
    ----------
    women : Answers
    notes : Notes, optional
        Receives a note for every woman whose own group is not in the model.
    """
    if notes is not None:
        known = women.is_in("race_ethnicity", *_GROUP_OF)
        unnamed = women.is_in("race_ethnicity", "native_american", "other")
        notes.add(unnamed, "race-assumed", "race group not in the model: counted as white")
        notes.add(~known & ~unnamed, "race-assumed", "race unknown: counted as white")
        notes.add(
            women.is_in("race_ethnicity", *ASIAN_AND_PACIFIC),
            "race-assumed",
            "Asian and Pacific Islander groups are counted as one",
        )
    return women.lookup("race_ethnicity", _GROUP_OF, 0).astype(np.int64)
