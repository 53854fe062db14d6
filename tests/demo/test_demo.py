"""The demo leaves what it says, and can be run twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mammorisk.demo.run import run_demo
from mammorisk.metrics import cumulative_dynamic_auc
from mammorisk.prediction.prediction import Prediction
from mammorisk.records.outcome import Outcome


@pytest.mark.slow
def test_demo_twice(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    lines: list[str] = []
    shown: list[Prediction] = []
    tables = []
    for _ in range(2):
        table = run_demo(out, lines.append, shown.append, women=1_500, subcohort=0.005)
        tables.append(table)
    pd.testing.assert_frame_equal(*tables)
    assert shown[0].five_year == shown[1].five_year
    assert json.loads((out / "prediction.json").read_text())["risk"]["5"] == shown[0].five_year

    risks = pd.read_csv(out / "risks.csv")
    exams = pd.read_parquet(out / "study" / "manifest.parquet")
    assert risks["exam_id"].tolist() == exams["exam_id"].tolist()
    auc = cumulative_dynamic_auc(Outcome.from_table(exams), risks["risk_5y"].to_numpy(), 5)
    assert list(table.index) == ["hybrid", "density-only", "icare-lit", "bcsc-2008", "average"]
    assert table.loc["hybrid", "AUC"] == pytest.approx(auc.value)
    assert table["of the true risk"].isna().tolist() == [False] * 4 + [True]

    for name in ("exam.png", "risk.png", "explanation.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    page = (out / "demo.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert "not a medical device" in page
    assert "http" not in page.replace("http-equiv", "")
    # Every AUC of the table is printed on the page and in the terminal.
    for value in table["AUC"]:
        assert f"{np.round(value, 2):.2f}" in page
        assert any(f"{value:.3f}" in line for line in lines)
