"""``mammorisk find``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.cli.common import (
    DONE,
    PLACE,
    SOME_FAILED,
    AsJson,
    Debug,
    exit_on_error,
    read_cohort_with_warnings,
)
from mammorisk.cli.tables import print_table, write_table
from mammorisk.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.findings.findings import Findings


def find(
    exam: Annotated[
        str | None,
        typer.Argument(
            help="Folder, zip file or URL of one exam: DICOM, or PNG/TIFF files named by view."
        ),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            help="Manifest of a cohort with images (CSV, Parquet), instead of EXAM.", metavar=PLACE
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the table of findings (.parquet or .csv).")
    ] = None,
    model: Annotated[
        str, typer.Option(help="findings-sim, or the folder of a fitted detector.")
    ] = "findings-sim",
    minimum_score: Annotated[
        float | None,
        typer.Option(
            help="Lowest score of a finding, 0-1. Default: the operating points of the detector."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="File for a picture with the findings (.png, .svg, .pdf).")
    ] = None,
    sr: Annotated[
        Path | None, typer.Option(help="File for a DICOM Mammography CAD report (.dcm).")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find lesions in one exam or in a cohort. A score is not a risk.

    Exit codes: 0 done; 1 some exams of the cohort cannot be read; 2 unusable input.
    """
    if (exam is None) == (cohort is None):
        raise typer.BadParameter("give either EXAM or --cohort")
    if cohort is not None and (plot is not None or sr is not None):
        raise typer.BadParameter("--plot and --sr are for one exam")
    from mammorisk.findings.api import find as find_lesions

    with exit_on_error(debug, as_json):
        if cohort is not None:
            exams = read_cohort_with_warnings(cohort, errors="flag", allow_missing_views=True)
            table = find_lesions(exams, model=model, minimum_score=minimum_score, progress=True)
            errors = table.attrs["errors"]
            if out is not None:
                write_table(_flat(table), out)
            if as_json:
                typer.echo(json.dumps({"findings": _rows(table), "errors": errors}, indent=2))
            typer.echo(f"{len(table)} findings in {len(exams)} exams", err=True)
            for exam_id, why in list(errors.items())[:20]:
                typer.echo(f"  exam {exam_id}: {why}", err=True)
            raise typer.Exit(SOME_FAILED if errors else DONE)
        assert exam is not None
        found = find_lesions(exam, model=model, minimum_score=minimum_score)
        if out is not None:
            write_table(_flat(found.table), out)
        if plot is not None:
            _save_plot(found, plot)
        if sr is not None:
            found.to_sr(sr)
    if as_json:
        typer.echo(found.to_json())
        return
    _print(found)


def _print(found: Findings) -> None:
    columns = ["finding_id", "view", "type", "score", "size_mm", "quadrant", "depth", "pair_id"]
    table = found.table[columns]
    if len(table):
        shown = table.rename(columns=lambda name: name.replace("_", " "))
        for name in ("score", "depth"):
            shown[name] = shown[name].map(lambda v: "" if v != v else f"{v:.2f}")
        print_table(f"findings of {found.model}", shown.fillna(""))
    else:
        typer.echo(f"{found.model}: no findings above the operating points")
    for one in found.warnings:
        typer.echo(f"! {one}")
    from mammorisk._utils.style import NOTICE

    typer.echo(f"Scores are not risks. {NOTICE}")


def _save_plot(found: Findings, path: Path) -> None:
    from mammorisk._utils.output_file import write_output

    kind = path.suffix.removeprefix(".") or "png"
    figure: Any = found.plot().figure
    try:
        write_output(path, lambda file: figure.savefig(file, format=kind, dpi=150), "the picture")
    except ValueError:
        raise OutputError(
            f"{kind!r} is not a format of pictures", remedy="Use .png, .svg or .pdf."
        ) from None


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table without tuples: text for warnings, a column for each edge of a box."""
    flat = table.drop(columns=["box_px", "box_mm", "centre_mm", "warnings"])
    for place, name in enumerate(("row_min_px", "row_max_px", "col_min_px", "col_max_px")):
        flat[name] = [box[place] for box in table["box_px"]]
    for place, name in enumerate(("row_mm", "col_mm")):
        flat[name] = [None if c is None else c[place] for c in table["centre_mm"]]
    flat["warnings"] = ["; ".join(map(str, told)) for told in table["warnings"]]
    return flat


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    flat = _flat(table).astype(object)
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in flat.to_dict("records")
    ]
