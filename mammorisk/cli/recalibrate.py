"""``mammorisk recalibrate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import (
    DONE,
    SOME_FAILED,
    Debug,
    Missing,
    exit_on_error,
    missing_codes,
    read_cohort_with_warnings,
)


def recalibrate(
    protocol: Annotated[
        Path,
        typer.Argument(
            help="YAML file: model, horizons, reason and the rules that the result must pass.",
            exists=True,
            dir_okay=False,
        ),
    ],
    queue: Annotated[
        Path, typer.Option(help="Folder of the queue of the service, whose event log is used.")
    ],
    fix_protocol: Annotated[
        bool,
        typer.Option(
            "--fix-protocol", help="Write the protocol into the event log, and end. Comes first."
        ),
    ] = False,
    cohort: Annotated[
        str | None, typer.Option(help="Path or URL of a manifest with outcomes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the model. It is written only if it passes.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="File for the change record (JSON). A page (.html) lies beside it."),
    ] = None,
    missing: Missing = None,
    debug: Debug = False,
) -> None:
    """Recalibrate a model by a protocol that was fixed before. Exit code 1: it has not passed."""
    from mammorisk._utils.output_file import write_output
    from mammorisk.monitoring.change_page import record_page
    from mammorisk.monitoring.change_protocol import read_protocol
    from mammorisk.monitoring.change_record import fix_protocol as fix
    from mammorisk.monitoring.change_record import recalibrate_by

    with exit_on_error(debug):
        chosen = read_protocol(protocol)
        if fix_protocol:
            typer.echo(f"protocol fixed: {fix(queue, chosen)}")
            raise typer.Exit(DONE)
        if cohort is None or out is None or record is None:
            raise typer.BadParameter("--cohort, --out and --record are needed")
        women = read_cohort_with_warnings(cohort, errors="flag", missing=missing_codes(missing))
        change = recalibrate_by(queue, chosen, women)
        write_output(record, json.dumps(change.record, indent=2, allow_nan=False), "the record")
        write_output(record.with_suffix(".html"), record_page(change.record), "the page")
        if change.has_passed:
            change.model.save(out)
    for one in change.record["rules"]:
        mark = "passed" if one["passed"] else "NOT PASSED"
        value = "not known" if one["value"] is None else f"{one['value']:.4g}"
        typer.echo(f"{mark}: {one['measure']} at {one['horizon']:g} years is {value}")
    if not change.record["enough_cancers"]:
        typer.echo(f"NOT PASSED: {change.record['cancers']} cancers are too few")
    raise typer.Exit(DONE if change.has_passed else SOME_FAILED)
