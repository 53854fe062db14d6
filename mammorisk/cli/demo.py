"""``mammorisk demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import Debug, exit_on_error


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the files of the demo.")] = Path("demo"),
    debug: Debug = False,
) -> None:
    """Simulate a study, predict risks and compare them with the truth. Takes a few minutes."""
    from mammorisk.cli.show import print_prediction
    from mammorisk.demo.run import run_demo

    with exit_on_error(debug):
        run_demo(out, typer.echo, print_prediction)
