"""Rules shared by all models for women to whom a model does not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mammorisk.clinical.answers import Answers
from mammorisk.clinical.notes import Notes, as_object_array
from mammorisk.warnings import Warnings, make_warning

if TYPE_CHECKING:
    import pandas as pd


def add_exclusions(
    women: Answers,
    refusals: Notes,
    *,
    ages: tuple[float, float],
    carriers: bool = True,
    lcis: bool = True,
) -> None:
    """Refuse women with a condition that the model does not cover, or outside its ages.

    Parameters
    ----------
    women : Answers
    refusals : Notes
        Receives the reasons.
    ages : tuple of (float, float)
        Ages in completed years, both inclusive.
    carriers, lcis : bool
        Whether BRCA1/2 carriers and women with lobular carcinoma in situ are refused.
    """
    refusals.add(
        women.yes("prior_breast_cancer"),
        "prior-breast-cancer",
        "not for women with prior breast cancer",
    )
    if lcis:
        refusals.add(women.yes("lcis"), "lcis", "not for women with LCIS")
    if carriers:
        refusals.add(
            women.is_in("brca", "brca1", "brca2"), "brca-carrier", "not for BRCA1/2 carriers"
        )
    low, high = ages
    age = women.completed_age
    refusals.add((age < low) | (age > high), "age-out-of-range", f"age outside {low:g}-{high:g}")


def exclusions(
    clean: pd.DataFrame, problems: pd.Series, ages: tuple[float, float]
) -> NDArray[np.object_]:
    """Return the reasons for which composite and fitted models refuse each woman.

    Prior breast cancer, a BRCA1/2 mutation and LCIS multiply the risk by factors that these models
    do not contain. Such women are refused at prediction and left out of a fit.

    Parameters
    ----------
    clean : DataFrame, n rows
        Result of :func:`mammorisk.records.questionnaire_table.check_frame`.
    problems : Series of tuple of str, n rows
        The second result of the same function.
    ages : tuple of (float, float)
        Ages in completed years to which the model applies, both inclusive.

    Returns
    -------
    ndarray of tuple of ResultWarning, shape (n,)
        Empty tuples where the model applies.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.clinical.exclusions import exclusions
    >>> from mammorisk.records.questionnaire_table import check_frame
    >>> women = pd.DataFrame({"age": [54, 54, 30], "brca": ["negative", "brca1", None]})
    >>> [str(*found) for found in exclusions(*check_frame(women), ages=(35, 89))]
    ['', 'not for BRCA1/2 carriers', 'age outside 35-89']
    """
    women = Answers(clean)
    refusals = Notes(len(women))
    add_exclusions(women, refusals, ages=ages)
    faults = as_records(problems.to_numpy(dtype=object))
    sound = np.array([not found for found in faults], dtype=bool)
    return np.where(sound, refusals.records(), faults)


def as_records(problems: NDArray[np.object_]) -> NDArray[np.object_]:
    """Convert the problems of each row to records. Many rows share the same texts."""
    known: dict[tuple[str, ...], Warnings] = {}
    for texts in problems:
        if texts not in known:
            known[texts] = tuple(make_warning("questionnaire-invalid", text) for text in texts)
    return as_object_array([known[texts] for texts in problems])
