"""Pages and plots take tables: who may import whom inside the room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mammorisk.evaluation
from mammorisk._utils.page import Section, folded, html_page, picture
from mammorisk._utils.style import COLOURS, DASHES, MARKERS, NOTICE

ROOM = Path(mammorisk.evaluation.__file__).parent


@pytest.mark.parametrize(
    "name",
    [
        *("report_page", "published_tables", "checklist", "plot_data", "table_text", "latex"),
        *("documents", "tidy", "plots/draw", "plots/panel", "characteristics", "heterogeneity"),
    ],
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
