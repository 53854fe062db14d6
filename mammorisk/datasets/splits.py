"""Splits by woman, and a check that no woman is in two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mammorisk.errors import CohortError
from mammorisk.records.cohort import Cohort


def split_by_woman(
    cohort: Cohort | pd.DataFrame, fractions: Mapping[str, float], *, seed: int = 0
) -> pd.Series:
    """Assign each woman to one part.

    The part of a woman depends only on her id and the seed, so that it stays the same when rows
    are added, removed or sorted.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        With a column ``patient_id``.
    fractions : dict of str to float
        Share of the women by part, such as ``{"train": 0.7, "test": 0.3}``; they must add up to 1.
    seed : int

    Returns
    -------
    Series of str, shape (n,)
        The part of each row, with the index of ``cohort.exams``.

    Raises
    ------
    CohortError
        The fractions do not add up to 1, or there is no ``patient_id``.

    See Also
    --------
    mammorisk.datasets.check_split : Checks a split.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> exams = pd.DataFrame({"patient_id": ["w1", "w1", "w2", "w3", "w4"]})
    >>> part = mr.datasets.split_by_woman(exams, {"train": 0.5, "test": 0.5})
    >>> part.tolist()
    ['train', 'train', 'train', 'test', 'train']
    """
    table = cohort.exams if isinstance(cohort, Cohort) else cohort
    if "patient_id" not in table.columns:
        raise CohortError("the table has no column patient_id", where="cohort")
    shares = np.array([float(one) for one in fractions.values()])
    if len(shares) == 0 or (shares < 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise CohortError(
            "the fractions do not add up to 1",
            where="fractions",
            remedy='Pass, for example, {"train": 0.7, "test": 0.3}.',
        )
    edges = np.cumsum(shares)
    names = list(fractions)
    ids, uniques = pd.factorize(table["patient_id"].astype(str))
    place = np.array([_place(str(one), seed) for one in uniques])
    part = np.minimum(np.searchsorted(edges, place, side="right"), len(names) - 1)
    return pd.Series(np.array(names, dtype=object)[part][ids], index=table.index, name="split")


def _place(patient_id: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{patient_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def check_split(cohort: Cohort | pd.DataFrame, column: str = "split") -> pd.DataFrame:
    """List the women who are in several parts of a split.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        With a column ``patient_id`` and the split.
    column : str
        Column of the split.

    Returns
    -------
    DataFrame
        One row for each woman in several parts, with the number of rows in each part; empty if no
        woman is in several parts. Rows without a part are ignored.

    Raises
    ------
    CohortError
        There is no such column.

    See Also
    --------
    mammorisk.datasets.split_by_woman : Makes a split.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> exams = pd.DataFrame(
    ...     {"patient_id": ["w1", "w1", "w2"], "split": ["train", "test", "test"]}
    ... )
    >>> mr.datasets.check_split(exams)
    split       test  train
    patient_id
    w1             1      1
    """
    table = cohort.exams if isinstance(cohort, Cohort) else cohort
    for name in ("patient_id", column):
        if name not in table.columns:
            raise CohortError(f"the table has no column {name}", where="cohort")
    known = table[table[column].notna()]
    counts = pd.crosstab(known["patient_id"], known[column])
    leaking: pd.DataFrame = counts[(counts > 0).sum(axis=1) > 1]
    return leaking
