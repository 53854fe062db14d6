"""Pooling of the features of views to one row an exam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pool_features(
    features: NDArray[np.float32], exam: NDArray[np.integer], n: int, how: str
) -> NDArray[np.float32]:
    """Pool the features of the views of each exam.

    Parameters
    ----------
    features : ndarray of float32, shape (m, n_features)
        One row a view.
    exam : ndarray of int, shape (m,)
        Exam of each view, from 0 to ``n - 1``.
    n : int
        Number of exams.
    how : {"mean", "max"}
        Mean or maximum of each feature over the views.

    Returns
    -------
    ndarray of float32, shape (n, n_features)
        NaN for an exam without views.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.inputs.pool_features import pool_features
    >>> views = np.array([[1, 5], [3, 4]], dtype=np.float32)
    >>> pool_features(views, np.array([0, 0]), 2, "mean").tolist()
    [[2.0, 4.5], [nan, nan]]
    """
    count = np.bincount(exam, minlength=n)[:, None]
    # In double precision, so that the order of the views does not matter.
    pooled = np.full((n, features.shape[1]), 0.0 if how == "mean" else -np.inf)
    if how == "mean":
        np.add.at(pooled, exam, features.astype(np.float64))
        pooled /= np.maximum(count, 1)
    else:
        np.maximum.at(pooled, exam, features)
    return np.where(count > 0, pooled, np.nan).astype(np.float32)
