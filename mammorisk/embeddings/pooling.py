"""Pooling of the views of an exam to one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from mammorisk._utils.text import text_array
from mammorisk.embeddings.columns import (
    ACQUISITION,
    CODES,
    ENCODER,
    IMPLANT,
    POOLED,
    ROW,
    feature_columns,
    feature_matrix,
)
from mammorisk.errors import EmbeddingError
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.inputs.pool_features import pool_features
from mammorisk.records.cohort import KEYS

if TYPE_CHECKING:
    import pandas as pd

Pool = Literal["mean", "max"]
POOLS = ("mean", "max")


def check_pool(pool: str) -> None:
    """Raise an error for an unknown way to pool.

    Raises
    ------
    EmbeddingError
    """
    if pool not in POOLS:
        raise EmbeddingError(f"there is no pooling {pool!r}", remedy=f"Known: {', '.join(POOLS)}.")


def pool_rows(table: pd.DataFrame, pool: str) -> pd.DataFrame:
    """Pool the rows of each exam.

    Parameters
    ----------
    table : DataFrame
        Rows of views. Pooled rows and those of earlier exams (``years_before`` above 0) are left
        out.
    pool : {"mean", "max"}
        Mean or maximum of each feature over the views.

    Returns
    -------
    DataFrame
        One row an exam, in the order of their first views. Numbers of the acquisition are means
        over the views, categories are those of the first view, ``implant`` is that of any view,
        and ``warning_codes`` are those of all views.
    """
    import pandas as pd

    used = table[(table["view"] != POOLED) & (table["years_before"] == 0)]
    exam = used.groupby(list(KEYS), sort=False).ngroup().to_numpy()
    first = np.flatnonzero(~pd.Series(exam).duplicated().to_numpy())
    pooled = pool_features(feature_matrix(used), exam, len(first), pool)
    found = used.iloc[first][[n for n in (*ROW, ENCODER, CODES, *ACQUISITION) if n in used.columns]]
    found = found.reset_index(drop=True)
    for name, how in (*((one, "mean") for one in ACQUISITION_NUMBERS), (IMPLANT, "any")):
        if name in used.columns:
            each = used[name].groupby(exam).agg(how).to_numpy()
            found[name] = each.astype(np.float32 if how == "mean" else bool)
    found["view"] = text_array([POOLED] * len(found))
    found["laterality"] = text_array([None] * len(found))
    if CODES in found.columns:
        codes: list[dict[str, None]] = [{} for _ in range(len(found))]
        for place, told in zip(exam, used[CODES].fillna(""), strict=True):
            codes[place].update(dict.fromkeys(code for code in str(told).split(",") if code))
        found[CODES] = text_array(",".join(one) for one in codes)
    return found.join(pd.DataFrame(pooled, columns=feature_columns(table.columns)))
