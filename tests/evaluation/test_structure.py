"""Pages and plots take tables: who may import whom inside the room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import mammorisk.evaluation
from mammorisk._utils.page import Section, folded, html_page, picture
from mammorisk._utils.style import COLOURS, DASHES, MARKERS, NOTICE
from mammorisk.errors import EvaluationError
from mammorisk.evaluation.checklist import checklist
from mammorisk.evaluation.figures import FIGURES, FigureData
from tests.evaluation.test_report import cohort, risks

ROOM = Path(mammorisk.evaluation.__file__).parent


@pytest.mark.parametrize(
    "name", ["figures", "report_page", "published_tables", "checklist", "plot_data", "table_text"]
)
def test_nothing_below_the_report_knows_it(name: str) -> None:
    text = (ROOM / f"{name}.py").read_text(encoding="utf-8")
    assert "evaluation.report import" not in text
    assert "evaluation.build" not in text


def test_importing_a_report_draws_nothing() -> None:
    script = (
        "import sys, mammorisk.evaluation.report\n"
        "print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_figures_are_drawn_from_tables_alone() -> None:
    import matplotlib.pyplot as plt

    table = cohort(1500)
    report = mammorisk.evaluate(risks(table), table, published=(), by=["age"])
    data = FigureData(
        tables={name: frame.copy() for name, frame in (report.tables | report.plot_data).items()},
        models=report.models,
        horizon=5.0,
    )
    for name, (draw, words) in FIGURES.items():
        figure = draw(data)
        assert words
        assert (figure is None) == (name == "comparison"), name
    lines = report.plot_data["calibration_lines"]
    assert lines["predicted"].is_monotonic_increasing
    assert len(lines) <= 400
    histogram = report.plot_data["risk_histogram"]
    assert histogram.groupby("women")["share"].sum().to_numpy() == pytest.approx([1, 1, 1])
    assert set(histogram["women"]) == {"all", "cancer", "no cancer"}
    roc = report.plot_data["roc"]
    assert (roc.groupby("horizon")["sensitivity"].last() == 1).all()
    with pytest.raises(EvaluationError, match="comparison, roc"):
        report.figure("pie")
    plt.close("all")


def test_the_checklist_ticks_only_what_the_data_show() -> None:
    items = checklist(horizons=[5.0], subgroups=[]).set_index("item")
    for left in ("10", "23b", "25", "26", "22", "3c"):
        assert items.loc[left, "status"] == "for the authors"
    assert items.loc["23a", "status"] == "in part"
    assert items.loc["14", "status"] == "for the authors"
    asked = checklist(horizons=[1.0, 5.0], subgroups=["age"]).set_index("item")
    assert asked.loc["23a", "status"] == "given"
    assert "age" in asked.loc["14", "where"]
    assert "1, 5 y" in asked.loc["8", "where"]


def test_a_page_escapes_text_and_leaves_out_empty_sections() -> None:
    page = html_page(
        "a < b",
        [
            Section(key="one", title="R&D", parts=["<p>kept</p>", ""]),
            Section(key="two", title="nothing", parts=[""]),
        ],
    )
    assert "<title>a &lt; b</title>" in page
    assert "R&amp;D" in page
    assert "nothing" not in page
    assert NOTICE in page
    assert folded("more", "") == ""
    assert "alt='a &#x27;b'" in picture(b"png", "a 'b")


def test_colours_have_a_line_and_a_marker_each() -> None:
    assert len(COLOURS) == len(DASHES) == len(MARKERS) == len(set(COLOURS))


def test_numbers_behind_the_published_groups() -> None:
    table = cohort(1500)
    report = mammorisk.evaluate(risks(table), table, published=())
    groups = report.published_table("T8")
    assert groups["n"].sum() == 1500
    assert groups["share_of_women"].sum() == pytest.approx(1)
    assert groups["share_of_cancers"].sum() == pytest.approx(1)
    assert isinstance(groups, pd.DataFrame)
