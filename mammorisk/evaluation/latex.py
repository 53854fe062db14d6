"""Tables as LaTeX, with captions and numbers aligned at the decimal point."""

from __future__ import annotations

import re

import pandas as pd

from mammorisk.evaluation.table_text import columns_of_text, with_notes

#: Packages that the tables need, for the preamble.
PREAMBLE = "\\usepackage{booktabs,longtable,siunitx}"
_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}"}
#: A minus sign before a number in text. In columns of numbers siunitx sets it.
_MINUS = re.compile(r"(?<![\w.)-])-(?=\d)")
#: Columns with a longer cell are broken into lines, in characters.
_LONG = 40
#: Characters of this size on a line of a page, about; columns of long text share what the others
#: leave, and have at least this part of a line.
_LINE, _LEAST = 120, 0.2
_LONG_TEXT = "long"
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?")


def tex(text: object) -> str:
    """Text with LaTeX's special characters escaped."""
    escaped = re.sub(r"[&%$#_{}~^\\<>]", lambda found: _TEX[found[0]], str(text))
    return _MINUS.sub("$-$", escaped)


def as_latex(table: pd.DataFrame, *, caption: str, label: str, level: float, note: str = "") -> str:
    """A table as a ``longtable`` with booktabs rules and siunitx columns.

    Parameters
    ----------
    table : DataFrame
        Table of estimates or of text.
    caption : str
        Plain text.
    label : str
        Label for ``\\ref``.
    level : float
        Confidence level of the intervals, for their heading.
    note : str
        Plain text below the table.

    Returns
    -------
    str
        Estimates and counts in columns of type ``S``, aligned at the decimal point; limits as
        ``0.75 to 0.83``; other text left-aligned, long text broken into lines; methods of
        intervals, what p values test and reasons below the table, by number. The first line states
        the required packages.
    """
    texts, legend = with_notes(columns_of_text(table))
    heads, kinds, cells = _columns(texts, level)
    n = max(len(heads), 1)
    below = [tex(note)] if note else []
    if legend:
        below.append("; ".join(f"\\textsuperscript{{{k}}} {tex(t)}" for t, k in legend.items()))
    lines = [
        f"% needs {PREAMBLE}",
        r"\begingroup\footnotesize\setlength{\tabcolsep}{4pt}",
        f"\\begin{{longtable}}{{{''.join(kinds) or 'l'}}}",
        f"\\caption{{{tex(caption)}}}\\label{{{label}}}\\\\",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
        r"\endfirsthead",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
        r"\endhead",
        *(" & ".join(row) + r" \\" for row in zip(*cells, strict=True)),
        r"\bottomrule",
        *(f"\\multicolumn{{{n}}}{{p{{0.95\\linewidth}}}}{{{text}}}\\\\" for text in below),
        r"\end{longtable}",
        r"\endgroup",
    ]
    return "\n".join(lines) + "\n"


def _columns(
    texts: dict[str, list[str]], level: float
) -> tuple[list[str], list[str], list[list[str]]]:
    heads: list[str] = []
    kinds: list[str] = []
    cells: list[list[str]] = []
    for column, own in texts.items():
        if column.endswith(": upper") or not any(own):
            continue
        if column.endswith(": lower"):
            upper = texts[column.replace(": lower", ": upper")]
            if not any(own):
                continue
            limits = [f"{a} to {b}" if a else "" for a, b in zip(own, upper, strict=True)]
            heads.append(f"{{{100 * level:g}\\% CI}}")
            kinds.append("r")
            cells.append([tex(text) for text in limits])
            continue
        name = tex(column.replace("_", " "))
        if column != "notes" and _is_numeric(own):
            whole, decimals = _widths(own)
            heads.append(f"{{{name}}}")
            kinds.append(f"S[table-format={whole}.{decimals}]")
            # Text in a column of numbers is enclosed in braces.
            cells.append(
                [
                    text.replace(",", "") if _NUMBER.fullmatch(text) else f"{{{tex(text)}}}"
                    for text in own
                ]
            )
        else:
            heads.append(name)
            kinds.append(_LONG_TEXT if max(map(len, own)) > _LONG else "l")
            cells.append([tex(text) for text in own])
    return heads, _with_widths(kinds, cells), cells


def _with_widths(kinds: list[str], cells: list[list[str]]) -> list[str]:
    """Widths of the columns of long text, as parts of a line."""
    several = kinds.count(_LONG_TEXT)
    if not several:
        return kinds
    others = sum(
        max(map(len, own), default=0) + 2
        for kind, own in zip(kinds, cells, strict=True)
        if kind != _LONG_TEXT
    )
    width = max((0.95 - others / _LINE) / several, _LEAST)
    column = f">{{\\raggedright\\arraybackslash}}p{{{width:.2f}\\linewidth}}"
    return [column if kind == _LONG_TEXT else kind for kind in kinds]


def _is_numeric(texts: list[str]) -> bool:
    known = [text for text in texts if text and text != "< 0.001"]
    return bool(known) and all(_NUMBER.fullmatch(text) for text in known)


def _widths(texts: list[str]) -> tuple[str, int]:
    numbers = [text.replace(",", "") for text in texts if _NUMBER.fullmatch(text)]
    parts = [number.lstrip("-").split(".") for number in numbers]
    whole = max(len(part[0]) for part in parts)
    decimals = max(len(part[1]) if len(part) > 1 else 0 for part in parts)
    sign = "-" if any(number.startswith("-") for number in numbers) else ""
    return f"{sign}{whole}", decimals
