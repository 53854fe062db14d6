"""Rows that represent many women with equal answers; their number is a weight."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk.datasets.adapter import Reading
from mammorisk.datasets.questionnaire_mapping import map_questionnaire, read_mapping
from mammorisk.datasets.release_files import numbers, whole_codes


def read_groups(reading: Reading, table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Questionnaires of groups of women.

    Parameters
    ----------
    reading : Reading
        Its layout has the mapping as ``codes["questionnaire"]``.
    table : str
        Name of the table in the account of rows.
    rows : DataFrame
        With a column ``count``.

    Returns
    -------
    DataFrame
        Questionnaire fields, ``frequency_weight``, keys from the position of the row, and the
        columns of the release. Rows with a code that the release does not define are excluded.
    """
    count, _ = numbers(rows["count"])
    wrong = ~(count > 0) | (np.floor(count) != count)
    rows = reading.drop(table, rows, wrong, "count is no positive whole number")
    for name in rows.columns:
        rows[name] = whole_codes(rows[name])
    mapping = reading.layout.codes["questionnaire"]
    for sources in read_mapping(mapping).fields.values():
        for source in sources:
            if source.others == "unknown":
                continue
            known = {*(source.values or {}), *map(str, source.missing)}
            column = rows[source.column]
            reason = f"a code of {source.column} that is not defined"
            rows = reading.drop(table, rows, column.notna() & ~column.isin(known), reason)
    weight, _ = numbers(rows["count"])
    found = map_questionnaire(rows, mapping, keep=False)
    # The middle of a group of ages may be less than an age at birth in the group.
    age = found["age"].astype(float)
    first = pd.to_numeric(found["age_first_birth"], errors="coerce")
    found["age"] = np.fmax(age, first)
    place = f"{table}:" + rows.index.astype(str)
    found.insert(0, "patient_id", place)
    found.insert(1, "exam_id", place)
    found["frequency_weight"] = weight
    rest = [name for name in rows.columns if name not in found and name != "count"]
    return pd.concat([found, rows[rest]], axis=1).reset_index(drop=True)
