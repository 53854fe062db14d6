"""``mammorisk scan``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mammorisk.cli.common import Debug, exit_on_error
from mammorisk.cli.tables import write_table


def scan(
    archive: Annotated[
        Path, typer.Argument(help="Folder with DICOM files; subfolders are searched too.")
    ],
    out: Annotated[Path, typer.Option(help="Manifest to write (.parquet).")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="Text file with a secret of at least 16 characters: ids become keyed digests, and "
            "dates are shifted for each woman."
        ),
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            help="Table of a cancer registry: patient_id, diagnosis_date, laterality, death_date."
        ),
    ] = None,
    follow_up_end: Annotated[
        str | None,
        typer.Option(help="Day until which the registry is complete, such as 2024-12-31."),
    ] = None,
    lead_time_days: Annotated[
        int, typer.Option(help="Exclude exams with a diagnosis within this many days.")
    ] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes that read headers. Default: usable cores.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Create the manifest of a DICOM archive; with --registry also its outcomes. Resumable."""
    from mammorisk._utils.progress import show_progress
    from mammorisk.datasets.archive.link_outcomes import link_outcomes
    from mammorisk.datasets.archive.scan import scan_archive
    from mammorisk.errors import DatasetError

    with exit_on_error(debug):
        if registry is not None and follow_up_end is None:
            raise DatasetError(
                "a registry needs the day until which it is complete",
                where="--follow-up-end",
                remedy="Pass, for example, --follow-up-end 2024-12-31.",
            )
        key = None if key_file is None else _key(key_file)
        with show_progress(sys.stderr) as tell:
            found = scan_archive(
                archive,
                out,
                hash_key=key,
                workers=workers,
                on_files=lambda done, total: tell("files", done, total),
            )
        size = f"{found.n_images:,} images of {found.n_exams:,} exams of {found.n_women:,} women"
        typer.echo(f"{out}: {size}")
        for reason, n in found.reasons.items():
            typer.echo(f"! {n:,} files excluded: {reason}")
        if registry is not None and follow_up_end is not None:
            linked = link_outcomes(
                out,
                registry,
                follow_up_end=follow_up_end,
                lead_time_days=lead_time_days,
                hash_key=key,
            )
            write_table(linked.table, out)
            typer.echo(f"outcomes: {linked!r}")
            for reason, n in linked.excluded["reason"].value_counts().items():
                typer.echo(f"! {n:,} images excluded: {reason}")


def _key(path: Path) -> str:
    from mammorisk.errors import DatasetError

    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise DatasetError("the file of the key cannot be read", where="--key-file") from None
