"""The demo writes what it says, and can be run twice."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mammorisk.demo.run import PUBLISHED, run_demo
from mammorisk.metrics import cumulative_dynamic_auc
from mammorisk.prediction.prediction import Prediction
from mammorisk.records.outcome import Outcome


@pytest.mark.slow
def test_demo_twice(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    lines: list[str] = []
    shown: list[Prediction] = []
    tables = [
        run_demo(out, lines.append, shown.append, women=1_000, subcohort=0.005) for _ in range(2)
    ]
    table = tables[0]
    pd.testing.assert_frame_equal(table, tables[1])
    assert shown[0].five_year == shown[1].five_year
    assert json.loads((out / "prediction.json").read_text())["risk"]["5"] == shown[0].five_year

    risks = pd.read_csv(out / "risks.csv")
    exams = pd.read_parquet(out / "study" / "manifest.parquet")
    assert risks["exam_id"].tolist() == exams["exam_id"].tolist()
    # The bundled model reads the images of its own simulation.
    assert risks["images_used"].all()
    assert risks["risk_5y"][0] == pytest.approx(shown[0].five_year, rel=1e-3)
    auc = cumulative_dynamic_auc(Outcome.from_table(exams), risks["risk_5y"].to_numpy(), 5)
    assert list(table.index) == ["hybrid", *PUBLISHED]
    assert table.loc["hybrid", "AUC"] == pytest.approx(auc.value)
    # The true risk given all inputs ranks these women better than the mean risk of an age.
    assert table.loc["hybrid", "of the true risk"] > table.loc["average", "AUC"]
    assert table["of the true risk"].isna().tolist() == [False] * 4 + [True]

    for name in ("exam.png", "risk.png", "explanation.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    page = (out / "demo.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert "not a medical device" in page
    assert "http" not in page.replace("http-equiv", "")
    assert any("SIMULATED" in line for line in lines)
    # Every AUC of the table is printed on the page and in the terminal.
    for value in table["AUC"]:
        assert f"<td>{value:.3f}</td>" in page
        assert any(f"{value:.3f}" in line for line in lines)
