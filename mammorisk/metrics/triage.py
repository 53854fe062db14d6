"""Triage: exams that are not read because their score is low, and the cancers missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mammorisk.errors import EvaluationError
from mammorisk.metrics.estimate import Estimate
from mammorisk.metrics.proportions import ProportionInterval, proportion

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class TriagePoint:
    """Published operating point: shares of exams not read and of cancers missed.

    Attributes
    ----------
    name : str
        Study and threshold.
    not_read, cancers_missed : float
        Shares in [0, 1] of the exams and of the cancers.

    See Also
    --------
    triage_curve : Computes the curve of a score.

    Examples
    --------
    >>> from mammorisk.metrics import PUBLISHED_TRIAGE_POINTS
    >>> PUBLISHED_TRIAGE_POINTS[0].cancers_missed
    0.01
    """

    name: str
    not_read: float
    cancers_missed: float


#: 2,652 exams with 653 cancers, an AI score of 1 to 10; not read at or below the threshold
#: (Rodriguez-Ruiz 2019, doi 10.1007/s00330-019-06186-9).
PUBLISHED_TRIAGE_POINTS = (
    TriagePoint(name="Rodriguez-Ruiz 2019, threshold 2", not_read=0.17, cancers_missed=0.01),
    TriagePoint(name="Rodriguez-Ruiz 2019, threshold 5", not_read=0.47, cancers_missed=0.07),
)


def triage_point(
    cancer: ArrayLike,
    score: ArrayLike,
    threshold: float,
    *,
    false_positive: ArrayLike | None = None,
    ci: ProportionInterval = "wilson",
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Effect of not reading exams whose score is at most a threshold.

    Parameters
    ----------
    cancer : array_like of 0/1, shape (n,)
        1 for cancer by the reference standard of the study, such as screen-detected cancer.
    score : array_like, shape (n,)
    threshold : float
    false_positive : array_like of 0/1, shape (n,), optional
        1 for women recalled without cancer.
    ci : {"wilson", "wald", "exact"}
    level : float

    Returns
    -------
    dict of Estimate
        ``not_read``, ``cancers_missed`` and, if ``false_positive`` is given,
        ``false_positives_avoided``.

    See Also
    --------
    triage_curve : Share of exams not read and of cancers missed at every threshold.

    References
    ----------
    Rodriguez-Ruiz 2019, doi 10.1007/s00330-019-06186-9; Lång 2021, doi
    10.1007/s00330-020-07165-1.

    Examples
    --------
    >>> from mammorisk.metrics import triage_point
    >>> found = triage_point([0, 0, 1, 0, 1], [1, 2, 2, 5, 9], 2)
    >>> for estimate in found.values():
    ...     print(estimate)
    exams not read: 0.6 (0.2307 to 0.8824)
    cancers missed: 0.5 (0.09453 to 0.9055)
    """
    y, x = _pair(cancer, score)
    left = x <= threshold
    options = {"ci": ci, "level": level}
    found = {
        "not_read": proportion("exams not read", int(left.sum()), len(x), **options),  # type: ignore[arg-type]
        "cancers_missed": proportion(
            "cancers missed",
            int((left & y).sum()),
            int(y.sum()),
            **options,  # type: ignore[arg-type]
        ),
    }
    if false_positive is not None:
        wrong, _ = _pair(false_positive, score)
        found["false_positives_avoided"] = proportion(
            "false positives avoided",
            int((left & wrong).sum()),
            int(wrong.sum()),
            **options,  # type: ignore[arg-type]
        )
    return found


def triage_curve(cancer: ArrayLike, score: ArrayLike) -> pd.DataFrame:
    """Share of exams not read and of cancers missed at every threshold.

    Parameters
    ----------
    cancer : array_like of 0/1, shape (n,)
        1 for cancer by the reference standard of the study, such as screen-detected cancer.
    score : array_like, shape (n,)
        Higher for more suspicion.

    Returns
    -------
    DataFrame
        Columns ``threshold`` (not read at or below it; minus infinity reads all), ``not_read``,
        ``cancers_missed``.

    Raises
    ------
    EvaluationError
        There is no cancer, or the lengths of the arrays differ.

    See Also
    --------
    triage_point : Effect of not reading exams whose score is at most a threshold.

    Examples
    --------
    >>> from mammorisk.metrics import triage_curve
    >>> print(triage_curve([0, 0, 1, 0, 1], [1, 2, 2, 5, 9]).round(2).to_string())
       threshold  not_read  cancers_missed
    0       -inf       0.0             0.0
    1        1.0       0.2             0.0
    2        2.0       0.6             0.5
    3        5.0       0.8             0.5
    4        9.0       1.0             1.0
    """
    import pandas as pd

    y, x = _pair(cancer, score)
    values, place = np.unique(x, return_inverse=True)
    if not y.any():
        raise EvaluationError("there are no cancers", where="cancer")
    return pd.DataFrame(
        {
            "threshold": np.r_[-np.inf, values],
            "not_read": np.r_[0.0, np.cumsum(np.bincount(place)) / len(x)],
            "cancers_missed": np.r_[0.0, np.cumsum(np.bincount(place, y)) / y.sum()],
        }
    )


def _pair(cancer: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.asarray(cancer, dtype=float), np.asarray(score, dtype=float)
    if y.shape != x.shape or y.ndim != 1 or len(y) == 0:
        raise EvaluationError(
            "cancers and scores must have the same length, at least one", where="triage"
        )
    if not np.isin(y, (0, 1)).all() or not np.isfinite(x).all():
        raise EvaluationError("cancers must be 0 or 1 and scores finite", where="triage")
    return y == 1, x
