"""Results in parts, so that an interrupted run can be resumed: of predictions and of embeddings.

Each part is a Parquet file, written atomically next to the output. The same call after an
interruption keeps the finished parts and computes the others. At the end the parts are joined into
one file, or become the output folder.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from mammorisk._utils.atomic_write import atomic_write
from mammorisk.errors import OutputError
from mammorisk.records.cohort import Cohort

#: File with the provenance of a folder. Readers of data sets skip names with a leading underscore.
RUN = "_run.json"
#: Key of the provenance in the metadata of a Parquet file, and key of the fingerprint within it.
KEY, FINGERPRINT = "mammorisk", "run"
_ROWS_DIGESTED = 50_000

#: File of each part, and its rows of the cohort.
Parts = list[tuple[Path, range]]
#: Called after each part with the number of finished exams and the total.
OnPart = Callable[[int, int], None]
Engine = Literal["local", "ray"]


def as_output(out: str | Path, endings: Sequence[str]) -> Path:
    """Return the path of an output.

    Parameters
    ----------
    out : str or path
    endings : sequence of str
        Endings of a file, such as ``".parquet"``. A name without an ending is a folder.

    Raises
    ------
    OutputError
        The output is a URL, or has another ending.
    """
    # pathlib turns the "//" of a URL into one slash.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
        raise OutputError(
            "results are written to a local or mounted folder, not to a URL",
            where=str(out).rpartition("/")[2],
            remedy="Write them to a local folder, and copy them when the run is complete.",
        )
    path = Path(out)
    if path.suffix not in (*endings, ""):
        raise OutputError(
            f"the output is neither a {' or '.join(endings)} file nor a folder (no ending)",
            where=path.name,
            remedy="Rename the output.",
        )
    return path


def finished_when_killed(out: Path) -> bool:
    """Whether an earlier run was killed after its result appeared. Its parts are then deleted.

    Raises
    ------
    OutputError
        The output exists and was not written by this package.
    """
    parts, done = _parts_of(out), _done_of(out)
    if out.exists() and (done.exists() or parts.exists()):
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(done, ignore_errors=True)
        return True
    if out.exists() and run_of(out) is None:
        raise OutputError(
            "the output exists already", where=out.name, remedy="Remove it or choose another name."
        )
    return False


def write_in_parts(
    out: Path,
    *,
    exams: int,
    exams_per_part: int,
    fingerprint: str,
    provenance: dict[str, Any],
    write_parts: Callable[[Parts, Callable[[int], None]], None],
    part_writer: Callable[[], Callable[[Path, range], None]],
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    on_part: OnPart | None = None,
    collect: Callable[[list[Path]], dict[str, Any]] | None = None,
) -> None:
    """Write the missing parts of a result and join them. Nothing is done if it is complete.

    Parameters
    ----------
    out : Path
        From :func:`as_output`.
    exams, exams_per_part : int
    fingerprint : str
        Identifies the cohort, the model and the options of the run.
    provenance : dict
        How the results are made, as plain JSON types.
    write_parts : callable
        Writes parts in this process. Called with the parts, and with a function that it calls with
        the number of exams of each finished part.
    part_writer : callable
        Creates a function that writes one part and can be sent to a Ray worker.
    engine, workers, address, on_part
        As in :func:`mammorisk.predict_to_file`.
    collect : callable, optional
        Called with all part files at the end. Returns further provenance.

    Raises
    ------
    OutputError
        The output belongs to another run, or cannot be written.
    BackendError
        Ray is not installed, or a worker failed repeatedly.
    """
    if out.exists():
        # Parquet stores the fingerprint of the run, so that the same call returns at once.
        _check_run(out, fingerprint)
        return
    parts, done = _parts_of(out), _done_of(out)
    try:
        parts.mkdir(parents=True, exist_ok=True)
        # Temporary files of a run that was killed while it was writing.
        for stale in out.parent.glob(f"{glob.escape(out.name)}.*.new"):
            stale.unlink()
        for stale in parts.glob("*.new"):
            stale.unlink()
        _check_run(parts, fingerprint)
        if run_of(parts) is None:
            _write_run(parts, {FINGERPRINT: fingerprint, **provenance})
        every = [
            (parts / f"part-{start:09d}.parquet", range(start, min(start + exams_per_part, exams)))
            for start in range(0, exams, exams_per_part)
        ]
        missing = [(file, rows) for file, rows in every if not file.exists()]
        tell = _counter(exams, sum(len(rows) for _, rows in missing), on_part)
        if engine == "ray":
            from mammorisk.runtime.ray_engine import run_on_ray

            run_on_ray(part_writer(), missing, tell, workers=workers, address=address)
        else:
            write_parts(missing, tell)
        files = [file for file, _ in every]
        if collect is not None:
            _write_run(parts, {**read_provenance(parts), **collect(files)})
        _finish(files, out, parts, done)
    except OSError as error:
        raise OutputError(
            f"the results cannot be written ({error.strerror or type(error).__name__})",
            where=out.name,
            remedy="Check the folder, its permissions and the free space. The same call resumes.",
        ) from None


def chunks_of(parts: Parts, step: int) -> list[tuple[range, bool]]:
    """Divide the rows of parts into chunks.

    Parameters
    ----------
    parts : list of (Path, range)
    step : int
        Rows of a chunk. The last chunk of a part can be shorter.

    Returns
    -------
    list of (range, bool)
        Rows of each chunk, and whether it is the last one of its part.
    """
    return [
        (rows[first : first + step], first + step >= len(rows))
        for _, rows in parts
        for first in range(0, len(rows), step)
    ]


def cohort_digest(cohort: Cohort) -> str:
    """Return a digest of the tables of a cohort, in hexadecimal."""
    import pandas as pd

    digest = hashlib.sha256()
    for table in (cohort.exams, *([] if cohort.views is None else [cohort.views])):
        # In pieces, because a table converted to text takes several times its memory.
        for start in range(0, len(table), _ROWS_DIGESTED):
            # As text, because the hash of a category depends on the categories of other rows.
            some = table.iloc[start : start + _ROWS_DIGESTED].astype(str)
            digest.update(pd.util.hash_pandas_object(some, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def read_provenance(result: Path) -> dict[str, Any]:
    """Return the provenance of a folder or Parquet file. Empty if it has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if result.is_dir():
            text = (result / RUN).read_text(encoding="utf-8")
        elif result.suffix == ".parquet":
            text = (pq.read_schema(result).metadata or {}).get(KEY.encode(), b"{}").decode()
        else:
            return {}
        said = json.loads(text)
    except (pa.ArrowInvalid, OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def run_of(result: Path) -> str | None:
    """Return the fingerprint of the run of a folder or Parquet file. None if it has none."""
    return read_provenance(result).get(FINGERPRINT)


def _parts_of(out: Path) -> Path:
    return out.with_name(out.name + ".parts")


def _done_of(out: Path) -> Path:
    return out.with_name(out.name + ".done")


def _write_run(parts: Path, said: dict[str, Any]) -> None:
    text = json.dumps(said, indent=1)
    atomic_write(parts / RUN, lambda path: path.write_text(text, encoding="utf-8"))


def _counter(total: int, to_do: int, on_part: OnPart | None) -> Callable[[int], None]:
    done = total - to_do

    def tell(exams: int) -> None:
        nonlocal done
        done += exams
        if on_part is not None:
            on_part(done, total)

    return tell


def _finish(files: list[Path], out: Path, parts: Path, done: Path) -> None:
    """Turn the parts into the result atomically."""
    if out.suffix == "":
        # Incomplete files of killed workers, which readers of the data set cannot read.
        for stale in parts.glob("*.new"):
            stale.unlink()
        os.replace(parts, out)
        return
    atomic_write(out, lambda path: _join(files, path, out.suffix, read_provenance(parts)))
    os.replace(parts, done)
    shutil.rmtree(done)


def _join(files: list[Path], path: Path, suffix: str, said: dict[str, Any]) -> None:
    """Join the parts into one file, with one part in memory at a time."""
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


def _check_run(result: Path, fingerprint: str) -> None:
    """Raise an error if the result belongs to another run, so that runs are never mixed."""
    if run_of(result) not in (None, fingerprint):
        raise OutputError(
            "the output belongs to a run of another cohort, model, backend or version",
            where=result.name,
            remedy="Remove it, or choose another output.",
        )
