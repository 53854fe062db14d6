"""A report as a Word document and as an Excel workbook."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mammorisk._utils.optional import require
from mammorisk.evaluation.table_text import readable, with_notes

#: Extras of this package that write Word and Excel.
DOCUMENTS, TABLES = "documents", "tables"
#: Rows of a table in a Word document; Excel and CSV have all of them.
MOST_ROWS = 200
_WIDEST = 60


def write_docx(
    path: Path,
    *,
    title: str,
    notice: str,
    paragraphs: Sequence[str],
    tables: Sequence[tuple[str, str, pd.DataFrame]],
    figure: bytes | None,
    words: str,
) -> None:
    """Write a Word document.

    Parameters
    ----------
    path : Path
    title, notice : str
    paragraphs : sequence of str
        Before the tables.
    tables : sequence of (caption, note, table)
    figure : bytes or None
        PNG, after the paragraphs.
    words : str
        Caption of the figure.

    Raises
    ------
    MissingDependency
        python-docx is not installed.
    """
    require("docx", DOCUMENTS, what="writing Word documents")
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.shared import Inches, Pt

    document = Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Inches(0.8))
    document.styles["Normal"].font.size = Pt(10)
    document.add_heading(title, level=0)
    document.add_paragraph(notice)
    for text in paragraphs:
        document.add_paragraph(text)
    if figure is not None:
        document.add_picture(io.BytesIO(figure), width=Inches(6.6))
        document.add_paragraph(words, style="Caption")
    for number, (caption, note, table) in enumerate(tables, start=1):
        document.add_paragraph(
            f"Table {number}. {caption}", style="Caption"
        ).paragraph_format.keep_with_next = True
        legend = _add_table(document, table)
        left = len(table) - MOST_ROWS
        more = f"{left:,} further rows are in the other formats." if left > 0 else ""
        for text in filter(None, (note, legend, more)):
            document.add_paragraph().add_run(text).font.size = Pt(8)
    document.save(str(path))


def _add_table(document: Any, table: pd.DataFrame) -> str:
    """Add a table; the texts of its notes by number."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    text = readable(table).iloc[:MOST_ROWS]
    cells, legend = with_notes({str(name): text[name].tolist() for name in text})
    shown = pd.DataFrame(cells)
    made = document.add_table(rows=1, cols=max(len(shown.columns), 1))
    made.style = "Light List"
    right = [
        bool(len(shown)) and all(not text or text[0] in "-<0123456789" for text in shown[column])
        for column in shown.columns
    ]

    def fill(cell: Any, text: str, *, aligned: bool, bold: bool = False) -> None:
        paragraph = cell.paragraphs[0]
        run = paragraph.add_run(text)
        run.font.size = Pt(7.5)
        run.bold = bold
        if aligned:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT

    for cell, name, aligned in zip(made.rows[0].cells, shown.columns, right, strict=False):
        fill(cell, str(name), aligned=aligned, bold=True)
    # The header row is repeated on every page.
    made.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    for row in shown.itertuples(index=False):
        for cell, text, aligned in zip(made.add_row().cells, row, right, strict=True):
            fill(cell, str(text), aligned=aligned)
    return "; ".join(f"{number}: {told}" for told, number in legend.items())


def write_excel(path: Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    """Write a workbook with one sheet a table, numbers not rounded.

    Raises
    ------
    MissingDependency
        openpyxl is not installed.
    """
    require("openpyxl", TABLES, what="writing Excel workbooks")
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.active)
    for name, table in sheets.items():
        sheet = book.create_sheet(name[:31])
        sheet.append([str(column) for column in table.columns])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        sheet.freeze_panes = "A2"
        for i, row in enumerate(table.itertuples(index=False), start=2):
            for j, value in enumerate(row, start=1):
                cell = sheet.cell(i, j)
                cell.value = _cell(value)
                if isinstance(cell.value, str):
                    # A label that begins with "=" must not become a formula.
                    cell.data_type = "s"
        for j, column in enumerate(table.columns, start=1):
            texts = [str(column), *(str(_cell(value) or "") for value in table[column].head(200))]
            width = min(max(map(len, texts)) + 2, _WIDEST)
            sheet.column_dimensions[get_column_letter(j)].width = width
    book.save(str(path))


def _cell(value: object) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    item: Callable[[], Any] | None = getattr(value, "item", None)
    plain = value if item is None else item()
    if isinstance(plain, float):
        if math.isnan(plain):
            return None
        return plain if math.isfinite(plain) else str(plain)
    return plain if isinstance(plain, (int, bool, str)) else str(plain)
