"""Labels of groups as codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammorisk.errors import EvaluationError
from mammorisk.records.outcome import Outcome


def group_codes(
    labels: ArrayLike, outcome: Outcome, *, where: str
) -> tuple[NDArray[np.int64], int]:
    """Codes from 0 of sorted labels, and the number of labels.

    Parameters
    ----------
    labels : array_like, shape (n,)
    outcome : Outcome
        Outcome with the rows of the labels.
    where : str
        Name of the argument, for the messages.

    Raises
    ------
    EvaluationError
        The number of labels is not the number of rows, or labels are missing.
    """
    import pandas as pd

    code, found = pd.factorize(outcome.written_out(np.asarray(labels)), sort=True)
    if len(code) != len(outcome):
        raise EvaluationError(
            f"{len(code)} labels where there are {len(outcome)} rows", where=where
        )
    if (code < 0).any():
        raise EvaluationError("a label is missing", where=where, remedy="Leave such rows out.")
    return code.astype(np.int64), len(found)
