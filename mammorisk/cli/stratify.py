"""``mammorisk stratify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import (
    PLACE,
    AsJson,
    Debug,
    Missing,
    exit_on_error,
    missing_codes,
    read_cohort_with_warnings,
)
from mammorisk.cli.tables import Risks, print_table, read_risks, write_table


def stratify(
    risks: Risks,
    policy: Annotated[
        str,
        typer.Option(
            help="Id of a policy (mr.policies() lists all), a YAML file, or 'thresholds'."
        ),
    ] = "nccn-2026",
    cohort: Annotated[
        str | None,
        typer.Option(help="Manifest with age, breast density and other fields.", metavar=PLACE),
    ] = None,
    cut: Annotated[
        list[float] | None,
        typer.Option(
            help="With --policy thresholds: a cut point as a risk from 0 to 1. Repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the result (.parquet or .csv).")
    ] = None,
    missing: Missing = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Apply a published surveillance policy to predicted risks. Not care advice."""
    from mammorisk.policy import stratify as apply_policy

    with exit_on_error(debug, as_json):
        found = apply_policy(
            read_risks(risks),
            policy,
            None
            if cohort is None
            else read_cohort_with_warnings(cohort, errors="flag", missing=missing_codes(missing)),
            cuts=cut or None,
        )
        if out is not None:
            write_table(found, out)
    if as_json:
        typer.echo(found.to_json(orient="records", indent=2))
        return
    counts = found.groupby(["category", "modality"], dropna=False, sort=False).size()
    print_table(f"policy {found['policy'].iloc[0]}", counts.rename("exams").reset_index())
    left_out = found[found["category"] == "not_applicable"]["reason"].value_counts()
    for reason, count in left_out.items():
        typer.echo(f"! {count} not applicable: {reason}")
    typer.echo(str(found["notice"].iloc[0]))
