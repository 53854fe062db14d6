"""Prediction of an archive into files, in parts, so that an interrupted run can be resumed.

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

#: Exams per part: small enough that an interruption loses little.
EXAMS_PER_PART_WITH_IMAGES = 32
EXAMS_PER_PART_WITHOUT_IMAGES = 100_000
_ROWS_DIGESTED = 50_000

Parts = list[tuple[Path, range]]
#: Called after each part with the number of finished exams and the total.
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
    """Predict a cohort into a file or folder. The same call resumes an interrupted run.

    Memory is bounded: the process holds the manifest, a few exams and one part. Decoding overlaps
    with inference. An exam that cannot be read has no risk, and a warning with the error.

    Parameters
    ----------
    cohort : Cohort
    out : path
        A file that ends in ``.parquet`` or ``.csv``, or a name without an ending for a folder of
        Parquet files (a partitioned data set). The output appears when it is complete. If the same
        call has completed before, nothing is computed again. This does not hold for a CSV file,
        which has no place for the fingerprint of the run: an existing one is an error.
    model, horizons
        As in :func:`mammorisk.predict`.
    engine : {"local", "ray"}
        ``"ray"`` distributes the parts over the workers of a Ray cluster (``mammorisk[ray]``).
        All workers must see the images and ``out`` under the same paths.
    workers : int, optional
        Number of Ray workers. Default: one per core.
    address : str, optional
        Address of a running Ray cluster. Default: a cluster on this machine for this call.
    exams_per_part : int, optional
        Default: 32 with images and 100,000 without.
    on_part : callable, optional
        Called after each part with the number of finished exams and the total.

    Returns
    -------
    PredictionFile
        Path, counts, failures and provenance.

    Raises
    ------
    CohortError
        The cohort has no exams.
    OutputError
        The file exists or cannot be written, or it belongs to a run of another cohort, model or
        version.
    BackendError
        Ray is not installed, or a worker failed repeatedly.

    See Also
    --------
    mammorisk.predict : Returns the risks of a cohort as a table in memory.
    mammorisk.read_cohort : Reads the manifest of an archive.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"patient_id": ["p1", "p2"], "exam_id": ["e1", "e2"], "age": [54, 61]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     women.to_csv(Path(folder) / "manifest.csv", index=False)
    ...     cohort = mr.read_cohort(Path(folder) / "manifest.csv")
    ...     out = Path(folder) / "risks.parquet"
    ...     written = mr.predict_to_file(cohort, out, model="bcrat", horizons=[5])
    ...     risks = pd.read_parquet(out)
    >>> written.exams, written.without_risk
    (2, 0)
    >>> risks["risk_5y"].round(4).tolist()
    [0.0075, 0.0097]
    """
    # pathlib turns the "//" of a URL into one slash.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
        raise OutputError(
            "results are written to a local or mounted folder, not to a URL",
            where=str(out).rpartition("/")[2],
            remedy="Write them to a local folder, and copy them when the run is complete.",
        )
    out = Path(out)
    if not len(cohort):
        raise CohortError("the cohort has no exams", remedy="Check the manifest or the selection.")
    if out.suffix not in (".parquet", ".csv", ""):
        raise OutputError(
            "the output is neither a .parquet or .csv file nor a folder (no ending)",
            where=out.name,
            remedy="Rename the output.",
        )
    parts = out.with_name(out.name + ".parts")
    done = out.with_name(out.name + ".done")
    if out.exists() and (done.exists() or parts.exists()):
        # An earlier run was killed after the result appeared and before its parts were deleted.
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(done, ignore_errors=True)
        return summary(out)
    if out.exists() and run_of(out) is None:
        raise OutputError(
            "the output exists already", where=out.name, remedy="Remove it or choose another name."
        )
    wanted = check_horizons(horizons)
    chosen = choose_model(model, cohort, wanted)
    if exams_per_part is None:
        exams_per_part = (
            EXAMS_PER_PART_WITH_IMAGES if cohort.has_images else EXAMS_PER_PART_WITHOUT_IMAGES
        )
    fingerprint = _fingerprint(cohort, chosen, wanted, exams_per_part)
    if out.exists():
        # Parquet stores the fingerprint of the run, so that the same call returns at once.
        _check_run(out, fingerprint)
        return summary(out)
    try:
        parts.mkdir(parents=True, exist_ok=True)
        # Temporary files of a run that was killed while it was writing.
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
            remedy="Check the folder, its permissions and the free space. The same call resumes.",
        ) from None
    return summary(out)


def write_parts(
    cohort: Cohort,
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    parts: Parts,
    on_part: Callable[[int], None] = lambda exams: None,
) -> None:
    """Predict parts of a cohort in this process. The next exams are read during scoring.

    Parameters
    ----------
    cohort : Cohort
    model : RiskModel
    horizons : tuple of float or "lifetime"
    parts : list of (Path, range)
        File of each part, and its rows of the cohort.
    on_part : callable, optional
        Called after each part with its number of exams.
    """
    for (file, rows), table in zip(parts, _tables(cohort, model, horizons, parts), strict=True):
        _write_table(file, table)
        on_part(len(rows))


def _tables(
    cohort: Cohort, model: RiskModel, horizons: tuple[Horizon, ...], parts: Parts
) -> Iterator[pd.DataFrame]:
    """Yield the table of each part. Chunks of exams are read ahead across parts."""
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
    """Writes parts; it can be pickled and sent to a worker."""

    cohort: Cohort
    model: RiskModel
    horizons: tuple[Horizon, ...]

    def __call__(self, file: Path, rows: range) -> None:
        # The part may have been finished by another worker that was killed later.
        if not file.exists():
            write_parts(self.cohort, self.model, self.horizons, [(file, rows)])


def _fresh(model: RiskModel) -> RiskModel:
    """Return the model without the objects that its backend prepared on this machine."""
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


def _fingerprint(cohort: Cohort, model: RiskModel, horizons: tuple[Horizon, ...], step: int) -> str:
    import pandas as pd

    digest = hashlib.sha256()
    for table in (cohort.exams, *([] if cohort.views is None else [cohort.views])):
        # In pieces, because a table converted to text takes several times its memory.
        for start in range(0, len(table), _ROWS_DIGESTED):
            # As text, because the hash of a category depends on the categories of other rows.
            some = table.iloc[start : start + _ROWS_DIGESTED].astype(str)
            digest.update(pd.util.hash_pandas_object(some, index=False).to_numpy().tobytes())
    digest.update(repr((repr(model), horizons, step, __version__)).encode())
    # Models of the same name can differ in fit, options and precision.
    backend = model.backend_used if isinstance(model, ImageModel) else None
    digest.update(repr((backend, _saved_digest(model))).encode())
    return digest.hexdigest()


def _saved_digest(model: RiskModel) -> list[str]:
    with TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        return [content_digest(file) for file in sorted(saved.rglob("*")) if file.is_file()]


def _provenance(model: RiskModel, horizons: tuple[Horizon, ...]) -> dict[str, Any]:
    """Return how the results were made."""
    return {
        "software": f"mammorisk {__version__}",
        "model": model.name,
        "training_data": model.card.training_data,
        "rates": None if model.other_rates is None else model.other_rates.describe(),
        "backend": model.backend_used if isinstance(model, ImageModel) else None,
        "horizons": list(horizons),
        "notice": NOTICE,
    }


def _check_run(result: Path, fingerprint: str) -> None:
    """Raise an error if the result belongs to another run, so that runs are never mixed."""
    if run_of(result) not in (None, fingerprint):
        raise OutputError(
            "the output belongs to a run of another cohort, model, backend or version",
            where=result.name,
            remedy="Remove it, or choose another output.",
        )


def _write_table(file: Path, table: pd.DataFrame) -> None:
    atomic_write(file, lambda path: table.to_parquet(path, index=False))
