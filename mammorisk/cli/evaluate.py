"""``mammorisk evaluate`` and ``mammorisk stratify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.cli.common import PLACE, AsJson, Debug, told

if TYPE_CHECKING:
    import pandas as pd

Risks = Annotated[
    Path, typer.Argument(help="Risks that `mammorisk predict --cohort` wrote (.parquet or .csv).")
]
Cohort = Annotated[
    str,
    typer.Argument(
        help="Path or URL of a manifest or study folder with time and event of each exam."
    ),
]


def evaluate(
    risks: Risks,
    cohort: Cohort,
    by: Annotated[
        list[str] | None, typer.Option(help="Column whose groups are evaluated apart; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report here (.html).")] = None,
    tables: Annotated[Path | None, typer.Option(help="Write every table into this folder.")] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Tables as LaTeX instead of CSV.")] = False,
    published: Annotated[
        bool, typer.Option(help="Set published models beside, where the cohort has an age.")
    ] = True,
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    fewest_cancers: Annotated[
        int, typer.Option(help="Groups with fewer cancers are not evaluated.")
    ] = 20,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Discrimination, calibration and utility of predicted risks, against what happened."""
    from mammorisk.evaluation.api import evaluate as evaluate_risks
    from mammorisk.io import read_cohort

    with told(debug):
        report = evaluate_risks(
            _read(risks),
            read_cohort(cohort, errors="flag"),
            by or (),
            published=None if published else (),
            level=level,
            fewest_cancers=fewest_cancers,
        )
        if out is not None:
            report.to_html(out)
        if tables is not None:
            (report.to_latex if latex else report.to_csv)(tables)
    if as_json:
        typer.echo(report.discrimination.to_json(orient="records", indent=2))
        return
    year = report.horizons[-1]
    for name in ("discrimination", "calibration", "comparison"):
        table: pd.DataFrame = getattr(report, name)
        if len(table):
            _print(name, table[(table["horizon"] == year) | table["horizon"].isna()])
    for note in report.notes:
        typer.echo(f"! {note}")
    from mammorisk._utils.style import NOTICE

    typer.echo(NOTICE)


def stratify(
    risks: Risks,
    policy: Annotated[
        str,
        typer.Option(
            help="A policy's id (docs, or mr.policies()), a file of one's own, or thresholds."
        ),
    ] = "nccn-2026",
    cohort: Annotated[
        str | None,
        typer.Option(help="Manifest with age, density and other fields.", metavar=PLACE),
    ] = None,
    cut: Annotated[
        list[float] | None, typer.Option(help="With --policy thresholds: a cut point; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write here (.parquet or .csv).")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """What a published surveillance policy would do for each woman. Not care advice."""
    from mammorisk.io import read_cohort
    from mammorisk.policy import stratify as apply_policy

    with told(debug):
        found = apply_policy(
            _read(risks),
            policy,
            None if cohort is None else read_cohort(cohort, errors="flag"),
            cuts=cut or None,
        )
        if out is not None:
            _write(found, out)
    if as_json:
        typer.echo(found.to_json(orient="records", indent=2))
        return
    counts = found.groupby(["category", "modality"], dropna=False, sort=False).size()
    _print(f"policy {found['policy'].iloc[0]}", counts.rename("exams").reset_index())
    left_out = found[found["category"] == "not_applicable"]["reason"].value_counts()
    for reason, count in left_out.items():
        typer.echo(f"! {count} not applicable: {reason}")
    typer.echo(str(found["notice"].iloc[0]))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    from mammorisk.errors import ManifestError

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype={"patient_id": str, "exam_id": str})
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"the risks cannot be read ({type(error).__name__})",
            where=path.name,
            remedy="Give the file that `mammorisk predict --cohort ... --out` wrote.",
        ) from None


def _write(table: pd.DataFrame, path: Path) -> None:
    from mammorisk._utils.atomic_write import atomic_write
    from mammorisk.errors import OutputError

    def write(file: Path) -> None:
        if path.suffix == ".csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)

    try:
        atomic_write(path, write)
    except OSError as error:
        raise OutputError(
            f"the table cannot be written ({error.strerror})", where=str(path)
        ) from None


def _print(title: str, table: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from mammorisk.evaluation.table_text import readable

    shown = readable(table)
    made = Table(title=title, title_justify="left")
    for column in shown.columns:
        made.add_column(str(column), overflow="fold")
    for row in shown.itertuples(index=False):
        made.add_row(*map(str, row))
    Console(width=None if sys.stdout.isatty() else 140).print(made)
