"""``mammorisk rates``."""

from __future__ import annotations

from typing import Annotated

import typer

from mammorisk.cli.common import (
    AsJson,
    Debug,
    RatesDeaths,
    RatesKind,
    RatesPer,
    console_width,
    exit_on_error,
    rates_option,
)


def rates(
    table: Annotated[
        str | None,
        typer.Argument(help="Table of incidence and mortality to check.", metavar="[TABLE]"),
    ] = None,
    rates_per: RatesPer = None,
    rates_kind: RatesKind = None,
    rates_deaths: RatesDeaths = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the sets of incidence and mortality in the package, or check your own table."""
    import json

    from rich.console import Console
    from rich.table import Table

    from mammorisk.clinical.rated import as_rates
    from mammorisk.clinical.rates_library import rates as list_rates

    with exit_on_error(debug, as_json):
        given = rates_option(table, rates_per, rates_kind, rates_deaths)
        found = as_rates(given.get("rates"))
    if found is not None:
        typer.echo(json.dumps(found.describe(), indent=2) if as_json else repr(found))
        return
    known = list_rates()
    if as_json:
        typer.echo(known.reset_index().to_json(orient="records", indent=2))
        return
    shown = Table()
    for column in ("name", "years", "ages", "groups", "deaths", "default of", "source"):
        shown.add_column(column, overflow="fold")
    for name, row in known.iterrows():
        columns = ("years", "ages", "groups", "deaths", "used_by", "source")
        shown.add_row(str(name), *(str(row[column]) for column in columns))
    Console(width=console_width(140)).print(shown)
