"""What a domain guard sees of an exam."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.typing import Floats
from mammorisk.inputs.exam_set import TOKENS_PER_EXAM, ExamSet
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.inputs.grey_statistics import grey_statistics


def guard_features(exams: ExamSet, features: NDArray[Any]) -> Floats:
    """Return the features and the grey statistics of each view, for a domain guard.

    Parameters
    ----------
    exams : ExamSet, n exams
    features : ndarray, shape (n, tokens, n_features)
        By the encoder.

    Returns
    -------
    ndarray, shape (n, 4, d)
        NaN without a view. Without pixels (a :class:`~mammorisk.inputs.feature_set.FeatureSet`)
        there are no grey statistics.
    """
    there = exams.present[:, :TOKENS_PER_EXAM, None]
    seen = np.where(there, features[:, :TOKENS_PER_EXAM].astype(np.float64), np.nan)
    if isinstance(exams, FeatureSet):
        return seen
    return np.concatenate([seen, grey_statistics(exams)], axis=2)
