"""Missing values of the manifest, in all exams and by site."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk._utils.text import as_labels
from mammorisk.cohort_check.facts import UNKNOWN
from mammorisk.records.questionnaire_fields import FIELDS, blank_to_none
from mammorisk.warnings import ResultWarning, make_warning

_MORE = ("exam_date", "site", "vendor")
#: Answers that many women do not have: no birth, no menopause, no hormones.
_CONDITIONAL = ("age_first_birth", "age_menopause", "menopause_type", "hrt_type")
#: Shares of missing values of a site between which no warning is given.
_NEARLY_ALL, _FEW = 0.9, 0.1
#: Smallest number of exams of a site in a comparison.
_FEWEST_EXAMS = 20
_MOST = 0.5


def missing_table(table: pd.DataFrame) -> pd.DataFrame:
    """Share of missing values of each field that the manifest has.

    Returns
    -------
    DataFrame
        ``field``, ``missing`` (exams), ``share``; with a column ``site`` also ``lowest_site`` and
        ``lowest_share``, ``highest_site`` and ``highest_share``, of sites with 20 exams or more.
    """
    columns = [name for name in (*FIELDS, *_MORE) if name in table]
    sites = as_labels(table["site"], UNKNOWN).to_numpy(dtype=object) if "site" in table else None
    rows = []
    for name in columns:
        gone = _is_missing(table[name])
        row = {"field": name, "missing": int(gone.sum()), "share": float(gone.mean())}
        if sites is not None and name != "site":
            shares = {
                str(site): float(gone[sites == site].mean())
                for site in sorted(set(sites))
                if (sites == site).sum() >= _FEWEST_EXAMS
            }
            if shares:
                lowest = min(shares, key=shares.__getitem__)
                highest = max(shares, key=shares.__getitem__)
                row |= {"lowest_site": lowest, "lowest_share": shares[lowest]}
                row |= {"highest_site": highest, "highest_share": shares[highest]}
        rows.append(row)
    names = ["field", "missing", "share"]
    more = ["lowest_site", "lowest_share", "highest_site", "highest_share"]
    found = pd.DataFrame(rows)
    return found.reindex(columns=[*names, *(more if sites is not None else [])])


def doubt_missing(missing: pd.DataFrame) -> list[ResultWarning]:
    """Warn of fields that are missing for most women, or at some sites only."""
    found = []
    for _, row in missing.iterrows():
        highest, lowest = (row.get(name, np.nan) for name in ("highest_share", "lowest_share"))
        if highest >= _NEARLY_ALL and lowest <= _FEW:
            text = (
                f"{row['field']} is missing for {100 * highest:.0f}% of the exams of site "
                f"{row['highest_site']!r} and {100 * lowest:.0f}% of site {row['lowest_site']!r}"
            )
            found.append(make_warning("missing-by-site", text))
        elif row["share"] > _MOST and row["field"] not in _CONDITIONAL:
            text = f"{row['field']} is missing for {100 * row['share']:.0f}% of the exams"
            found.append(make_warning("field-missing", text))
    return found


def _is_missing(column: pd.Series) -> np.ndarray:
    if column.dtype == object or pd.api.types.is_string_dtype(column):
        # Words such as "unknown" count as missing.
        return column.map(lambda value: pd.isna(value) or blank_to_none(value) is None).to_numpy(
            dtype=bool
        )
    return column.isna().to_numpy(dtype=bool)
