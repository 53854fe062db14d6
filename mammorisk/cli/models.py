"""``mammorisk models``."""

from __future__ import annotations

import typer

from mammorisk.cli.common import AsJson, Debug, console_width, exit_on_error


def models(as_json: AsJson = False, debug: Debug = False) -> None:
    """List all named models with their inputs and horizons."""
    from rich.console import Console
    from rich.table import Table

    from mammorisk.risk_models.registry import models as list_models

    with exit_on_error(debug, as_json):
        known = list_models()
    if as_json:
        typer.echo(known.reset_index().to_json(orient="records", indent=2))
        return
    table = Table()
    for column in ("name", "title", "requires", "ages", "horizons"):
        table.add_column(column, overflow="fold")
    for name, card in known.iterrows():
        table.add_row(str(name), card["title"], card["required"], card["ages"], card["horizons"])
    Console(width=console_width(120)).print(table)
