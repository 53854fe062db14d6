"""HTML page of a check, in one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from mammorisk._utils.page import Section, drawn, folded, html_page
from mammorisk._utils.style import BLUE, ORANGE
from mammorisk.evaluation.plots.look import PAGE, unless_set
from mammorisk.evaluation.table_text import as_html
from mammorisk.warnings import Warnings

#: Rows of a table on the page; the CSV files have all.
_ROWS = 60
_ORDER = ("refusal", "incomplete", "caution", "info")
_ACQUISITION = ["device", "images", "field", "missing_share", "median", "p01", "p99", "outliers"]


def check_page(
    tables: Mapping[str, pd.DataFrame], warnings: Warnings, horizon: float, title: str
) -> str:
    """Build the page.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of a check by name.
    warnings : tuple of ResultWarning
    horizon : float
        Years.
    title : str
        Plain text.

    Returns
    -------
    str
        HTML. The page loads no other files.
    """
    counted = tables["groups"]
    sections = [
        ("found", "What was found", [_told(warnings)]),
        ("overview", "Numbers", [_table(tables["overview"])]),
        (
            "recipes",
            "What can be learnt",
            [
                "<p>Cancers in training against those from which on a recipe is reasonable. "
                "Numbers of regressions follow from formulas of the sample size; those of networks "
                "are rules of thumb.</p>",
                _cancers_figure(tables["recipes"]),
                _table(tables["recipes"]),
            ],
        ),
        (
            "groups",
            "Cancers by site, vendor, calendar year and split",
            [_table(counted)],
        ),
        (
            "follow",
            "Follow-up",
            [
                f"<p>Status of the exams at each horizon. The check uses {horizon:g} years.</p>",
                _table(tables["follow_up"].query("column == 'all'")),
                folded("By site and vendor", _table(tables["follow_up"])),
            ],
        ),
        (
            "leaks",
            "Splits and copies of images",
            [
                _table(tables["splits"]),
                _table(tables["copies"]) or "<p>No copies were found.</p>",
            ],
        ),
        ("missing", "Missing fields", [_table(tables["missing"])]),
        (
            "images",
            "Images",
            [
                _table(tables["image_warnings"]),
                _table(_readable_acquisition(tables.get("acquisition", pd.DataFrame()))),
                folded("Values far from those of the device", _table(_of(tables, "outliers"))),
            ],
        ),
        ("unreadable", "Rows and exams that cannot be read", [_table(tables["unreadable"])]),
    ]
    return html_page(
        title, [Section(key=key, title=name, parts=parts) for key, name, parts in sections]
    )


def _of(tables: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    return tables.get(name, pd.DataFrame())


def _told(warnings: Warnings) -> str:
    if not warnings:
        return "<p>No doubts.</p>"
    ordered = sorted(warnings, key=lambda one: _ORDER.index(one.severity))
    items = "".join(
        f"<li><strong>{one.severity}</strong>: {escape(str(one))} "
        f"<small>({escape(one.code)})</small></li>"
        for one in ordered
    )
    return f"<ul>{items}</ul>"


def _table(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    more = (
        f"<p class='legend'>The first {_ROWS} of {len(table):,} rows.</p>"
        if len(table) > _ROWS
        else ""
    )
    return as_html(table.head(_ROWS)) + more


def _readable_acquisition(table: pd.DataFrame) -> pd.DataFrame:
    return table if table.empty else table[table["missing_share"] < 1][_ACQUISITION]


def _cancers_figure(recipes: pd.DataFrame) -> str:
    """Cancers needed by each recipe, and those of the cohort."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import StrMethodFormatter

    with plt.rc_context(unless_set(PAGE)):
        figure, ax = plt.subplots(figsize=(6.4, 0.9 + 0.26 * len(recipes)), layout="constrained")
        place = list(range(len(recipes)))
        mark: Any = {"marker": "|", "s": 160, "lw": 2.5, "color": ORANGE}
        ax.scatter(recipes["cancers_needed"], place, label="needed", **mark)
        ax.scatter(recipes["cancers"], place, marker="o", color=BLUE, label="in this cohort")
        ax.set_yticks(place, recipes["recipe"])
        ax.invert_yaxis()
        # Linear below 1, because a cohort may have no cancers.
        ax.set_xscale("symlog", linthresh=1)
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.set_xlim(left=-0.3)
        ax.set_xlabel("cancers in training")
        ax.set_axisbelow(True)
        ax.grid(axis="x", color="0.9")
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, 1.16), ncols=2)
        return drawn(figure, "Cancers needed by each recipe and cancers of the cohort")
