"""Reading, writing and printing of tables by the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.cli.common import console_width

if TYPE_CHECKING:
    import pandas as pd

Risks = Annotated[
    Path,
    typer.Argument(
        help="Risks written by `mammorisk predict --cohort` (.parquet or .csv), or the result of "
        "`mammorisk predict --json` (.json)."
    ),
]


def read_risks(path: Path) -> pd.DataFrame:
    """Read a table of risks.

    Parameters
    ----------
    path : Path
        Parquet or CSV, or the JSON of one result or of a cohort.

    Returns
    -------
    DataFrame

    Raises
    ------
    ManifestError
        The file cannot be read.
    """
    import pandas as pd

    from mammorisk.errors import ManifestError

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".json":
            return _from_json(json.loads(path.read_text(encoding="utf-8")))
        return pd.read_csv(path, dtype={"patient_id": str, "exam_id": str})
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"the risks cannot be read ({type(error).__name__})",
            where=path.name,
            remedy="Give a file written by `mammorisk predict --cohort ... --out ...`.",
        ) from None


def _from_json(content: Any) -> pd.DataFrame:
    import pandas as pd

    from mammorisk.prediction.result_frame import result_frame

    if isinstance(content, dict) and isinstance(content.get("risks"), list):
        # `mammorisk predict --cohort --findings --json`.
        content = content["risks"]
    if isinstance(content, list):
        return pd.DataFrame(content)
    return result_frame(content)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file, atomically.

    Parameters
    ----------
    table : DataFrame
    path : Path
        ``.csv`` for CSV, else Parquet.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from mammorisk._utils.output_file import write_output

    def write(file: Path) -> None:
        if path.suffix == ".csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)

    write_output(path, write, "the table", where=str(path))


def print_table(title: str, table: Any) -> None:
    """Print a table with a title."""
    from rich.console import Console
    from rich.table import Table

    from mammorisk.evaluation.table_text import readable

    shown = readable(table)
    made = Table(title=title, title_justify="left")
    for column in shown.columns:
        made.add_column(str(column), overflow="fold")
    for row in shown.itertuples(index=False):
        made.add_row(*map(str, row))
    Console(width=console_width(140)).print(made)
