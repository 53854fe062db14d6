"""Data with answers from R; where they come from is told in tests/data/evaluation/README.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mammorisk.records.outcome import Outcome

DATA = Path(__file__).parents[1] / "data" / "evaluation"


@dataclass(frozen=True)
class Oracle:
    """A data set and R's answers by name."""

    data: pd.DataFrame
    outcome: Outcome
    r: dict[str, Any]

    def risk(self, model: str, year: int) -> np.ndarray:
        return self.data[f"risk{model}_{year}"].to_numpy(dtype=float)


def _answers(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def rotterdam() -> Oracle:
    data = pd.read_parquet(DATA / "rotterdam.parquet")
    return Oracle(data, Outcome(time=data["time"], event=data["event"]), _answers("rotterdam"))


@pytest.fixture(scope="session")
def casecontrol() -> Oracle:
    data = pd.read_csv(DATA / "casecontrol.csv")
    return Oracle(data, Outcome.binary(data["y"]), _answers("casecontrol"))


@pytest.fixture(scope="session")
def competing() -> Oracle:
    data = pd.read_csv(DATA / "competing.csv")
    return Oracle(data, Outcome(time=data["time"], event=data["event"]), _answers("competing"))


@pytest.fixture(scope="session")
def weighted(competing: Oracle) -> Outcome:
    """The competing-risk data with weights and clusters."""
    data = competing.data
    return Outcome(
        time=data["time"], event=data["event"], weight=data["weight"], cluster=data["cluster"]
    )


def point(found: float, expected: float) -> None:
    """Point estimates agree to 1e-6."""
    assert found == pytest.approx(expected, abs=1e-6, rel=1e-6)


def error(found: float, expected: float) -> None:
    """Standard errors and p values agree to 1e-4, relatively."""
    assert found == pytest.approx(expected, rel=1e-4)
