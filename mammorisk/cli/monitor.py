"""``mammorisk monitor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import DONE, SOME_FAILED, AsJson, Debug, exit_on_error


def monitor(
    queue: Annotated[
        Path, typer.Argument(help="Folder of the queue: OUTBOX/.queue, or what --state was.")
    ],
    html: Annotated[Path | None, typer.Option(help="File for the report as a page.")] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help="Table with study (StudyInstanceUID), time (years) and event (0, 1, 2), for "
            "observed over expected cancers."
        ),
    ] = None,
    acknowledge: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="Acknowledge the open alarms. The event log keeps the reason.",
        ),
    ] = None,
    false_alarms: Annotated[
        float,
        typer.Option(
            help="Probability of a false alarm of a device within --within-exams exams, from 1e-6 "
            "to 0.5."
        ),
    ] = 0.01,
    within_exams: Annotated[
        int, typer.Option(help="Number of exams of that probability, at least 100.")
    ] = 2000,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Look for changes in the event log of watch or serve. Exit code 1: an alarm is open."""
    from mammorisk.io.table_files import read_table_file
    from mammorisk.monitoring.api import acknowledge as acknowledge_alarms
    from mammorisk.monitoring.api import monitor as look

    with exit_on_error(debug, as_json):
        table = None
        if outcomes is not None:
            table = read_table_file(outcomes, text_columns=["study", "exam"]).table
        options = {"outcomes": table, "false_alarms": false_alarms, "within_exams": within_exams}
        report = look(queue, **options)  # type: ignore[arg-type]
        if acknowledge is not None:
            number = acknowledge_alarms(queue, report, acknowledge)
            typer.echo(f"{number} alarms acknowledged", err=True)
            report = look(queue, **options)  # type: ignore[arg-type]
        if html is not None:
            report.to_html(html)
    typer.echo(report.to_json() if as_json else str(report))
    raise typer.Exit(SOME_FAILED if report.is_alarmed else DONE)
