"""The published constants, read from the package's data files."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


def data_file(name: str) -> Path:
    """Where a data file of the clinical models lies."""
    return Path(str(files("mammorisk.clinical") / "data" / name))


@cache
def load_table(name: str) -> dict[str, Any]:
    """The constants of a model, e.g. ``load_table("bcrat")``; treat as read-only."""
    table: dict[str, Any] = json.loads(data_file(f"{name}.json").read_text(encoding="utf-8"))
    return table
