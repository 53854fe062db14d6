"""``mammorisk stratify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.cli.common import (
    DONE,
    PLACE,
    SOME_FAILED,
    AsJson,
    Debug,
    Missing,
    exit_on_error,
    missing_codes,
    read_cohort_with_warnings,
)
from mammorisk.cli.tables import Risks, print_table, read_risks, write_table

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.policy.policy import Policy


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
    horizon: Annotated[
        float, typer.Option(help="With --policy thresholds: horizon of the risk in years.")
    ] = 5,
    out: Annotated[
        Path | None, typer.Option(help="File for the result (.parquet or .csv).")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of the model of the risks. Policies that use the risk from a "
            "fixed age, such as nice-cg164, need it."
        ),
    ] = None,
    missing: Missing = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Apply a published surveillance policy to predicted risks. Not care advice.

    Exit codes: 0 every exam has a risk; 1 some have none; 2 unusable input; 3 the policy does not
    allow the model.
    """
    from mammorisk.policy import stratify as apply_policy
    from mammorisk.policy.stratify import resolve
    from mammorisk.risk_models.registry import load_model

    with exit_on_error(debug, as_json):
        chosen = resolve(policy, cut or None, horizon)
        found = apply_policy(
            read_risks(risks),
            chosen,
            None
            if cohort is None
            else read_cohort_with_warnings(cohort, errors="flag", missing=missing_codes(missing)),
            model=None if model is None else load_model(model),
        )
        if out is not None:
            write_table(found, out)
    if as_json:
        typer.echo(found.to_json(orient="records", indent=2))
    elif len(found) == 1:
        from mammorisk.cli.show import print_policy

        print_policy(_plain_row(found))
    else:
        _print_groups(found, chosen)
    named = [
        name
        for name in map(str, found.columns)
        if name.startswith("risk_") and not name.endswith("_reason")
    ]
    raise typer.Exit(SOME_FAILED if found[named].isna().all(axis=1).any() else DONE)


def _print_groups(found: pd.DataFrame, policy: Policy) -> None:
    """Print the groups from the least to the most intensive, with their marks."""
    from mammorisk.policy.stratify import NOT_APPLICABLE

    marked = found[["category", "modality"]].assign(
        exams=1,
        off_label=found["policy_model_match"].eq("off-label").fillna(False).astype(int),
        near_threshold=found["near_threshold"].fillna(False).astype(int),
        unverified=found["status"].eq("verify").astype(int),
    )
    counts = marked.groupby(["category", "modality"], dropna=False, sort=False).sum().reset_index()
    # A category can have several groups, which differ in their actions.
    groups = [(group.category or name, group.modality) for name, group in policy.groups.items()]

    def place(row: int) -> int:
        of_row = (counts["category"].iloc[row], counts["modality"].iloc[row])
        return groups.index(of_row) if of_row[0] != NOT_APPLICABLE else len(groups)

    counts = counts.iloc[sorted(range(len(counts)), key=place)]
    print_table(
        f"policy {policy.id}, from low to high",
        counts.rename(columns=lambda name: str(name).replace("_", " ")),
    )
    left_out = found[found["category"] == NOT_APPLICABLE]["reason"].value_counts()
    for reason, count in left_out.items():
        typer.echo(f"! {count} not applicable: {reason}")
    for column, title in (("unverified", "unverified: "), ("cautions", "")):
        texts = found[column].fillna("").str.split("; ").explode()
        for text, count in texts[texts != ""].value_counts().items():
            typer.echo(f"! {count} {title}{text}")
    typer.echo(str(found["notice"].iloc[0]))


def _plain_row(found: pd.DataFrame) -> dict[str, Any]:
    """Return the only row, with None for missing values and Python booleans."""
    row = found.astype(object).where(found.notna(), None).iloc[0]
    return {str(name): value for name, value in row.items()} | {
        "near_threshold": bool(row["near_threshold"])
    }
