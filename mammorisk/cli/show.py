"""Output of a prediction on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mammorisk.cli.common import console_width

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.prediction.prediction import Prediction


def print_prediction(prediction: Prediction) -> None:
    """Print risks, interval and baselines as a table, then density and warnings."""
    from rich.console import Console
    from rich.table import Table

    from mammorisk._utils.style import NOTICE
    from mammorisk.prediction.prediction import without_risk

    table = Table(title="Absolute risk of breast cancer", title_justify="left")
    table.add_column("model")
    for horizon in prediction.risk.index:
        table.add_column(f"{horizon:g} y", justify="right")

    def cells(row: pd.Series) -> list[str]:
        return ["–" if value != value else f"{100 * value:.2f}%" for value in row]

    table.add_row(prediction.model, *cells(prediction.risk), style="bold")
    if prediction.interval is not None:
        for limit in ("lower", "upper"):
            table.add_row(f"  {limit} 95% limit", *cells(prediction.interval[limit]), style="dim")
    for name, row in prediction.baselines.iterrows():
        table.add_row(str(name), *cells(row))
    console = Console(width=console_width(100))
    console.print(table)
    density = prediction.density
    if density.get("category"):
        console.print(f"breast density {density['category']}, {density['source']}")
    for warning in prediction.warnings:
        console.print(f"! {warning}", markup=False, highlight=False)
    for note in without_risk(prediction):
        console.print(note, markup=False, highlight=False, style="dim")
    console.print(NOTICE, style="dim")
