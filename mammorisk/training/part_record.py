"""What the record of a training says of the exams of a part."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mammorisk._utils.text import as_labels
from mammorisk._utils.typing import Rows
from mammorisk.training.outcomes import Outcomes


def part_record(exams: pd.DataFrame, rows: Rows, outcomes: Outcomes) -> dict[str, Any]:
    """Count exams, women and cancers of some rows, by site and vendor too.

    Parameters
    ----------
    exams : DataFrame, n rows
        Table of the cohort.
    rows : ndarray of int
    outcomes : Outcomes, n women

    Returns
    -------
    dict
        ``exams``, ``women``, ``cancers``, ``weighted_women``, and the exams by ``site`` and
        ``vendor`` if the table has these columns.
    """
    told: dict[str, Any] = {
        "exams": len(rows),
        "women": int(exams["patient_id"].iloc[rows].nunique()),
        "cancers": int((outcomes.event[rows] == 1).sum()),
        "weighted_women": float(outcomes.weight[rows].double().sum()),
    }
    for name in ("site", "vendor"):
        if name in exams.columns:
            counts = as_labels(exams[name].iloc[rows], "unknown").value_counts()
            told[name] = {str(label): int(count) for label, count in counts.items()}
    return told
