"""Figures: what they show, what they accept, and their data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

import mammorisk as mr
from mammorisk._utils.style import COLOURS
from mammorisk.errors import EvaluationError, OutputError
from mammorisk.evaluation.plots.draw import KINDS
from mammorisk.evaluation.plots.look import COLUMN_WIDTHS
from mammorisk.evaluation.report import Report
from tests.evaluation.data import cohort, noisy, risks


@pytest.fixture(scope="module")
def report() -> Report:
    table = cohort(1500)
    table.loc[:20, "time"] = np.nan
    given = {"own": risks(table), "other": noisy(table)}
    return mr.evaluate(
        given, table, published=(), by=["age", "site"], bins={"age": [50]}, same_exam="other"
    )


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "panel"])
def test_every_figure_is_drawn_into_given_axes_from_a_tidy_table(report: Report, kind: str) -> None:
    _, (own, empty) = plt.subplots(1, 2)
    made = report.plot(kind, ax=own)  # type: ignore[call-overload]
    assert made is own
    assert isinstance(made, Axes)
    # The flow of women is boxes of text; all others draw data.
    assert own.has_data() == (kind != "flow")
    if kind == "flow":
        assert "exams in the cohort\n1,500" in [text.get_text() for text in own.texts]
    assert not empty.lines
    own.figure.canvas.draw()
    data = report.plot_data(kind)
    assert len(data)
    if kind != "flow":
        assert {"horizon"} <= set(data.columns)
        models = {"first", "second"} if kind == "comparison" else {"model"}
        assert models <= set(data.columns)


def test_labels_colours_models_and_horizon(report: Report) -> None:
    ax = report.plot("roc", models=["other"], horizon=3, labels=["B"], colours={"other": "red"})
    (line,) = [one for one in ax.lines if str(one.get_label()).startswith("B")]
    assert line.get_color() == "red"
    assert "3 years" in ax.get_title()
    auc = report.discrimination.query("model == 'other' and measure == 'AUC' and horizon == 3")
    assert f"{auc['value'].item():.2f}" in str(line.get_label())
    # A model keeps its colour whichever models are drawn.
    alone = report.plot("roc", models="other")
    assert to_hex(alone.lines[0].get_color()).upper() == COLOURS[1]
    assert report.plot_data("roc", models="other", horizon=3)["model"].unique() == ["other"]


def test_settings_of_matplotlib_apply(report: Report) -> None:
    cycle = mpl.cycler(color=["#123456", "#654321"])
    with plt.rc_context({"axes.prop_cycle": cycle, "figure.figsize": (3, 2), "font.size": 5}):
        ax = report.plot("roc")
        assert to_hex(ax.lines[0].get_color()) == "#123456"
        assert ax.figure.get_size_inches().tolist() == [3, 2]
        assert ax.xaxis.label.get_size() == 5
        panel = report.plot("panel")
        assert panel[0].xaxis.label.get_size() == 5
    assert report.plot("panel")[0].xaxis.label.get_size() == 7


def test_calibration_has_equal_scales_curve_tenths_and_histogram(report: Report) -> None:
    ax = report.plot("calibration", models=["own", "other"])
    assert ax.get_aspect() == 1
    assert ax.get_xlim()[1] == ax.get_ylim()[1]
    assert ax.get_ylim()[0] < 0 == ax.get_xlim()[0]
    assert min(ax.get_yticks()) == 0
    data = report.plot_data("calibration", models=["own", "other"])
    assert set(data["part"]) == {"curve", "tenth", "histogram"}
    tenths = data.query("part == 'tenth' and model == 'own'")
    assert tenths["n"].sum() == len(report.source.outcome)
    curve = data.query("part == 'curve' and model == 'own'")
    assert curve["predicted"].is_monotonic_increasing
    assert len(curve) <= 400
    bins = data.query("part == 'histogram' and model == 'own'")
    assert bins["share"].sum() == pytest.approx(1)
    legend = ax.get_legend()
    assert legend is not None
    assert "1,479" in legend.get_title().get_text()
    assert [text.get_text() for text in legend.get_texts()] == ["ideal", "own", "other"]


def test_decision_curve_is_about_the_thresholds(report: Report) -> None:
    ax = report.plot("decision")
    low, high = ax.get_xlim()
    assert low == pytest.approx(0.85)
    assert high == pytest.approx(4.5)
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["1.7%", "3%"]
    lines = {str(line.get_label()): line for line in ax.lines}
    everybody, nobody = lines["act on all women"], lines["act on no woman"]
    assert everybody.get_linestyle() != nobody.get_linestyle()
    assert everybody.get_color() != nobody.get_color()
    bands = [one for one in ax.collections if isinstance(one, PolyCollection)]
    assert len(bands) == 2
    data = report.plot_data("decision")
    assert {0.017, 0.03} <= set(data["threshold"])
    assert data.query("model == 'own'")["lower"].notna().all()
    # Thresholds are risks at the last horizon alone.
    assert not report.plot("decision", horizon=1).texts


def test_numbers_at_risk(report: Report) -> None:
    data = report.plot_data("incidence")
    outcome = report.source.outcome
    start = data.query("group == 'all women' and time == 0").iloc[0]
    assert start["at_risk"] == len(outcome)
    third = data.query("group == 'all women' and time == 3").iloc[0]
    assert third["at_risk"] == int((outcome.time >= 3).sum())
    assert third["events"] == int(outcome.is_case(3).sum())
    parts = data[data["group"] != "all women"].query("time == 3")
    assert parts["at_risk"].sum() == third["at_risk"]
    ax = report.plot("incidence")
    texts = [text.get_text() for text in ax.texts]
    assert f"{int(third['at_risk']):,}" in texts
    assert "at risk" in texts


def test_flow_says_who_is_left_out(report: Report) -> None:
    data = report.plot_data("flow").set_index("text")
    assert data.loc["left out: no outcome", "n"] == 21
    ends = data[data["box"] == "end"]["n"].sum()
    assert ends == 1500 - 21


def test_forest_of_one_measure(report: Report) -> None:
    data = report.plot_data("forest", measure="E/O")
    assert set(data["measure"]) == {"E/O"}
    assert data["group"].tolist()[0] == "all women"
    ax = report.plot("forest", measure="E/O", models=["own", "other"])
    assert ax.get_xscale() == "log"
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names[:3] == ["all women", "age: under 50", "age: 50 and over"]
    assert any("suppressed" in text.get_text() for text in ax.texts)
    with pytest.raises(EvaluationError, match="no measure 'F1'"):
        report.plot("forest", measure="F1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pie"}, "Known: roc, calibration"),
        ({"kind": "roc", "models": ["third"]}, "It has: own, other"),
        ({"kind": "roc", "models": []}, "no model is named"),
        ({"kind": "roc", "horizon": 2}, "It has: 1, 3, 5"),
        ({"kind": "roc", "labels": ["A"]}, "1 labels for 2 models"),
        ({"kind": "roc", "measure": "AUC"}, "no option measure"),
        ({"kind": "panel", "columns": 3}, "Give 1 or 2"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    report: Report, options: dict[str, object], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        report.plot(**options)  # type: ignore[call-overload]


def test_a_report_without_subgroups_has_no_forest() -> None:
    table = cohort(600)
    plain = mr.evaluate(risks(table), table, published=())
    for kind in ("forest", "comparison", "triage"):
        before = len(plt.get_fignums())
        with pytest.raises(EvaluationError):
            plain.plot(kind)  # type: ignore[call-overload]
        # Nothing is left half drawn.
        assert len(plt.get_fignums()) == before


@pytest.mark.parametrize("columns", [1, 2])
def test_the_panel_of_a_paper(report: Report, columns: int, tmp_path: Path) -> None:
    axes = report.plot("panel", columns=columns)
    assert len(axes) == 4
    width, height = axes[0].figure.get_size_inches()
    assert width == COLUMN_WIDTHS[columns]
    assert height <= 9.7
    assert [ax.get_title(loc="left")[0] for ax in axes] == list("ABCD")
    axes[0].figure.canvas.draw()
    sizes = [
        text.get_size()
        for ax in axes
        for text in ax.figure.findobj(mpl.text.Text)
        if text.get_text()
    ]
    assert min(sizes) >= 5
    path = report.save_figure(tmp_path / "figure.pdf", columns=columns)
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    # Outlines as TrueType, and no picture of the curves.
    assert b"/FontType 3" not in content
    assert b"/Subtype /Image" not in content
    assert set(report.plot_data("panel")["figure"]) == {
        *("roc", "calibration", "decision", "distribution"),
    }


def test_figures_as_files(report: Report, tmp_path: Path) -> None:
    svg = report.save_figure(tmp_path / "new" / "roc.svg", "roc", models="own")
    assert "sensitivity" in svg.read_text(encoding="utf-8")
    with pytest.raises(OutputError, match="format of pictures"):
        report.save_figure(tmp_path / "roc.xyz", "roc")
    assert not plt.get_fignums()


def test_one_model_without_curve() -> None:
    table = cohort(600)
    flat = pd.Series(np.full(600, 0.02))
    report = mr.evaluate({"flat": flat}, table, horizons=5, published=())
    for kind in ("roc", "calibration", "decision", "distribution", "incidence"):
        made = report.plot(kind)  # type: ignore[call-overload]
        made.figure.canvas.draw()
        assert len(report.plot_data(kind)), kind
    roc, calibration = (report.plot_data(kind) for kind in ("roc", "calibration"))
    # One risk for all: two corners of the ROC curve, and one point of calibration.
    assert roc["sensitivity"].tolist() == [0, 1]
    assert calibration["predicted"].dropna().tolist() == pytest.approx([0.02])
