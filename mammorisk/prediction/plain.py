"""Values of tables as plain JSON types, and warnings in JSON as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def plain_value(value: Any) -> Any:
    """Convert a cell to a JSON type; None if it is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from mammorisk.prediction.plain import plain_value
    >>> plain_value(np.float64(2)), plain_value(float("nan")), plain_value((41, 52))
    (2.0, None, [41.0, 52.0])
    """
    if isinstance(value, (list, tuple)):
        return [float(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    if value is None or str(value) in ("<NA>", "NaT") or value != value:
        return None
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def plain_series(series: pd.Series) -> dict[str, float | None]:
    """Convert a series of numbers to a JSON object, with horizons as text; None if missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from mammorisk.prediction.plain import plain_series
    >>> plain_series(pd.Series({1: 0.003, 5.0: None, "lifetime": 0.1}))
    {'1': 0.003, '5': None, 'lifetime': 0.1}
    """
    return {
        f"{key:g}" if isinstance(key, (int, float)) else str(key): (
            None if value is None or math.isnan(value) else float(value)
        )
        for key, value in series.items()
    }


def warning_text(warning: Mapping[str, Any]) -> str:
    """Return a warning of a result as text, with its views."""
    return f"{warning['view']}: {warning['text']}" if warning["view"] else str(warning["text"])
