"""Output of a prediction on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mammorisk.cli.common import console_width
from mammorisk.cli.findings_output import print_findings

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from mammorisk.prediction.prediction import Prediction


def print_prediction(prediction: Prediction) -> None:
    """Print risks, interval and baselines as a table, then density and warnings."""
    from rich.console import Console
    from rich.table import Table

    from mammorisk._utils.style import NOTICE
    from mammorisk.prediction.percent import horizon_name, percent
    from mammorisk.prediction.prediction_html import without_risk

    table = Table(title="Absolute risk of breast cancer", title_justify="left")
    table.add_column("model")
    for horizon in prediction.risk.index:
        table.add_column(horizon_name(horizon), justify="right")

    def cells(row: pd.Series) -> list[str]:
        return [percent(value) for value in row]

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
    for note in without_risk(prediction.to_dict()):
        console.print(note, markup=False, highlight=False, style="dim")
    if prediction.policy is not None:
        print_policy(prediction.policy, console)
    if prediction.findings is not None:
        # It has the notice, which is printed once.
        print_findings(prediction.findings)
        return
    console.print(NOTICE, style="dim")


def print_policy(policy: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what a policy states for one woman, with its reason, marks and cautions.

    Parameters
    ----------
    policy : mapping
        A row of :func:`mammorisk.stratify`, or :attr:`mammorisk.Prediction.policy`.
    console : Console, optional
    """
    from rich.console import Console

    from mammorisk.prediction.policy_result import marks

    console = console or Console(width=console_width(100))
    lines = [
        f"policy {policy['policy']}: {policy['category']} - {policy['label']}",
        f"  {policy['modality'] or 'no action'}",
        f"  reason: {policy['reason']}",
    ]
    lines += [f"! {one}" for one in marks(policy)]
    for line in [*lines, str(policy["notice"])]:
        console.print(line, markup=False, highlight=False)
