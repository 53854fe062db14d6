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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from mammorisk._version import __version__
from mammorisk.cohort import Cohort
from mammorisk.default_model import default_name
from mammorisk.errors import CohortError, OutputError
from mammorisk.files import content_digest, write_whole
from mammorisk.image_model import ImageModel
from mammorisk.model import load_model
from mammorisk.predict_cohort import predict_rows
from mammorisk.predict_images import predict_in_chunks
from mammorisk.risk_model import DEFAULT_HORIZONS, Horizon, RiskModel, check_horizons

if TYPE_CHECKING:
    import pandas as pd

#: Exams a part holds: small enough to lose little to an interruption.
EXAMS_PER_PART_WITH_IMAGES = 32
EXAMS_PER_PART_WITHOUT_IMAGES = 100_000
#: Says what run a folder of parts is of; readers of data sets pass over names that begin so.
_RUN = "_run.json"
#: Name of what it says in the metadata of a Parquet file, and of the mark in it.
_KEY, _MARK = "mammorisk", "run"
_ROWS_DIGESTED = 50_000
#: Exams without a risk that a summary names.
_FAILURES_NAMED = 20

Parts = list[tuple[Path, range]]
#: Called with the number of exams done and in all after each part.
OnPart = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What :func:`predict_to_file` wrote.

    Attributes
    ----------
    path : Path
        A file, or a folder of Parquet files.
    exams, without_risk : int
    failures : list of (str, str)
        ``exam_id`` and reason of the first exams without a risk.
    provenance : dict
        Software, model, what it was trained on, backend and horizons of the run, as the metadata of
        a Parquet file (key ``mammorisk``) or ``_run.json`` of a folder say. Empty for a CSV, which
        has no place for it.
    """

    path: Path
    exams: int = 0
    without_risk: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)


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
) -> Written:
    """Predict a cohort into files; the same call resumes after an interruption.

    Memory is bounded: beside the manifest, a few exams and one part are held. Decoding overlaps
    with inference. An exam that cannot be read has no risk, and the error as its flag.

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
    Written

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
    if out.exists() and _run_of(out) is None:
        raise OutputError(
            "the output exists", where=out.name, remedy="Remove it or choose another name."
        )
    wanted = check_horizons(horizons)
    if model is None:
        model = default_name(cohort.has_images, wanted)
    chosen = load_model(model) if isinstance(model, (str, Path)) else model
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
        if _run_of(parts) is None:
            run = json.dumps({_MARK: fingerprint, **_provenance(chosen, wanted)}, indent=1)
            write_whole(parts / _RUN, lambda path: path.write_text(run, encoding="utf-8"))
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
    model: RiskModel | None,
    horizons: tuple[Horizon, ...],
    parts: Parts,
    on_part: Callable[[int], None] = lambda exams: None,
) -> None:
    """Predict some parts of a cohort here, reading the exams of the next while one is scored."""
    if isinstance(model, ImageModel) and model.uses_images and cohort.has_images:
        tables = _from_images(cohort, model, horizons, parts)
    else:
        tables = (predict_rows(cohort, rows, model, horizons) for _, rows in parts)
    for (file, rows), table in zip(parts, tables, strict=True):
        _write_table(file, table)
        on_part(len(rows))


def _from_images(
    cohort: Cohort, model: ImageModel, horizons: tuple[Horizon, ...], parts: Parts
) -> Iterator[pd.DataFrame]:
    import pandas as pd

    step = model.exams_at_once
    chunks = [
        (rows[first : first + step], first + step >= len(rows))
        for _, rows in parts
        for first in range(0, len(rows), step)
    ]
    gathered = []
    found = predict_in_chunks(model, cohort, [chunk for chunk, _ in chunks], horizons)
    for (_, is_last), table in zip(chunks, found, strict=True):
        gathered.append(table)
        if is_last:
            yield pd.concat(gathered)
            gathered = []


@dataclass(frozen=True, kw_only=True)
class _PartWriter:
    """Writes parts wherever it is carried to."""

    cohort: Cohort
    model: RiskModel | None
    horizons: tuple[Horizon, ...]

    def __call__(self, file: Path, rows: range) -> None:
        # A part that another worker finished before it was killed is kept.
        if not file.exists():
            write_parts(self.cohort, self.model, self.horizons, [(file, rows)])


def _fresh(model: RiskModel | None) -> RiskModel | None:
    """Without what the backend prepared on this machine."""
    return model.on_backend(model.backend) if isinstance(model, ImageModel) else model


