"""The demo leaves what it says, and can be run twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from mammorisk.demo.run import run_demo
from mammorisk.prediction.prediction import Prediction


@pytest.mark.slow
def test_demo_twice(tmp_path: Path) -> None:
    told: list[str] = []
    shown: list[Prediction] = []
    for _ in range(2):
        table = run_demo(tmp_path / "demo", told.append, shown.append, women=2_500, subcohort=0.01)
    assert table.loc["hybrid", "AUC"] > 0.5
    assert (table["of the true risk"].dropna() > 0.5).all()
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"study", "exam.png", "risk.png", "explanation.png", "prediction.json"} <= names
    page = (tmp_path / "demo" / "demo.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert "not a medical device" in page
    assert "http" not in page.replace("http-equiv", "")
    assert any("SIMULATED" in line for line in told)
    assert shown[0].five_year == shown[1].five_year
