"""Split into training and validation rows without common women (or sites, vendors, periods)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk._utils.text import as_labels
from mammorisk.errors import TrainingError
from mammorisk.records.split_words import TRAIN_WORDS, VALIDATION_WORDS, split_words
from mammorisk.risk_models.recipe import Split

#: Group of rows without site or vendor; it sorts before names.
_UNKNOWN = ""


def split_rows(
    exams: pd.DataFrame, *, by: Split, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of training and validation rows.

    Parameters
    ----------
    exams : DataFrame
        Table with ``patient_id``. A column ``split`` (train or validation; rows with other words
        are excluded) takes precedence over ``by``.
    by : {"patient", "site", "vendor", "time"}
        Unit of the split: a woman; all women of a site or vendor (column of that name); or the
        latest exams by ``exam_date``, with all exams of a woman on one side.
    share : float
        Share of the women, sites or vendors in validation.
    seed : int

    Returns
    -------
    train, validation : ndarray of int

    Raises
    ------
    TrainingError
        A column is missing, one side is empty, or a woman is on both sides.
    """
    words = split_words(exams)
    if words is not None:
        train = np.flatnonzero(words.isin(TRAIN_WORDS))
        validation = np.flatnonzero(words.isin(VALIDATION_WORDS))
    else:
        inside = _validation(exams, by, share, seed)
        train, validation = np.flatnonzero(~inside), np.flatnonzero(inside)
    if not len(train) or not len(validation):
        raise TrainingError(
            "the split leaves no rows for training or none for validation",
            remedy="Change split_by or validation_share, or the column split.",
        )
    check_leakage(exams, train, validation)
    return train, validation


def _validation(exams: pd.DataFrame, by: Split, share: float, seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    column = {"patient": "patient_id", "site": "site", "vendor": "vendor", "time": "exam_date"}[by]
    if column not in exams.columns:
        raise TrainingError(
            f"the cohort has no column {column}", remedy="Choose another split_by in the recipe."
        )
    if by == "time":
        last = pd.to_datetime(exams[column]).groupby(exams["patient_id"]).transform("max")
        return (
            (last.rank(method="first") > (1 - share) * len(exams))
            .groupby(exams["patient_id"])
            .transform("max")
            .to_numpy(dtype=bool)
        )
    if by == "patient" and "event" in exams.columns:
        # Stratified by cancer, because events are few.
        cancer = (exams["event"] == 1).groupby(exams["patient_id"]).transform("max").to_numpy()
        inside = np.zeros(len(exams), dtype=bool)
        for part in (cancer, ~cancer):
            if part.any():
                inside |= part & _chosen(as_labels(exams[column], _UNKNOWN), part, share, rng)
        return inside
    groups = as_labels(exams[column], _UNKNOWN)
    return _chosen(groups, np.ones(len(exams), dtype=bool), share, rng)


def _chosen(
    groups: pd.Series, among: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    names = np.sort(groups[among].unique())
    chosen = rng.permutation(names)[: max(1, round(share * len(names)))]
    return np.asarray(groups.isin(chosen))


def check_leakage(
    exams: pd.DataFrame, train: NDArray[np.int64], validation: NDArray[np.int64]
) -> None:
    """Refuse a split in which a woman is on both sides.

    Raises
    ------
    TrainingError
    """
    ids = exams["patient_id"].astype(str).to_numpy()
    both = np.intersect1d(ids[train], ids[validation])
    if len(both):
        raise TrainingError(
            f"{len(both)} women are in both training and validation",
            remedy="Give all exams of a woman the same split.",
        )
