"""Conversion of tables to text for pages and papers: rounded numbers with intervals."""

from __future__ import annotations

import math
import re
from html import escape

import pandas as pd

#: Columns that are shown together with another column.
_HIDDEN = ("se", "lower", "upper")


def number(value: object, digits: int = 3) -> str:
    """Return a number as text; empty if there is none."""
    if isinstance(value, (bool, str)):
        return str(value)
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "" if math.isnan(value) else ("all" if value < 0 else "none")
        if abs(value) >= 100:
            return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
        if value and abs(value) < 0.1:
            # Enough digits to distinguish two small risks or scores.
            return f"{value:.{digits}g}" if abs(value) >= 1e-4 else f"{value:.2g}"
        return f"{value:.{digits}f}"
    return str(value)


def p_value(p: float) -> str:
    if p is None or math.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Convert a table to text: value and interval in one column, counts with separators, short p
    values."""
    shown = pd.DataFrame(index=table.index)
    for column in table.columns:
        values = table[column].tolist()
        if column in _HIDDEN or str(column).endswith(("_lower", "_upper")):
            continue
        if column in ("p", "p_adjusted"):
            shown[column] = [p_value(v) for v in values]
            continue
        if column == "horizon":
            shown[column] = ["" if pd.isna(v) else f"{v:g}" for v in values]
            continue
        shown[column] = [number(_plain(v)) for v in values]
        pair = ("lower", "upper") if column == "value" else (f"{column}_lower", f"{column}_upper")
        if column in ("observed", "net_benefit"):
            pair = ("lower", "upper")
        if column == "incidence_ratio":
            pair = ("ratio_lower", "ratio_upper")
        if set(pair) <= set(table.columns):
            shown[column] = [
                text if not text or math.isnan(low) else f"{text} ({number(low)} to {number(high)})"
                for text, low, high in zip(
                    shown[column],
                    table[pair[0]].astype(float),
                    table[pair[1]].astype(float),
                    strict=True,
                )
            ]
    shown.columns = [str(column).replace("_", " ") for column in shown.columns]
    # The column of reasons is shown only if a row has one.
    if "reason" in shown and not any(shown["reason"]):
        shown = shown.drop(columns="reason")
    return shown.loc[:, (shown != "").any(axis=0)]


def _plain(value: object) -> object:
    if value is None or value is pd.NaT:
        return None
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def as_html(table: pd.DataFrame) -> str:
    """Convert a table of text to HTML that scrolls horizontally on a narrow page."""
    shown = readable(table)
    head = "".join(f"<th>{escape(str(name))}</th>" for name in shown.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in shown.itertuples(index=False)
    )
    table_text = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f"<div class='wide'><table>{table_text}</table></div>"


_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}"}


def as_latex(table: pd.DataFrame, name: str) -> str:
    """Convert a table of text to a LaTeX tabular with booktabs rules."""
    shown = readable(table)

    def tex(text: object) -> str:
        return re.sub(r"[&%$#_{}~^\\<>]", lambda found: _TEX[found[0]], str(text))

    lines = [
        f"% mammorisk: {name}",
        f"\\begin{{tabular}}{{{'l' * max(len(shown.columns), 1)}}}",
        "\\toprule",
        " & ".join(tex(column) for column in shown.columns) + r" \\",
        "\\midrule",
        *(" & ".join(tex(cell) for cell in row) + r" \\" for row in shown.itertuples(index=False)),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
