"""The command-line interface. It calls the Python interface and has no logic of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from mammorisk._version import __version__
from mammorisk.cli.check import check
from mammorisk.cli.common import SHOW_FILES
from mammorisk.cli.compare_recipes import compare_recipes
from mammorisk.cli.convert import convert
from mammorisk.cli.demo import demo
from mammorisk.cli.embed import embed
from mammorisk.cli.evaluate import evaluate
from mammorisk.cli.find import find
from mammorisk.cli.fit import fit
from mammorisk.cli.json_errors import JsonErrors
from mammorisk.cli.leave_one_out import leave_one_out
from mammorisk.cli.models import models
from mammorisk.cli.monitor import monitor
from mammorisk.cli.predict import predict
from mammorisk.cli.rates import rates
from mammorisk.cli.recalibrate import recalibrate
from mammorisk.cli.scan import scan
from mammorisk.cli.serve import serve
from mammorisk.cli.simulate import simulate
from mammorisk.cli.stratify import stratify
from mammorisk.cli.watch import process_folder, watch

app = typer.Typer(
    name="mammorisk",
    cls=JsonErrors,
    help="Breast cancer risk from mammograms and clinical data. Research software, not a medical "
    "device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for command in (
    *(
        predict,
        find,
        simulate,
        check,
        fit,
        leave_one_out,
        compare_recipes,
        embed,
        evaluate,
        stratify,
        convert,
        demo,
        models,
        rates,
        scan,
        watch,
        process_folder,
        serve,
        monitor,
        recalibrate,
    ),
):
    app.command()(command)


def main() -> None:
    """Entry point of the ``mammorisk`` command."""
    app()


def _version(show: bool) -> None:
    if show:
        typer.echo(f"mammorisk {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    show_files: Annotated[
        bool,
        typer.Option(
            "--show-files",
            help="Also print the name of the file that caused an error. It may be an identity.",
        ),
    ] = False,
) -> None:
    SHOW_FILES.set(show_files)
