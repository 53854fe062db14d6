"""What the commands share: exit codes, options, and how errors are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from mammorisk.errors import MammoriskError

DONE, SOME_FAILED, UNUSABLE = 0, 1, 2

#: How help names an option that may be a URL. What may be one is read as text: as a path, "s3://"
#: would lose a slash.
PLACE = "<path or URL>"

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]


@contextmanager
def told(debug: bool) -> Iterator[None]:
    """House errors end in one or two lines on standard error and exit code 2."""
    try:
        yield
    except MammoriskError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(UNUSABLE) from None
