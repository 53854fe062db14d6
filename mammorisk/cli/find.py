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
from mammorisk.cli.findings_output import (
    cohort_records,
    flat_findings,
    print_findings,
    print_search_errors,
)
from mammorisk.cli.tables import write_table
from mammorisk.errors import OutputError

if TYPE_CHECKING:
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
                write_table(flat_findings(table), out)
            if as_json:
                typer.echo(json.dumps(cohort_records(table), indent=2))
            searched = len(table.attrs["exams"])
            typer.echo(f"{len(table)} findings in {searched} of {len(exams)} exams", err=True)
            print_search_errors(errors)
            raise typer.Exit(SOME_FAILED if errors else DONE)
        assert exam is not None
        found = find_lesions(exam, model=model, minimum_score=minimum_score)
        if out is not None:
            write_table(flat_findings(found.table), out)
        if plot is not None:
            _save_plot(found, plot)
        if sr is not None:
            found.to_sr(sr)
    if as_json:
        typer.echo(found.to_json())
        return
    print_findings(found)


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
