"""Grouping of rows of images or findings to exams, and search of image files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

#: Densities in order; of two breasts the denser one counts (ACR BI-RADS Atlas, 5th edition).
DENSITIES = ("a", "b", "c", "d")


def exam_keys(rows: pd.DataFrame) -> pd.DataFrame:
    """``patient_id`` and ``exam_id`` of every exam, in order of appearance."""
    exams = rows.groupby("exam_id", sort=False)[["patient_id"]].first().reset_index()
    return exams[["patient_id", "exam_id"]]


def one_value(rows: pd.DataFrame, by: str, column: str) -> tuple[pd.Series, np.ndarray]:
    """Value that is the same in all rows of a group.

    Returns
    -------
    values : Series
        By group, in order of appearance; empty where the rows differ or none has a value.
    differ : ndarray of bool, shape (n_groups,)
        Groups whose rows differ.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.datasets.grouping import one_value
    >>> rows = pd.DataFrame({"exam": ["a", "a", "b", "b"], "age": [50, None, 60, 61]})
    >>> values, differ = one_value(rows, "exam", "age")
    >>> values.tolist(), differ.tolist()
    ([50.0, nan], [False, True])
    """
    groups = rows.groupby(by, sort=False)[column]
    differ = groups.nunique() > 1
    return groups.first().mask(differ), differ.to_numpy()


def densest(rows: pd.DataFrame, by: str, column: str) -> pd.Series:
    """The highest density a to d by group, in order of appearance; empty where none is known."""
    level = rows[column].map({one: i for i, one in enumerate(DENSITIES)})
    highest = level.groupby(rows[by], sort=False).max()
    return highest.map(dict(enumerate(DENSITIES)))


def list_images(root: Path, suffixes: Sequence[str]) -> list[str]:
    """Image files below a folder, as paths relative to it, sorted."""
    found = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(tuple(suffixes)):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return found


def image_paths(root: Path, names: pd.Series, suffixes: Sequence[str]) -> pd.Series:
    """Paths of files that a table names without their folder; the name itself if there is none."""
    by_name: dict[str, str] = {}
    for path in list_images(root, suffixes):
        name = os.path.basename(path)
        by_name.setdefault(name, path)
        by_name.setdefault(os.path.splitext(name)[0], path)
    return names.map(lambda name: by_name.get(str(name), str(name)))
