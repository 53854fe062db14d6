"""Marginal distributions of the simulated population, each with its source or as an assumption."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def margins() -> dict[str, Any]:
    """Return the content of ``data/margins.json``. Do not modify it."""
    text = (files("mammorisk.simulation") / "data" / "margins.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
