"""``mammorisk predict --cohort``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mammorisk.cli.common import SOME_FAILED, read_cohort_with_warnings
from mammorisk.cli.findings_output import (
    cohort_records,
    flat_findings,
    print_cohort_findings,
    print_search_errors,
)
from mammorisk.cli.tables import write_table

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.base import Horizon, RiskModel
    from mammorisk.prediction.results_file import PredictionFile


class Engine(StrEnum):
    """Engine that predicts the parts of a cohort."""

    LOCAL = "local"
    RAY = "ray"


def predict_cohort(
    manifest: str,
    out: Path | None,
    *,
    root: str | None,
    model: RiskModel | None,
    horizons: Sequence[Horizon],
    policy: str | None,
    audit: Path | None,
    allow_missing_views: bool,
    as_json: bool,
    missing: dict[str, list[str]],
    engine: Engine,
    workers: int | None,
    address: str | None,
    embeddings: Path | None,
    findings: bool,
    findings_out: Path | None,
) -> int:
    """Predict a cohort, print or write the table, and return the exit code."""
    from mammorisk._utils.progress import progress_bar
    from mammorisk.policy import stratify
    from mammorisk.prediction.api import predict
    from mammorisk.prediction.archive import predict_to_file
    from mammorisk.prediction.results_file import count_risks

    if out is None and engine is not Engine.LOCAL:
        raise typer.BadParameter("--engine needs --out")
    if out is not None and policy is not None:
        raise typer.BadParameter("--policy goes without --out: stratify the file afterwards")
    cohort = read_cohort_with_warnings(
        manifest,
        root=root,
        errors="flag",
        allow_missing_views=allow_missing_views,
        missing=missing,
    )
    lesions = None
    if out is not None:
        with progress_bar("exams", len(cohort)) as advance:
            found = predict_to_file(
                cohort,
                out,
                model=model,
                horizons=horizons,
                engine=engine.value,
                workers=workers,
                address=address,
                embeddings=embeddings,
                findings=findings,
                on_part=advance,
                audit=audit,
            )
        if findings:
            lesions = found.findings()
        if as_json:
            counts = {"exams": found.exams, "without_risk": found.without_risk}
            if lesions is not None:
                counts |= {"findings": len(lesions), "unsearched": len(lesions.attrs["errors"])}
            typer.echo(json.dumps({"path": str(found.path), **counts}, indent=2))
    else:
        options: dict[str, Any] = {
            "model": model,
            "horizons": horizons,
            "embeddings": embeddings,
            "progress": sys.stderr.isatty(),
            "audit": audit,
        }
        if findings:
            risks, lesions = predict(cohort, findings=True, **options)
        else:
            risks = predict(cohort, **options)
        found = count_risks([risks], Path())
        if policy is not None:
            risks = stratify(risks, policy, cohort, model=model)
        if as_json:
            typer.echo(_as_json(risks, lesions))
        else:
            typer.echo(risks.to_string(index=False))
            if lesions is not None:
                print_cohort_findings(lesions)
    if lesions is not None:
        print_search_errors(lesions.attrs["errors"])
        if findings_out is not None:
            write_table(flat_findings(lesions), findings_out)
    typer.echo(f"{found.exams} exams, {found.without_risk} without a risk", err=True)
    for exam_id, why in found.failures:
        typer.echo(f"  exam {exam_id}: {why}", err=True)
    if found.without_risk > len(found.failures):
        more = found.without_risk - len(found.failures)
        typer.echo(f"  ... and {more} more; see the column warnings", err=True)
    code = _exit_code(found)
    if lesions is not None and lesions.attrs["errors"]:
        # The exit code of a risk that is missing says more.
        return code or SOME_FAILED
    return code


def _as_json(risks: pd.DataFrame, lesions: pd.DataFrame | None) -> str:
    # to_json converts NaN to null; json.dumps does not.
    told = risks.to_json(orient="records", indent=2)
    if lesions is None:
        return told
    return json.dumps({"risks": json.loads(told), **cohort_records(lesions)}, indent=2)


def _exit_code(found: PredictionFile) -> int:
    from mammorisk.prediction.status import Status, exit_code

    counts: dict[Status, int] = {
        "done": found.exams - found.without_risk,
        "incomplete": found.incomplete,
        "unusable": found.unusable,
        "refused": found.refused,
    }
    return exit_code(counts)
