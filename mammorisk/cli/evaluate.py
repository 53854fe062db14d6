"""``mammorisk evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammorisk.cli.common import (
    AsJson,
    Debug,
    Missing,
    RatesDeaths,
    RatesKind,
    RatesPer,
    RatesTable,
    exit_on_error,
    missing_codes,
    rates_option,
    read_cohort_with_warnings,
)
from mammorisk.cli.tables import Risks, print_table, read_risks

if TYPE_CHECKING:
    import pandas as pd

Cohort = Annotated[
    str,
    typer.Argument(
        help="Path or URL of a manifest or study folder with the time and event of each exam."
    ),
]


def evaluate(
    risks: Risks,
    cohort: Cohort,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Column whose groups are also evaluated separately. Repeatable."),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="File for the report (.html, .docx, .xlsx), or for its figure (.pdf, .svg, .png). "
            "Repeatable."
        ),
    ] = None,
    tables: Annotated[Path | None, typer.Option(help="Folder for all tables.")] = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="Write tables as LaTeX instead of CSV.")
    ] = False,
    published: Annotated[
        bool, typer.Option(help="Also evaluate published models, if the cohort has ages.")
    ] = True,
    cluster: Annotated[
        str | None,
        typer.Option(help="Column of sites; the heterogeneity between them is estimated."),
    ] = None,
    recalibrated: Annotated[
        bool, typer.Option("--recalibrated", help="Also evaluate the risks after recalibration.")
    ] = False,
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    fewest_cancers: Annotated[
        int, typer.Option(help="Minimum number of cancers of a group that is evaluated.")
    ] = 20,
    rates: RatesTable = None,
    rates_per: RatesPer = None,
    rates_kind: RatesKind = None,
    rates_deaths: RatesDeaths = None,
    workers: Annotated[
        int, typer.Option(help="Number of processes. The numbers do not depend on it.", min=1)
    ] = 1,
    missing: Missing = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Evaluate discrimination, calibration and clinical utility of predicted risks."""
    from mammorisk.evaluation.api import evaluate as evaluate_risks

    with exit_on_error(debug, as_json):
        report = evaluate_risks(
            read_risks(risks),
            read_cohort_with_warnings(cohort, errors="flag", missing=missing_codes(missing)),
            by or (),
            published=None if published else (),
            cluster=cluster,
            recalibrated=recalibrated,
            level=level,
            fewest_cancers=fewest_cancers,
            rates=rates_option(rates, rates_per, rates_kind, rates_deaths).get("rates"),
            workers=workers,
            progress=True,
        )
        writers = {".html": report.to_html, ".docx": report.to_docx, ".xlsx": report.to_excel}
        for path in out or ():
            writers.get(path.suffix.lower(), report.save_figure)(path)
        if tables is not None:
            (report.to_latex if latex else report.to_csv)(tables)
    if as_json:
        typer.echo(report.discrimination.to_json(orient="records", indent=2))
        return
    year = report.horizons[-1]
    for name in ("discrimination", "calibration", "comparison"):
        table: pd.DataFrame = getattr(report, name)
        if len(table):
            shown = table[(table["horizon"] == year) | table["horizon"].isna()]
            print_table(name, shown.drop(columns=["interval", "null"]))
    for note in report.notes:
        typer.echo(f"! {note}")
    from mammorisk._utils.style import NOTICE

    typer.echo(NOTICE)
