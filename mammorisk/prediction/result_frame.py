"""A result as a table of one row, in the columns of the table of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mammorisk.errors import ManifestError
from mammorisk.prediction.plain import warning_text
from mammorisk.records.alignment import risk_column

if TYPE_CHECKING:
    import pandas as pd


def result_frame(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return a result as a table of one row, for policies.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.

    Returns
    -------
    DataFrame, 1 row
        ``model``, ``risk_1y`` ... (with ``_lower`` and ``_upper``), ``images_used``, ``warnings``,
        ``warning_codes`` and the known answers. A breast density that was estimated from the images
        is none of them.

    Raises
    ------
    ManifestError
        It is not a result.
    """
    import pandas as pd

    try:
        row: dict[str, Any] = {"model": result["model"]}
        for horizon, risk in result["risk"].items():
            row[_column(horizon)] = _float(risk)
        for limit in ("lower", "upper"):
            for horizon, value in (result["interval"] or {}).get(limit, {}).items():
                row[f"{_column(horizon)}_{limit}"] = _float(value)
        row["images_used"] = result["images_used"]
        row["warnings"] = "; ".join(warning_text(one) for one in result["warnings"])
        row["warning_codes"] = ",".join(dict.fromkeys(one["code"] for one in result["warnings"]))
        row |= result["answers"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(
            f"this is not a result ({type(error).__name__})",
            remedy="Give the JSON that `mammorisk predict --json` prints.",
        ) from None
    return pd.DataFrame([row])


def _column(horizon: str) -> str:
    return risk_column("lifetime" if horizon == "lifetime" else float(horizon))


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
