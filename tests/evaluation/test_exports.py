"""Reports as tidy table, LaTeX, Word, Excel and CSV, and how numbers are rounded."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import EvaluationError, OutputError
from mammorisk.evaluation.latex import PREAMBLE, as_latex
from mammorisk.evaluation.report import Report
from mammorisk.evaluation.rounding import decimals_for, p_value, rounded
from mammorisk.evaluation.table_text import readable
from mammorisk.evaluation.tidy import COLUMNS
from tests.evaluation.data import cohort, noisy, risks


@pytest.fixture(scope="module")
def report() -> Report:
    table = cohort(1500)
    table["site"] = np.random.default_rng(3).choice(["=1+1", "b & c", "d_e"], len(table))
    return mr.evaluate(
        {"own": risks(table), "other": noisy(table)},
        table,
        published=(),
        by="site",
        cluster="site",
        recalibrated=True,
    )


def test_the_tidy_table_has_every_estimate(report: Report) -> None:
    tidy = report.to_frame()
    assert tuple(tidy.columns) == COLUMNS
    assert {"discrimination", "subgroups", "heterogeneity", "recalibration", "table_one"} <= set(
        tidy["table"]
    )
    auc = tidy.query("table == 'discrimination' and estimand == 'AUC' and model == 'own'")
    own = report.discrimination.query("measure == 'AUC' and model == 'own'")
    np.testing.assert_array_equal(auc["estimate"], own["value"])
    np.testing.assert_array_equal(auc["horizon"], [1, 3, 5])
    parts = tidy[tidy["table"] == "subgroups"]
    # The p value belongs to the difference, not to the estimate of the group.
    assert parts[~parts["estimand"].str.contains("difference")]["p"].isna().all()
    apart = parts[parts["estimand"].str.contains("difference")]
    assert (apart["p"].notna() == apart["lower"].notna()).all()
    assert apart["p"].notna().mean() > 0.9
    numbers = tidy[tidy["lower"].notna()]
    assert numbers["interval"].notna().all()
    assert (numbers["lower"] <= numbers["upper"]).all()
    assert tidy["estimate"].dtype == float
    missing = tidy[tidy["estimate"].isna()]
    assert missing["reason"].notna().all()


def test_one_rule_of_rounding() -> None:
    one = np.array([0.7929])
    assert decimals_for(one, one - 0.041, one + 0.041) == 3
    assert decimals_for(one, one - 0.41, one + 0.41) == 2
    assert decimals_for(np.array([23.7]), np.array([19.1]), np.array([29.5])) == 1
    nothing = np.array([np.nan])
    assert decimals_for(np.array([0.001876]), nothing, nothing) == 5
    assert decimals_for(nothing, nothing, nothing) == 0
    assert rounded(-0.0001, 2) == "0.00"
    assert rounded(-0.01, 2) == "-0.01"
    assert rounded(float("nan"), 2) == ""
    assert [p_value(p) for p in (0.0004, 0.0506, float("nan"))] == ["< 0.001", "0.051", ""]
    table = pd.DataFrame(
        {
            "measure": ["AUC", "AUC", "E/O"],
            "value": [0.79289, 0.65, 1.2345],
            "lower": [0.752, 0.602, 1.0],
            "upper": [0.834, 0.704, 1.5],
            "n": [8000, 8000, 8000],
            "p": [1e-9, 0.2, np.nan],
        }
    )
    shown = readable(table)
    assert shown["value"].tolist() == [
        *("0.793 (0.752 to 0.834)", "0.650 (0.602 to 0.704)", "1.23 (1.00 to 1.50)"),
    ]
    assert shown["n"].tolist() == ["8,000"] * 3


def test_one_table_at_a_time_in_latex(report: Report, tmp_path: Path) -> None:
    text = report.to_latex(table="calibration")
    assert r"\begin{longtable}" in text
    assert r"\caption{Calibration}\label{tab:calibration}" in text
    (spec,) = re.findall(r"\\begin\{longtable\}\{(.*)\}\n", text)
    assert "S[table-format=" in spec
    body = text.split(r"\endhead")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(report.calibration)
    n = len(re.findall(r"S\[[^]]*\]|[lr]", spec))
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {n - 1}
    first = report.calibration.iloc[0]
    assert f"{first['value']:.2f}" in body[0]
    assert re.search(r"\d\.\d\d to \d\.\d\d", body[0])
    assert "n: exams with a risk and an outcome" in text
    assert r"\textsuperscript{1} interval: " in text
    path = report.to_latex(tmp_path / "one.tex", table="T1", caption="AUC of 50% & more")
    assert r"\caption{AUC of 50\% \& more}" in path.read_text(encoding="utf-8")
    folder = report.to_latex(tmp_path / "all")
    written = {file.stem for file in folder.iterdir()}
    assert {"discrimination", "table_one", "checklist"} <= written
    assert "triage" not in written
    sites = (folder / "subgroups.tex").read_text(encoding="utf-8")
    assert r"b \& c" in sites
    assert r"d\_e" in sites
    with pytest.raises(EvaluationError, match="neither a table nor a folder"):
        report.to_latex()  # type: ignore[call-overload]


def test_numbers_in_latex_are_aligned() -> None:
    table = pd.DataFrame(
        {
            "measure": ["a", "a", "b"],
            "value": [-0.5, 12.25, 1234.5],
            "p": [1e-9, 0.2, np.nan],
            "who": ["50% & more_{x}$\\", "", "b"],
        }
    )
    text = as_latex(table, caption="c", label="l", level=0.9)
    assert "S[table-format=-4.2]" in text
    # Text among numbers stands in braces, so that siunitx leaves it alone.
    assert r"{\textless{} 0.001}" in text
    assert "{}" in text
    assert r"50\% \& more\_\{x\}\$\textbackslash{}" in text


def test_latex_breaks_long_text_and_has_true_minus_signs() -> None:
    table = pd.DataFrame(
        {"item": ["7", "8"], "asks": ["a", "words " * 20], "text": ["-0.2 to 3", "b-1"]}
    )
    text = as_latex(table, caption="c", label="l", level=0.95)
    (spec,) = re.findall(r"\\begin\{longtable\}\{(.*)\}\n", text)
    assert re.fullmatch(r"S\[.*\]>\{\\raggedright\\arraybackslash\}p\{0\.\d\d\\linewidth\}l", spec)
    assert "$-$0.2 to 3" in text
    assert "b-1" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_compiles(report: Report, tmp_path: Path) -> None:
    names = ("calibration", "checklist", "table_one")
    for name in names:
        report.to_latex(tmp_path / f"{name}.tex", table=name)
    lines = [rf"\input{{{name}}}" for name in names]
    (tmp_path / "all.tex").write_text(
        "\n".join(
            [r"\documentclass{article}", PREAMBLE, r"\begin{document}", *lines, r"\end{document}"]
        )
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").is_file()


def test_word(report: Report, tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    path = report.to_docx(tmp_path / "report.docx", tables=["calibration", "table_one"])
    document = docx.Document(str(path))
    assert len(document.tables) == 2
    assert len(document.tables[0].rows) == len(report.calibration) + 1
    assert len(document.inline_shapes) == 1
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert report.methods_paragraph in texts
    assert "Table 1. Calibration" in texts
    shown = readable(report.calibration)
    first = [cell.text for cell in document.tables[0].rows[1].cells]
    assert first[:-1] == shown.drop(columns=["interval", "null", "reason"]).iloc[0].tolist()
    legend = next(text for text in texts if text.startswith("1: interval: "))
    for number in first[-1].split(", "):
        assert f"{number}: " in legend
    whole = docx.Document(str(report.to_docx(tmp_path / "all.docx")))
    assert len(whole.tables) == sum(len(table) > 0 for table in report.tables.values())
    with pytest.raises(EvaluationError, match="no table 'tables'"):
        report.to_docx(tmp_path / "x.docx", tables=["tables"])


def test_excel(report: Report, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path = report.to_excel(tmp_path / "report.xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[0] == "estimates"
    assert {"methods", "notes", "calibration"} <= set(book.sheetnames)
    again = pd.read_excel(path, sheet_name="calibration")
    # Workbooks keep sixteen digits.
    np.testing.assert_allclose(again["value"], report.calibration["value"], rtol=1e-14)
    cells = [cell for row in book["subgroups"].iter_rows() for cell in row]
    labels = [cell for cell in cells if cell.value == "=1+1"]
    assert labels
    # A label that begins with an equals sign is text.
    assert {cell.data_type for cell in labels} == {"s"}


def test_csv(report: Report, tmp_path: Path) -> None:
    folder = report.to_csv(tmp_path / "csv")
    again = pd.read_csv(folder / "discrimination.csv")
    np.testing.assert_allclose(again["value"], report.discrimination["value"])
    assert len(pd.read_csv(folder / "estimates.csv")) == len(report.to_frame())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        report.to_csv(tmp_path / "file" / "csv")


def test_what_is_not_installed_is_told(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mammorisk._utils.optional.installed", lambda module: False)
    with pytest.raises(mr.MammoriskError, match=r"mammorisk\[documents\]"):
        report.to_docx(tmp_path / "report.docx")
    with pytest.raises(mr.MammoriskError, match=r"mammorisk\[tables\]"):
        report.to_excel(tmp_path / "report.xlsx")
