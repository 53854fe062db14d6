"""The tab-separated file that CanRisk's script for its web service writes (run_webservice.py -t).

One block a woman: a line of column names, then a line for each age with the risk of breast cancer
up to that age, as ``risk (baseline risk)``. The ages start one year after her present age, by the
code of the service: the next five years, ten years from now, every age divisible by five up to 80.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from mammorisk.errors import ManifestError

#: Years from the present age that are read; the service gives them for every woman below 70.
_YEARS = (1, 2, 3, 4, 5, 10)
_LIFETIME_TO = 80
_RISK = re.compile(r"\s*([0-9.eE+-]+)\s*(?:\(.*\))?\s*")


def read_canrisk_service(path: Path) -> pd.DataFrame:
    """Read the file as a table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame
        One row a woman: ``FamID``, ``IndivID``, ``age`` (present, years), ``risk_1y`` ...
        ``risk_5y``, ``risk_10y``, ``risk_lifetime`` (to 80), fractions.

    Raises
    ------
    ManifestError
        The file is not of this kind.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ManifestError(
            "the table is not UTF-8 text", where=path.name, remedy="Save it as UTF-8."
        ) from None
    women: list[dict[str, object]] = []
    columns: list[str] | None = None
    ages: dict[int, float] = {}
    key: tuple[str, str] | None = None
    for number, line in enumerate([*lines, ""], start=1):
        fields = [field.strip() for field in line.split("\t")]
        if fields[0] == "FamID" or not line.strip():
            if key is not None and ages:
                women.append(_woman(key, ages))
            columns = fields if fields[0] == "FamID" else None
            key, ages = None, {}
        elif columns is not None and "BCRisk" in columns:
            # Blocks without BCRisk are those of the ovarian model.
            row = dict(zip(columns, fields, strict=False))
            found = _RISK.fullmatch(row.get("BCRisk", ""))
            if found is None or not row.get("Age", "").isdigit():
                raise ManifestError(
                    f"line {number} has no age or no risk", where=path.name, remedy=_REMEDY
                )
            key = (row["FamID"], row.get("IndivID", ""))
            ages[int(row["Age"])] = float(found.group(1))
    if not women:
        raise ManifestError(
            "the file has no risks of breast cancer", where=path.name, remedy=_REMEDY
        )
    return pd.DataFrame(women)


_REMEDY = 'Give the file of run_webservice.py -t, or format="canrisk" for another table.'


def _woman(key: tuple[str, str], ages: dict[int, float]) -> dict[str, object]:
    present = min(ages) - 1
    told: dict[str, object] = {"FamID": key[0], "IndivID": key[1], "age": present}
    told |= {f"risk_{year}y": ages.get(present + year) for year in _YEARS}
    return told | {"risk_lifetime": ages.get(_LIFETIME_TO)}
