"""``mammorisk embed``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import (
    DONE,
    PLACE,
    SOME_FAILED,
    AsJson,
    Debug,
    exit_on_error,
    read_cohort_with_warnings,
)
from mammorisk.cli.predict_cohort import Engine

#: Failures that are printed.
_NAMED = 20


class DType(StrEnum):
    """Type of the stored features."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class PlacePooling(StrEnum):
    """How the places of a view are pooled."""

    MEAN = "mean"
    STATISTICS = "statistics"


class Pooling(StrEnum):
    """How the views of an exam are pooled."""

    MEAN = "mean"
    MAX = "max"


def embed(
    cohort: Annotated[str, typer.Argument(help="Manifest of a cohort with images (CSV, Parquet).")],
    out: Annotated[
        Path,
        typer.Option(
            help="File for the features (.parquet), or a name without an ending for a folder. "
            "The same command resumes an interrupted run."
        ),
    ],
    encoder: Annotated[
        str,
        typer.Option(
            help="Name of an encoder: hybrid, mirai, mammo-clip, compact, a model of timm, "
            "hf-hub:owner/name, or a folder."
        ),
    ] = "hybrid",
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the converted weights of mirai or mammo-clip, or safetensors file for "
            "timm."
        ),
    ] = None,
    spacing_mm: Annotated[
        float | None,
        typer.Option(help="Pixel spacing of a view in mm, for compact and models of timm."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Rows of a view, for compact and models of timm.")
    ] = None,
    columns: Annotated[
        int | None, typer.Option(help="Columns of a view, for compact and models of timm.")
    ] = None,
    pooling: Annotated[
        PlacePooling,
        typer.Option(
            help="Pooling over the places of a view, for compact and models of timm: statistics "
            "(mean and standard deviation of all stages) keeps fine texture."
        ),
    ] = PlacePooling.MEAN,
    pool: Annotated[
        Pooling | None, typer.Option(help="Also store one row per exam, pooled over its views.")
    ] = None,
    dtype: Annotated[DType, typer.Option(help="Type of the features.")] = DType.FLOAT32,
    root: Annotated[
        str | None,
        typer.Option(
            help="Folder with all images. Default: the folder of the manifest.", metavar=PLACE
        ),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="Backend of the encoder: auto, torch, openvino, cuda ...")
    ] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="Run on this machine or on a Ray cluster.")
    ] = Engine.LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(help="With --engine ray: number of workers. Default: one per core."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="With --engine ray: address of a running cluster. Default: one on this machine."
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the features of every view of a cohort, computed by an encoder."""
    from mammorisk._utils.progress import progress_bar
    from mammorisk.embeddings.api import embed as embed_all
    from mammorisk.risk_models.encoders.registry import load_encoder

    with exit_on_error(debug, as_json):
        chosen = load_encoder(
            encoder,
            weights=weights,
            spacing_mm=spacing_mm,
            rows=rows,
            columns=columns,
            pooling=pooling.value,
            backend=backend,
        )
        exams = read_cohort_with_warnings(
            cohort, root=root, errors="flag", allow_missing_views=True
        )
        with progress_bar("exams", len(exams)) as advance:
            found = embed_all(
                exams,
                chosen,
                out=out,
                pool=None if pool is None else pool.value,
                dtype=dtype.value,
                engine=engine.value,
                workers=workers,
                address=address,
                on_part=advance,
            )
        if as_json:
            failures = [list(one) for one in found.failures]
            said = {
                "path": str(found.path),
                "exams": found.exams,
                "rows": found.rows,
                "n_features": found.n_features,
                "encoder": found.encoder,
                "failures": failures,
            }
            typer.echo(json.dumps(said, indent=2))
        typer.echo(f"{found.exams} exams, {found.rows} rows, encoder {found.encoder}", err=True)
        for exam_id, view, why in found.failures[:_NAMED]:
            typer.echo(f"  exam {exam_id}{f', {view}' if view else ''}: {why}", err=True)
        if len(found.failures) > _NAMED:
            typer.echo(f"  ... and {len(found.failures) - _NAMED} more", err=True)
        raise typer.Exit(SOME_FAILED if found.failures else DONE)