def summary(path: str | Path) -> Written:
    """Numbers of exams in a file or folder of risks, read part by part.

    Parameters
    ----------
    path : path
        Written by :func:`predict_to_file`.
    """
    path = Path(path)
    said = {name: value for name, value in _said_of(path).items() if name != _MARK}
    return replace(count_risks(_tables(path), path), provenance=said)


def count_risks(tables: Iterable[pd.DataFrame], path: Path) -> Written:
    """Numbers of exams in tables of risks.

    Parameters
    ----------
    tables : iterable of DataFrame
        As :func:`mammorisk.predict` returns for a cohort.
    path : Path
        Where they lie.
    """
    exams = without = 0
    failures: list[tuple[str, str]] = []
    for table in tables:
        risks = [name for name in table.columns if name.startswith("risk_")]
        failed = table[table[risks].isna().all(axis=1)]
        exams, without = exams + len(table), without + len(failed)
        room = _FAILURES_NAMED - len(failures)
        told = failed[["exam_id", "flags"]].head(room) if "exam_id" in failed else failed.head(0)
        failures += [(str(row[0]), str(row[1])) for row in told.itertuples(index=False)]
    return Written(path=path, exams=exams, without_risk=without, failures=failures)


def _tables(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd
    import pyarrow.parquet as pq

    if path.suffix == ".csv":
        yield from pd.read_csv(
            path, chunksize=EXAMS_PER_PART_WITHOUT_IMAGES, dtype={"exam_id": str}
        )
        return
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with pq.ParquetFile(file) as table:
            for group in range(table.num_row_groups):
                yield table.read_row_group(group).to_pandas()


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
    write_whole(out, lambda path: _join(files, path, out.suffix, _said_of(parts)))
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
    told = {**(schema.metadata or {}), _KEY.encode(): json.dumps(said).encode()}
    schema = schema.with_metadata(told)
    with pq.ParquetWriter(path, schema) as writer:
        for file in files:
            writer.write_table(pq.read_table(file).replace_schema_metadata(schema.metadata))


def _fingerprint(
    cohort: Cohort, model: RiskModel | None, horizons: tuple[Horizon, ...], step: int
) -> str:
    import pandas as pd

    digest = hashlib.sha256()
    for table in (cohort.exams, *([] if cohort.views is None else [cohort.views])):
        # A piece at a time: as text a table takes several times its memory.
        for start in range(0, len(table), _ROWS_DIGESTED):
            # As text: the hash of a category depends on the categories that other rows have.
            some = table.iloc[start : start + _ROWS_DIGESTED].astype(str)
            digest.update(pd.util.hash_pandas_object(some, index=False).to_numpy().tobytes())
    digest.update(repr((repr(model), horizons, step, __version__)).encode())
    if isinstance(model, ImageModel):
        # Another fit, or another precision, is another model of the same name.
        digest.update(repr((model.backend_used, _saved_digest(model))).encode())
    return digest.hexdigest()


def _saved_digest(model: ImageModel) -> list[str]:
    with TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        return [content_digest(file) for file in sorted(saved.iterdir())]


def _provenance(model: RiskModel | None, horizons: tuple[Horizon, ...]) -> dict[str, Any]:
    """What a reader of the results should know of their making.

    Without a model each row has its own, which it names.
    """
    return {
        "software": f"mammorisk {__version__}",
        "model": None if model is None else model.name,
        "training_data": None if model is None else model.card.training_data,
        "backend": model.backend_used if isinstance(model, ImageModel) else None,
        "horizons": list(horizons),
        "notice": "Research software, not a medical device: do not use for care.",
    }


def _said_of(result: Path) -> dict[str, Any]:
    """What a folder or a Parquet file says of its run; empty where it says nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if result.is_dir():
            text = (result / _RUN).read_text(encoding="utf-8")
        elif result.suffix == ".parquet":
            text = (pq.read_schema(result).metadata or {}).get(_KEY.encode(), b"{}").decode()
        else:
            return {}
        said = json.loads(text)
    except (pa.ArrowInvalid, OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _run_of(result: Path) -> str | None:
    """Mark of the run that a folder or a Parquet file is of; None where it has none."""
    return _said_of(result).get(_MARK)


def _check_run(result: Path, fingerprint: str) -> None:
    """Parts of another run must never be mixed in."""
    if _run_of(result) not in (None, fingerprint):
        raise OutputError(
            "a run of another cohort, model, backend or version lies here",
            where=result.name,
            remedy="Remove it, or choose another output.",
        )


def _write_table(file: Path, table: pd.DataFrame) -> None:
    write_whole(file, lambda path: table.to_parquet(path, index=False))
