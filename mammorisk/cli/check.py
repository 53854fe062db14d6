"""``mammorisk check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import (
    PLACE,
    REFUSED,
    SOME_FAILED,
    AsJson,
    Debug,
    Missing,
    exit_on_error,
    missing_codes,
)
from mammorisk.cli.tables import print_table


def check(
    cohort: Annotated[
        str, typer.Argument(help="Path or URL of a manifest or study folder (CSV or Parquet).")
    ],
    out: Annotated[Path | None, typer.Option(help="HTML page to write.")] = None,
    tables: Annotated[Path | None, typer.Option(help="Folder for all tables as CSV.")] = None,
    headers: Annotated[
        bool, typer.Option(help="Open every exam and read the headers of its images.")
    ] = True,
    pixels: Annotated[
        bool,
        typer.Option("--pixels", help="Also decode every image, to find copies of images."),
    ] = False,
    horizon: Annotated[float, typer.Option(help="Horizon of cancers and follow-up, years.")] = 5.0,
    root: Annotated[
        str | None, typer.Option(help="Folder that contains all images.", metavar=PLACE)
    ] = None,
    missing: Missing = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check what a cohort can teach: cancers, follow-up, leaks, images and recipes.

    Exit code 1 if rows or exams cannot be read, 3 if a woman or an image is in several splits.
    """
    from mammorisk.cohort_check.api import check_cohort
    from mammorisk.io import read_cohort

    with exit_on_error(debug, as_json):
        found = check_cohort(
            read_cohort(cohort, root=root, errors="flag", missing=missing_codes(missing)),
            headers=headers,
            pixels=pixels,
            horizon=horizon,
            progress=sys.stderr.isatty(),
        )
        if out is not None:
            found.to_html(out)
        if tables is not None:
            found.to_csv(tables)
    if as_json:
        names = {
            name: json.loads(table.to_json(orient="records"))
            for name, table in found.tables.items()
        }
        told = [one.to_dict() for one in found.warnings]
        typer.echo(
            json.dumps({"simulated": found.simulated, "warnings": told, "tables": names}, indent=2)
        )
    else:
        print_table("SIMULATED cohort" if found.simulated else "cohort", found.overview)
        print_table("cancers", found.groups.drop(columns=["without_outcome", "years"]))
        print_table("what can be learnt", found.recipes.drop(columns=["basis"]))
        if len(found.unreadable):
            print_table("rows and exams that cannot be read", found.unreadable.head(20))
        for one in found.warnings:
            typer.echo(f"{one.severity}: {one.text}")
    if found.is_leaking:
        raise typer.Exit(REFUSED)
    if len(found.unreadable):
        raise typer.Exit(SOME_FAILED)
