"""Folds by woman, with the cancers spread over them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.text import as_labels
from mammorisk._utils.typing import Rows
from mammorisk.errors import TrainingError


def folds_by_woman(
    exams: pd.DataFrame, rows: Rows, case: NDArray[np.bool_], folds: int, seed: int
) -> list[Rows]:
    """Divide rows into folds. All exams of a woman are in one fold.

    Parameters
    ----------
    exams : DataFrame, n rows
        With ``patient_id``.
    rows : ndarray of int
        Rows to divide.
    case : ndarray of bool, shape (n,)
        Exams with cancer. Women with cancer are divided separately from the others.
    folds : int
    seed : int

    Returns
    -------
    list of ndarray of int
        Rows of each fold.

    Raises
    ------
    TrainingError
        There are fewer women with cancer than folds.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from mammorisk.training.folds import folds_by_woman
    >>> exams = pd.DataFrame({"patient_id": ["a", "b", "c", "c", "d"]})
    >>> case = np.array([True, False, True, False, False])
    >>> [one.tolist() for one in folds_by_woman(exams, np.arange(5), case, 2, seed=0)]
    [[0, 1], [2, 3, 4]]
    """
    ids = as_labels(exams["patient_id"].iloc[rows], "").to_numpy()
    names, woman = np.unique(ids, return_inverse=True)
    has_cancer = np.zeros(len(names), dtype=bool)
    np.logical_or.at(has_cancer, woman, case[rows])
    if has_cancer.sum() < folds:
        raise TrainingError(
            f"{int(has_cancer.sum())} women with cancer cannot be divided into {folds} folds",
            remedy="Use fewer folds, or more data.",
        )
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(names), dtype=np.int64)
    for part in (has_cancer, ~has_cancer):
        places = np.flatnonzero(part)
        fold[rng.permutation(places)] = np.arange(len(places)) % folds
    return [rows[fold[woman] == one] for one in range(folds)]
