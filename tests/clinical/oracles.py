"""Rows of other software's output: stored samples, or the whole files of a reference folder."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

STORED = Path(__file__).parents[1] / "data" / "clinical"

#: Environment variable that names a folder with the whole files.
VARIABLE = "MAMMORISK_REFERENCE"

SOURCES = ["stored", pytest.param("whole", marks=pytest.mark.local)]

DENSITY = dict(zip((1, 2, 3, 4), "abcd", strict=True))
RACE = {
    "white": "white",
    "black": "black",
    "asian": "other_asian",
    "hispanic": "hispanic_us_born",
}


def read_oracle(name: str, source: str) -> pd.DataFrame:
    if source == "stored":
        return pd.read_csv(STORED / f"{name}.csv.gz")
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set")
    return pd.read_csv(Path(folder) / f"{name}.csv")
