"""``mammorisk leave-one-out``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import (
    PLACE,
    AsJson,
    Debug,
    Missing,
    exit_on_error,
    missing_codes,
    read_cohort_with_warnings,
)
from mammorisk.cli.fit import changes_of
from mammorisk.cli.tables import print_table


def leave_one_out(
    cohort: Annotated[
        str, typer.Argument(help="Path or URL of a manifest with outcomes (CSV or Parquet).")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of models, risks, tables and the page. The same command resumes."
        ),
    ],
    by: Annotated[str, typer.Option(help="Column of the groups: site, vendor ...")] = "site",
    recipe: Annotated[
        str | None,
        typer.Option(help="Name of a recipe, or a YAML file. [default: hybrid, or that of --init]"),
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Name or folder of a model to fine-tune.")
    ] = None,
    horizon: Annotated[float, typer.Option(help="Years.")] = 5.0,
    fewest_cancers: Annotated[
        int, typer.Option(help="Smallest number of cancers in a group that is left out.")
    ] = 20,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of the cache of standardised images.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Value of a field of the recipe, for example training.epochs=5. Repeatable.",
        ),
    ] = None,
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    missing: Missing = None,
    root: Annotated[
        str | None, typer.Option(help="Folder that contains all images.", metavar=PLACE)
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fit without one site (or vendor) and evaluate on it, for each; with a forest plot."""
    from mammorisk.evaluation.left_out import readable_groups
    from mammorisk.training.leave_one_out import leave_one_out as leave_out

    with exit_on_error(debug, as_json):
        found = leave_out(
            read_cohort_with_warnings(cohort, root=root, missing=missing_codes(missing)),
            recipe,
            by=by,
            out=out,
            horizon=horizon,
            fewest_cancers=fewest_cancers,
            level=level,
            cache=cache,
            progress=sys.stderr.isatty(),
            init=init,
            on_warning=lambda one: typer.echo(f"{one.severity}: {one.text}", err=True),
            **changes_of(change),
        )
        found.to_csv(out)
        found.to_html(out / "leave_one_out.html")
    if as_json:
        tables = {
            name: json.loads(table.to_json(orient="records"))
            for name, table in (("groups", found.groups), ("summary", found.summary))
        }
        typer.echo(json.dumps(tables, indent=2))
        return
    print_table(f"left-out {by}", readable_groups(found.groups))
    print_table("summary", found.summary.drop(columns=["horizon"]))
    typer.echo(f"Page with forest plots: {out / 'leave_one_out.html'}")
