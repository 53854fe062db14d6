"""The report: what is in it, that it says what it left out, and that it stands alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError, OutputError
from mammorisk.evaluation.report import Report
from tests.evaluation.data import cohort, risks


@pytest.fixture(scope="module")
def report() -> Report:
    table = cohort(2000)
    table["matched_set"] = np.arange(len(table)) // 10
    return mr.evaluate(risks(table), table, by=["site", "age"], bins={"age": [50, 60]})


def test_every_table_is_there(report: Report) -> None:
    assert report.models == ["own", "density-only", "icare-lit", "bcsc-2008", "bcrat"]
    empty = {name for name, table in report.tables.items() if table.empty}
    assert empty == {"heterogeneity", "recalibration", "triage"}
    measures = set(report.discrimination["measure"])
    assert {"AUC", "AUC, event-free controls", "Harrell's C", "Uno's C"} == measures
    slope = report.calibration.query("model == 'own' and measure == 'calibration slope'")
    assert slope["value"].item() == pytest.approx(1, abs=0.2)
    ratio = report.calibration.query("model == 'own' and measure == 'E/O' and horizon == 5")
    assert ratio["value"].item() == pytest.approx(1, abs=0.15)
    first = report.comparison.query("measure == 'AUC' and horizon == 5")
    assert (first["lower"] > 0).all()
    assert first["first"].unique().tolist() == ["own"]
    for i in (1, 2, 3, 4, 5, 6, 8, 9, 10):
        assert len(report.published_table(f"T{i}"))
    with pytest.raises(EvaluationError, match="T1, T2"):
        report.published_table("T11")


def test_small_groups_are_listed_and_not_evaluated(report: Report) -> None:
    small = report.subgroups.query("group == '<b>west</b>'")
    assert small["model"].tolist() == report.models
    assert small["reason"].str.contains("suppressed").all()
    assert set(report.subgroups["group"]) >= {"under 50", "50 to 60", "60 and over"}
    compared = report.subgroups.dropna(subset=["p"])
    assert (compared["p_adjusted"] >= compared["p"]).all()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [
            value or ""
            for name, value in attrs
            if name in ("src", "href") and not re.match("data:|#", value or "")
        ]


def test_the_page_stands_alone(report: Report, tmp_path: Path) -> None:
    path = report.to_html(tmp_path / "new" / "report.html")
    text = path.read_text(encoding="utf-8")
    parser = _Links()
    parser.feed(text)
    assert parser.outside == []
    # Flow, comparison, ROC, AUC, five of calibration, distribution, incidence, decision, forests.
    assert parser.tags.count("img") == 14
    assert "script" not in parser.tags
    assert "Research software" in text
    assert "<b>west</b>" not in text
    assert "TRIPOD" in text
    assert not list(path.parent.glob("*.new"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        report.to_html(tmp_path / "file" / "report.html")


def test_notes_say_what_was_done() -> None:
    table = cohort(600, exams=2)
    table["weight"] = np.where(table["event"] == 1, 1.0, 3.0)
    table["entry"] = np.where(np.arange(600) % 7 == 0, table["time"] / 2, 0.0)
    values = risks(table)
    values.loc[:9, ["risk_1y", "risk_3y", "risk_5y"]] = np.nan
    report = mr.evaluate(values, table, published=())
    notes = " ".join(report.notes)
    for word in ("weights", "one woman", "competing", "late entry", "fewer than 100", "exams left"):
        assert word in notes
    assert report.flow.set_index("item")["value"]["with a risk of the first model"] == 590
    assert report.published_table("T5")["group"].eq("all").all()
    assert "sampling weights from 1 to 3" in notes
    with pytest.raises(EvaluationError, match="matched_set"):
        report.published_table("T10")


def test_a_model_with_few_risks_is_not_compared() -> None:
    table = cohort(1000)
    other = risks(table, "other")
    other.loc[100:, "risk_5y"] = np.nan
    report = mr.evaluate({"own": risks(table), "other": other}, table, published=())
    assert report.comparison.empty
    assert any("other is not compared" in note for note in report.notes)


def test_one_number_a_row() -> None:
    table = cohort(800)
    whole = mr.evaluate(risks(table), table, horizons=(5,), published=())
    risk = risks(table)["risk_5y"]
    for given in (risk, risk.to_numpy(), {"own": risk}):
        part = mr.evaluate(given, table, horizons=(5,), published=())
        found = part.discrimination.query("measure == 'AUC' and horizon == 5")["value"].item()
        expected = whole.discrimination.query("measure == 'AUC' and horizon == 5")["value"].item()
        assert found == pytest.approx(expected)
    with pytest.raises(EvaluationError, match="one horizon"):
        mr.evaluate(risk, table)


def test_rows_are_matched_by_key_whatever_their_order() -> None:
    table = cohort(500)
    shuffled = risks(table).sample(frac=1, random_state=1)
    shuffled["exam_id"] = shuffled["exam_id"].astype(str)
    a = mr.evaluate(risks(table), table, published=()).discrimination["value"]
    b = mr.evaluate(shuffled, table, published=()).discrimination["value"]
    pd.testing.assert_series_equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, c: (r.assign(risk_5y=1.2), c), "outside"),
        (lambda r, c: (r.drop(columns=["risk_1y", "risk_3y", "risk_5y"]), c), "no column"),
        (lambda r, c: (pd.concat([r, r]), c), "repeat"),
        (lambda r, c: (r, pd.concat([c, c])), "repeat"),
        (lambda r, c: (r, c.drop(columns="event")), "event"),
        (lambda r, c: (r, c.assign(time=-1.0)), "negative"),
        (lambda r, c: (r.drop(columns="exam_id").iloc[:10], c), "no key in common"),
        (lambda r, c: (r.assign(risk_1y=np.nan, risk_3y=np.nan, risk_5y=np.nan), c), "no row"),
        (lambda r, c: ({}, c), "no risks"),
        (lambda r, c: (r, 5), "neither a table"),
    ],
)
def test_unusable_input_is_told(change: object, message: str) -> None:
    table = cohort(300)
    given = change(risks(table), table)  # type: ignore[operator]
    with pytest.raises(EvaluationError, match=message):
        mr.evaluate(*given, published=())


@pytest.mark.parametrize("name", ["by", "cluster", "characteristics"])
def test_columns_that_are_not_there(name: str) -> None:
    table = cohort(300)
    with pytest.raises(EvaluationError, match="'hospital'"):
        mr.evaluate(risks(table), table, published=(), **{name: "hospital"})  # type: ignore[arg-type]
