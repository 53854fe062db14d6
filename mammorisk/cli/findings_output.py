"""Output of findings on the terminal and in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from mammorisk._utils.style import NOTICE
from mammorisk.cli.tables import print_table

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.findings.findings import Findings

#: Columns that are printed.
_SHOWN = ("finding_id", "view", "type", "score", "size_mm", "quadrant", "depth", "pair_id")
#: Largest number of exams that are named.
_ERRORS_SHOWN = 20


def print_findings(found: Findings) -> None:
    """Print the findings of one exam as a table, and the warnings about the search."""
    if len(found):
        _print_table(f"findings of {found.model}", found.table[list(_SHOWN)])
    else:
        typer.echo(f"{found.model}: no findings above the operating points")
    for one in found.warnings:
        typer.echo(f"! {one}")
    typer.echo(f"Scores are not risks. {NOTICE}")


def print_cohort_findings(table: pd.DataFrame) -> None:
    """Print the findings of a cohort as a table."""
    exams = len(table.attrs["exams"])
    title = f"{len(table)} findings in {exams} exams that were searched"
    if len(table):
        keys = [name for name in ("exam_id", "patient_id") if name in table.columns][:1]
        _print_table(title, table[[*keys, *_SHOWN]])
    else:
        typer.echo(title)
    typer.echo(f"Scores are not risks. {NOTICE}")


def _print_table(title: str, table: pd.DataFrame) -> None:
    shown = table.rename(columns=lambda name: name.replace("_", " "))
    for name in ("score", "depth"):
        shown[name] = shown[name].map(lambda v: "" if v != v else f"{v:.2f}")
    print_table(title, shown.fillna(""))


def print_search_errors(errors: Sequence[Mapping[str, Any]]) -> None:
    """Print on standard error which exams of a cohort cannot be searched, and why."""
    for one in errors[:_ERRORS_SHOWN]:
        place = f"{one['where']}: " if one["where"] else ""
        advice = f". {one['remedy']}" if one["remedy"] else ""
        name = one.get("exam_id", one.get("patient_id"))
        typer.echo(f"  exam {name}: {place}{one['what']}{advice}", err=True)
    if len(errors) > _ERRORS_SHOWN:
        typer.echo(f"  ... and {len(errors) - _ERRORS_SHOWN} more", err=True)


def flat_findings(table: pd.DataFrame) -> pd.DataFrame:
    """The table without tuples: text for warnings, a column for each edge of a box."""
    flat = table.drop(columns=["box_px", "box_mm", "centre_mm", "warnings"])
    for place, name in enumerate(("row_min_px", "row_max_px", "col_min_px", "col_max_px")):
        flat[name] = [box[place] for box in table["box_px"]]
    for place, name in enumerate(("row_mm", "col_mm")):
        flat[name] = [None if c is None else c[place] for c in table["centre_mm"]]
    flat["warnings"] = ["; ".join(map(str, told)) for told in table["warnings"]]
    return flat


def cohort_records(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The findings, searched exams and errors of a cohort as plain JSON types."""
    return {
        "findings": [_plain(row) for row in flat_findings(table).to_dict("records")],
        "exams": [_plain(row) for row in table.attrs["exams"]],
        "errors": [_plain(row) for row in table.attrs["errors"]],
    }


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): None if value != value else value for name, value in row.items()}
