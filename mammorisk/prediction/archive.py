"""Predicting a whole archive into files, in parts that survive an interruption.

Each part is a Parquet file that appears whole or not at all, beside the file asked for. Started
again with the same command, finished parts are kept and the rest is done; at the end the parts
become one file, or the folder asked for.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from mammorisk._utils.atomic_write import atomic_write, content_digest
from mammorisk._utils.style import NOTICE
from mammorisk._version import __version__
from mammorisk.base import DEFAULT_HORIZONS, Horizon, ImageModel, RiskModel, check_horizons
from mammorisk.errors import CohortError, OutputError
from mammorisk.prediction.default_model import choose_model
from mammorisk.prediction.results_file import (
    FINGERPRINT,
    KEY,
    RUN,
    PredictionFile,
    read_provenance,
    run_of,
    summary,
)
from mammorisk.prediction.rows import rows_at_once, score_in_chunks
from mammorisk.prediction.table import risk_table
from mammorisk.records.cohort import Cohort

if TYPE_CHECKING:
    import pandas as pd

#: Exams a part holds: small enough to lose little to an interruption.
EXAMS_PER_PART_WITH_IMAGES = 32
EXAMS_PER_PART_WITHOUT_IMAGES = 100_000
_ROWS_DIGESTED = 50_000

Parts = list[tuple[Path, range]]
#: Called with the number of exams done and in all after each part.
OnPart = Callable[[int, int], None]


def predict_to_file(
    cohort: Cohort,
    out: str | Path,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    exams_per_part: int | None = None,
    on_part: OnPart | None = None,
) -> PredictionFile:
    """Predict a cohort into files; the same call resumes after an interruption.

    Memory is bounded: beside the manifest, a few exams and one part are held. Decoding overlaps
    with inference. An exam that cannot be read has no risk, and the error as its warning.

    Parameters
    ----------
    cohort : Cohort
    out : path
        One file that ends in ``.parquet`` or ``.csv``, or, without an ending, a folder of Parquet
        files (a partitioned data set). Appears whole when all is done. Where the same call has
        finished before, nothing is done again; a CSV keeps no mark of its run, and is refused.
    model, horizons
        As in :func:`mammorisk.predict`.
    engine : {"local", "ray"}
        ``"ray"`` spreads the parts over the workers of a Ray cluster (``mammorisk[ray]``), which
        must all see the images and ``out`` under the same paths.
    workers : int, optional
        Of Ray; default one a core.
    address : str, optional
        Of a running Ray cluster; default one on this machine, for the time of the call.
    exams_per_part : int, optional
        Default 32 with images and 100,000 without.
    on_part : callable, optional
        Called with the number of exams done and in all after each part.

    Returns
    -------
    PredictionFile

    Raises
    ------
    CohortError
        The cohort has no exams.
    OutputError
        The file exists, cannot be written, or a started run was of another cohort, model or
        version.
    BackendError
        Ray is not installed, or a worker failed for good.
    """
    # A path has lost one of the slashes already.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
        raise OutputError(
            "results are written to a local or mounted folder, not to a URL",
            where=str(out).rpartition("/")[2],
            remedy="Write them here, and copy them when they are whole.",
        )
    out = Path(out)
    if not len(cohort):
        raise CohortError("the cohort has no exams", remedy="Select some, or look at its manifest.")
    if out.suffix not in (".parquet", ".csv", ""):
        raise OutputError(
            "results are written as .parquet, as .csv or, without an ending, as a folder",
            where=out.name,
            remedy="Rename the output.",
        )
    parts = out.with_name(out.name + ".parts")
    done = out.with_name(out.name + ".done")
    if out.exists() and (done.exists() or parts.exists()):
        # Killed after the result appeared, before the parts were gone.
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(done, ignore_errors=True)
        return summary(out)
    if out.exists() and run_of(out) is None:
        raise OutputError(
            "the output exists", where=out.name, remedy="Remove it or choose another name."
        )
    wanted = check_horizons(horizons)
    chosen = choose_model(model, cohort, wanted)
    if exams_per_part is None:
        exams_per_part = (
            EXAMS_PER_PART_WITH_IMAGES if cohort.has_images else EXAMS_PER_PART_WITHOUT_IMAGES
        )
    fingerprint = _fingerprint(cohort, chosen, wanted, exams_per_part)
    if out.exists():
        # Parquet keeps the mark of its run: the same call finds the work done.
        _check_run(out, fingerprint)
        return summary(out)
    try:
        parts.mkdir(parents=True, exist_ok=True)
        # What a kill in the middle of writing left behind.
        for stale in out.parent.glob(f"{glob.escape(out.name)}.*.new"):
            stale.unlink()
        for stale in parts.glob("*.new"):
            stale.unlink()
        _check_run(parts, fingerprint)
        if run_of(parts) is None:
            run = json.dumps({FINGERPRINT: fingerprint, **_provenance(chosen, wanted)}, indent=1)
            atomic_write(parts / RUN, lambda path: path.write_text(run, encoding="utf-8"))
        every = _parts(parts, len(cohort), exams_per_part)
        missing = [(file, rows) for file, rows in every if not file.exists()]
        tell = _counter(len(cohort), sum(len(rows) for _, rows in missing), on_part)
        if engine == "ray":
            from mammorisk.runtime.ray_engine import run_on_ray

            write = _PartWriter(cohort=cohort, model=_fresh(chosen), horizons=wanted)
            run_on_ray(write, missing, tell, workers=workers, address=address)
        else:
            write_parts(cohort, chosen, wanted, missing, tell)
        _finish([file for file, _ in every], out, parts, done)
    except OSError as error:
        raise OutputError(
            f"the results cannot be written ({error.strerror or type(error).__name__})",
            where=out.name,
            remedy="Check the folder, its rights and the free space; the same call resumes.",
        ) from None
    return summary(out)


def write_parts(
    cohort: Cohort,
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    parts: Parts,
    on_part: Callable[[int], None] = lambda exams: None,
) -> None:
    """Predict some parts of a cohort here, reading the exams of the next while one is scored."""
    for (file, rows), table in zip(parts, _tables(cohort, model, horizons, parts), strict=True):
        _write_table(file, table)
        on_part(len(rows))


def _tables(
    cohort: Cohort, model: RiskModel, horizons: tuple[Horizon, ...], parts: Parts
) -> Iterator[pd.DataFrame]:
    """The table of each part; chunks of exams are read ahead across parts."""
    import pandas as pd

    step = rows_at_once(cohort, model)
    chunks = [
        (rows[first : first + step], first + step >= len(rows))
        for _, rows in parts
        for first in range(0, len(rows), step)
    ]
    scored = score_in_chunks(cohort, [chunk for chunk, _ in chunks], model, horizons)
    gathered = []
    for (chunk, is_last), found in zip(chunks, scored, strict=True):
        keys = cohort.exams.iloc[list(chunk)]
        gathered.append(risk_table(keys, found.scores, model.name, horizons))
        if is_last:
            yield pd.concat(gathered)
            gathered = []


@dataclass(frozen=True, kw_only=True)
class _PartWriter:
    """Writes parts wherever it is carried to."""

    cohort: Cohort
    model: RiskModel
    horizons: tuple[Horizon, ...]

    def __call__(self, file: Path, rows: range) -> None:
        # A part that another worker finished before it was killed is kept.
        if not file.exists():
            write_parts(self.cohort, self.model, self.horizons, [(file, rows)])


def _fresh(model: RiskModel) -> RiskModel:
    """Without what the backend prepared on this machine."""
    return model.on_backend(model.backend) if isinstance(model, ImageModel) else model


def _parts(folder: Path, exams: int, step: int) -> Parts:
    return [
        (folder / f"part-{start:09d}.parquet", range(start, min(start + step, exams)))
        for start in range(0, exams, step)
    ]


def _counter(total: int, to_do: int, on_part: OnPart | None) -> Callable[[int], None]:
    done = total - to_do

    def tell(exams: int) -> None:
        nonlocal done
        done += exams
        if on_part is not None:
            on_part(done, total)

    return tell


def _finish(files: list[Path], out: Path, parts: Path, done: Path) -> None:
    """The parts become the result, which appears whole."""
    if out.suffix == "":
        # What a killed worker was writing: readers of the data set would stumble over it.
        for stale in parts.glob("*.new"):
            stale.unlink()
        os.replace(parts, out)
        return
    atomic_write(out, lambda path: _join(files, path, out.suffix, read_provenance(parts)))
    os.replace(parts, done)
    shutil.rmtree(done)


def _join(files: list[Path], path: Path, suffix: str, said: dict[str, Any]) -> None:
    """One part in memory at a time."""
    import pandas as pd
    import pyarrow.parquet as pq

    if suffix == ".csv":
        for i, file in enumerate(files):
            pd.read_parquet(file).to_csv(path, index=False, mode="a" if i else "w", header=not i)
        return
    schema = pq.read_schema(files[0])
    told = {**(schema.metadata or {}), KEY.encode(): json.dumps(said).encode()}
    schema = schema.with_metadata(told)
    with pq.ParquetWriter(path, schema) as writer:
        for file in files:
            writer.write_table(pq.read_table(file).replace_schema_metadata(schema.metadata))


def _fingerprint(cohort: Cohort, model: RiskModel, horizons: tuple[Horizon, ...], step: int) -> str:
    import pandas as pd

    digest = hashlib.sha256()
    for table in (cohort.exams, *([] if cohort.views is None else [cohort.views])):
        # A piece at a time: as text a table takes several times its memory.
        for start in range(0, len(table), _ROWS_DIGESTED):
            # As text: the hash of a category depends on the categories that other rows have.
            some = table.iloc[start : start + _ROWS_DIGESTED].astype(str)
            digest.update(pd.util.hash_pandas_object(some, index=False).to_numpy().tobytes())
    digest.update(repr((repr(model), horizons, step, __version__)).encode())
    # Another fit, option or precision is another model of the same name.
    backend = model.backend_used if isinstance(model, ImageModel) else None
    digest.update(repr((backend, _saved_digest(model))).encode())
    return digest.hexdigest()


def _saved_digest(model: RiskModel) -> list[str]:
    with TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        return [content_digest(file) for file in sorted(saved.rglob("*")) if file.is_file()]


def _provenance(model: RiskModel, horizons: tuple[Horizon, ...]) -> dict[str, Any]:
    """What a reader of the results must know about how they were made."""
    return {
        "software": f"mammorisk {__version__}",
        "model": model.name,
        "training_data": model.card.training_data,
        "backend": model.backend_used if isinstance(model, ImageModel) else None,
        "horizons": list(horizons),
        "notice": NOTICE,
    }


def _check_run(result: Path, fingerprint: str) -> None:
    """Parts of another run must never be mixed in."""
    if run_of(result) not in (None, fingerprint):
        raise OutputError(
            "a run of another cohort, model, backend or version lies here",
            where=result.name,
            remedy="Remove it, or choose another output.",
        )


def _write_table(file: Path, table: pd.DataFrame) -> None:
    atomic_write(file, lambda path: table.to_parquet(path, index=False))
