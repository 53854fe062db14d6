"""Shared parts of the commands: exit codes, options and error messages."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.errors import MammoriskError, PolicyRefused, QuestionnaireError

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

#: Exit codes. A command whose results all have one reason for no risk ends with the code of this
#: reason: see :func:`mammorisk.prediction.status.exit_code`.
DONE, SOME_FAILED, UNUSABLE, REFUSED = 0, 1, 2, 3

#: Whether the name of the file that caused an error is printed. The app sets it for each call.
SHOW_FILES: ContextVar[bool] = ContextVar("SHOW_FILES", default=False)

#: Metavar of an option that accepts a URL. Such an option is a string, because pathlib would remove
#: a slash from "s3://".
PLACE = "<path or URL>"

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        help="Values of a column that mean 'not known', for example biopsies=9,99. Repeatable.",
        metavar="COLUMN=VALUES",
    ),
]
RatesTable = Annotated[
    str | None,
    typer.Option(
        "--rates",
        help="Incidence and mortality that replace those of the model: a table by age, or the name "
        "of a set (`mammorisk rates` lists them).",
        metavar="<path or name>",
    ),
]
RatesPer = Annotated[
    float | None,
    typer.Option("--rates-per", help="Unit of the table: 1, or 100000 for rates per 100,000."),
]
RatesKind = Annotated[
    str | None,
    typer.Option(
        "--rates-kind",
        help="Numbers of the table: 'hazard' (cases by population), 'probability per year' or "
        "'probability per band'.",
    ),
]
RatesDeaths = Annotated[
    str | None,
    typer.Option(
        "--rates-deaths", help="Deaths that the mortality counts: 'other causes' or 'all causes'."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]


@contextmanager
def exit_on_error(debug: bool, as_json: bool = False) -> Iterator[None]:
    """End the command with exit code 2 on an error of the package, or 3 on a refusal.

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
        source = error.source if SHOW_FILES.get() else None
        if source is not None:
            typer.echo(f"file: {source}", err=True)
        exit_code = REFUSED if isinstance(error, PolicyRefused) else UNUSABLE
        if as_json:
            print_error(error.to_dict(), exit_code, source=source)
        raise typer.Exit(exit_code) from None


def print_error(
    error: Mapping[str, str | None], exit_code: int, *, source: str | None = None
) -> None:
    """Print an error as a JSON object on standard output.

    Parameters
    ----------
    error : mapping
        As :meth:`mammorisk.MammoriskError.to_dict` returns it.
    exit_code : int
    source : str, optional
        Name of the file concerned.
    """
    fields: dict[str, Any] = {**error, "exit_code": exit_code}
    if source is not None:
        fields["source"] = source
    typer.echo(json.dumps({"error": fields}, indent=2))


def read_cohort_with_warnings(*args: Any, **options: Any) -> Cohort:
    """Read a cohort and print the warnings about its table on standard error."""
    from mammorisk.io import read_cohort

    cohort = read_cohort(*args, **options)
    for one in cohort.warnings:
        typer.echo(f"{one.severity}: {one.text}", err=True)
    return cohort


def missing_codes(texts: list[str] | None) -> dict[str, list[str]]:
    """Read ``--missing COLUMN=VALUES``.

    Raises
    ------
    QuestionnaireError
        A text does not have this form.
    """
    found: dict[str, list[str]] = {}
    for text in texts or ():
        name, separator, values = text.partition("=")
        codes = [value.strip() for value in values.split(",") if value.strip()]
        if not separator or not name.strip() or not codes:
            raise QuestionnaireError(
                f"{text!r} is not COLUMN=VALUES",
                where="--missing",
                remedy="Write, for example, --missing biopsies=9,99.",
            )
        found.setdefault(name.strip(), []).extend(codes)
    return found


def rates_option(
    table: str | None, per: float | None, kind: str | None, deaths: str | None
) -> dict[str, Any]:
    """Read ``--rates`` and the options about its units, as an option of ``load_model``.

    Warnings about the table are printed on standard error.

    Raises
    ------
    RatesError
        The table cannot be read, or its unit is not stated.
    BadParameter
        These options are given without a table.
    """
    if table is None:
        if (per, kind, deaths) != (None, None, None):
            raise typer.BadParameter("--rates-per, --rates-kind and --rates-deaths need --rates")
        return {}
    from mammorisk.clinical.rates_library import RATE_SETS
    from mammorisk.clinical.rates_table import read_rates

    if table in RATE_SETS:
        return {"rates": table}
    rates = read_rates(table, per=per, kind=kind, deaths=deaths)  # type: ignore[arg-type]
    for doubt in rates.doubts:
        typer.echo(f"caution: {rates.name}: {doubt}", err=True)
    return {"rates": rates}


def stop_signals() -> Callable[[], bool]:
    """Catch SIGINT and SIGTERM. Return a function that says whether one has come."""
    came: list[int] = []
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, frame: came.append(number))
    return lambda: bool(came)


def console_width(in_a_pipe: int) -> int | None:
    """Return the width for rich: None for the width of the terminal, or a fixed one in a pipe."""
    return None if sys.stdout.isatty() else in_a_pipe
