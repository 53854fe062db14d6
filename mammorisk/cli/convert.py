"""``mammorisk convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import Debug, exit_on_error


def convert(
    model: Annotated[str, typer.Argument(help="Model to convert: mirai.")],
    source: Annotated[
        Path,
        typer.Argument(help="File snapshots.zip of the release, or a folder with the .p files."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the converted model to.")],
    debug: Debug = False,
) -> None:
    """Convert published snapshots to a model folder without pickles, in a restricted process."""
    from mammorisk.errors import UnknownModel

    with exit_on_error(debug):
        if model != "mirai":
            raise UnknownModel(f"{model!r} cannot be converted", remedy="Known: mirai.")
        from mammorisk.risk_models.mirai.convert import convert_snapshots

        folder = convert_snapshots(source, out)
    typer.echo(f"converted: {folder}")
    typer.echo(f'Next: mammorisk predict EXAM --model {folder}, or mr.load_model("{folder}")')
