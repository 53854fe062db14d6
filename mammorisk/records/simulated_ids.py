"""Recognition of simulated women by their identifiers."""

from __future__ import annotations

import pandas as pd

#: Start of the identifiers of :func:`mammorisk.simulate`.
SIMULATED_PREFIX = "SIM-"


def are_simulated(table: pd.DataFrame) -> bool:
    """Return whether the identifiers of all rows are those of :func:`mammorisk.simulate`.

    Parameters
    ----------
    table : DataFrame
        Columns ``patient_id``, ``exam_id`` or both; without them the result is False.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.records.simulated_ids import are_simulated
    >>> are_simulated(pd.DataFrame({"patient_id": ["SIM-00000001"]}))
    True
    """
    keys = [key for key in ("patient_id", "exam_id") if key in table.columns]
    return any(bool(table[key].astype(str).str.startswith(SIMULATED_PREFIX).all()) for key in keys)
