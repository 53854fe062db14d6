"""The demo leaves what it says, and can be run twice."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from mammorisk.cli import app


def test_demo_twice(tmp_path: Path) -> None:
    for _ in range(2):
        done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")])
        assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"study", "exam.png", "risk.png", "prediction.json", "five_year_risks.csv"} <= names
    assert "simulated" in done.stdout
    assert "not a medical device" in done.stdout
