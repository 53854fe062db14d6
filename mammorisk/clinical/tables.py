"""The published constants, read from the package's data files."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


def data_file(name: str) -> Path:
    """Path of a data file of the clinical models."""
    return Path(str(files("mammorisk.clinical") / "data" / name))


@cache
def load_table(name: str) -> dict[str, Any]:
    """Return the constants of a model, such as ``load_table("bcrat")``. Do not modify them."""
    table: dict[str, Any] = json.loads(data_file(f"{name}.json").read_text(encoding="utf-8"))
    return table
