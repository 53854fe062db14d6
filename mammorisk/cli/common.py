"""Shared parts of the commands: exit codes, options and error messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.errors import MammoriskError

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

DONE, SOME_FAILED, UNUSABLE = 0, 1, 2

#: Metavar of an option that accepts a URL. Such an option is a string, because pathlib would remove
#: a slash from "s3://".
PLACE = "<path or URL>"

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]


@contextmanager
def exit_on_error(debug: bool, as_json: bool = False) -> Iterator[None]:
    """End the command with exit code 2 on an error of the package.

    Parameters
    ----------
    debug : bool
        Raise the error with its traceback instead.
    as_json : bool
        Also print the error as a JSON object on standard output.
    """
    try:
        yield
    except MammoriskError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        if as_json:
            fields = {"what": error.what, "where": error.where, "remedy": error.remedy}
            typer.echo(json.dumps({"error": {"code": type(error).__name__, **fields}}, indent=2))
        raise typer.Exit(UNUSABLE) from None


def read_cohort_with_warnings(*args: Any, **options: Any) -> Cohort:
    """Read a cohort and print the warnings about its table on standard error."""
    from mammorisk.io import read_cohort

    cohort = read_cohort(*args, **options)
    for one in cohort.warnings:
        typer.echo(f"{one.severity}: {one.text}", err=True)
    return cohort


def console_width(in_a_pipe: int) -> int | None:
    """Return the width for rich: None for the width of the terminal, or a fixed one in a pipe."""
    return None if sys.stdout.isatty() else in_a_pipe
