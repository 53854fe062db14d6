"""``mammorisk convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import Debug, exit_on_error


def convert(
    model: Annotated[str, typer.Argument(help="Model to convert: mirai or mammo-clip.")],
    source: Annotated[
        Path,
        typer.Argument(
            help="mirai: file snapshots.zip of the release, or a folder with the .p files. "
            "mammo-clip: the checkpoint (.tar)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the converted model to.")],
    origin: Annotated[
        str | None,
        typer.Option(help="mammo-clip: origin of weights other than the published ones."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="mammo-clip: licence of weights other than the published ones."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Convert published snapshots to a model folder without pickles, in a restricted process."""
    from mammorisk.errors import ModelError, UnknownModel

    with exit_on_error(debug):
        if model == "mirai":
            from mammorisk.risk_models.mirai.convert import convert_snapshots

            if origin or licence:
                raise ModelError("the licence of mirai is known", remedy="Omit the option.")
            folder = convert_snapshots(source, out)
        elif model == "mammo-clip":
            from mammorisk.risk_models.encoders.mammo_clip.convert import convert_mammo_clip

            folder = convert_mammo_clip(source, out, source=origin, licence=licence)
        else:
            raise UnknownModel(
                f"{model!r} cannot be converted", remedy="Known: mirai and mammo-clip."
            )
    typer.echo(f"converted: {folder}")
    if model == "mirai":
        typer.echo(f'Next: mammorisk predict EXAM --model {folder}, or mr.load_model("{folder}")')
    else:
        typer.echo(
            f"Next: mammorisk embed COHORT --encoder {folder} --out FILE, or "
            f'mr.embed(cohort, "{folder}")'
        )
