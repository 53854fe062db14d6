"""Prediction of an archive into files, in parts, so that an interrupted run can be resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mammorisk._utils.atomic_write import atomic_write, content_digest
from mammorisk._utils.style import NOTICE
from mammorisk._version import __version__
from mammorisk.base import DEFAULT_HORIZONS, Horizon, ImageModel, RiskModel, check_horizons
from mammorisk.errors import CohortError, OutputError
from mammorisk.prediction.audit import AuditLog
from mammorisk.prediction.default_model import choose_model
from mammorisk.prediction.findings_column import add_findings
from mammorisk.prediction.from_embeddings import TableOfFeatures, from_embeddings
from mammorisk.prediction.lesion_search import choose_detector
from mammorisk.prediction.part_files import (
    Engine,
    OnPart,
    Parts,
    as_output,
    chunks_of,
    cohort_digest,
    finished_when_killed,
    write_in_parts,
)
from mammorisk.prediction.results_file import PredictionFile, summary
from mammorisk.prediction.rows import rows_at_once, score_in_chunks
from mammorisk.prediction.table import risk_table
from mammorisk.records.cohort import Cohort

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.findings.base import Detector

#: Exams per part: small enough that an interruption loses little.
EXAMS_PER_PART_WITH_IMAGES = 32
EXAMS_PER_PART_WITHOUT_IMAGES = 100_000


def predict_to_file(
    cohort: Cohort,
    out: str | Path,
    *,
    model: str | Path | RiskModel | None = None,
    horizons: Sequence[Horizon] = DEFAULT_HORIZONS,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    exams_per_part: int | None = None,
    embeddings: TableOfFeatures | str | Path | None = None,
    findings: bool | str | Path | Detector = False,
    on_part: OnPart | None = None,
    audit: str | Path | None = None,
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
    model, horizons : optional
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
    embeddings : Embeddings or path, optional
        As in :func:`mammorisk.predict`. The features of all exams are then in memory.
    findings : bool, str, path or Detector
        As in :func:`mammorisk.predict`. The file then has two more columns: ``highest_score``, and
        ``findings`` with the JSON of the findings of the exam (as in the JSON of a result), or
        ``{"error": ...}`` if it cannot be searched. :meth:`mammorisk.PredictionFile.findings`
        returns them as a table.
    on_part : callable, optional
        Called after each part with the number of finished exams and the total.
    audit : path, optional
        As in :func:`mammorisk.predict`. Exams of a part that an interruption made to be computed
        twice have two lines. Not with ``engine="ray"``, whose workers cannot share a file.

    Returns
    -------
    PredictionFile
        Path, counts, failures and provenance.

    Raises
    ------
    CohortError
        The cohort has no exams, or ``findings`` are asked for and no images are read.
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
    out = as_output(out, (".parquet", ".csv"))
    if not len(cohort):
        raise CohortError("the cohort has no exams", remedy="Check the manifest or the selection.")
    if finished_when_killed(out):
        return summary(out)
    wanted = check_horizons(horizons)
    chosen = choose_model(model, cohort, wanted)
    if embeddings is not None:
        cohort, chosen = from_embeddings(cohort, chosen, embeddings)
    # Loads the encoder of a model that stores its name only, so that its backend is known.
    rows_at_once(cohort, chosen)
    if audit is not None and engine != "local":
        raise OutputError(
            "an audit log needs the engine of this machine",
            where="audit",
            remedy="Leave out audit, or use engine='local'.",
        )
    detector = choose_detector(findings, cohort)
    log = None if audit is None else AuditLog(audit, chosen, wanted)
    if exams_per_part is None:
        exams_per_part = (
            EXAMS_PER_PART_WITH_IMAGES if cohort.has_images else EXAMS_PER_PART_WITHOUT_IMAGES
        )
    write_in_parts(
        out,
        exams=len(cohort),
        exams_per_part=exams_per_part,
        fingerprint=_fingerprint(cohort, chosen, wanted, exams_per_part, detector),
        provenance=_provenance(chosen, wanted, detector),
        write_parts=partial(write_parts, cohort, chosen, wanted, detector=detector, log=log),
        part_writer=lambda: _PartWriter(
            cohort=cohort, model=_fresh(chosen), horizons=wanted, detector=detector
        ),
        engine=engine,
        workers=workers,
        address=address,
        on_part=on_part,
    )
    return summary(out)


def write_parts(
    cohort: Cohort,
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    parts: Parts,
    on_part: Callable[[int], None] = lambda exams: None,
    detector: Detector | None = None,
    log: AuditLog | None = None,
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
    detector : Detector, optional
        Searches lesions in the same views.
    log : AuditLog, optional
    """
    tables = _tables(cohort, model, horizons, parts, detector, log)
    for (file, rows), table in zip(parts, tables, strict=True):
        _write_table(file, table)
        on_part(len(rows))


def _tables(
    cohort: Cohort,
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    parts: Parts,
    detector: Detector | None,
    log: AuditLog | None,
) -> Iterator[pd.DataFrame]:
    """Yield the table of each part. Chunks of exams are read ahead across parts."""
    import pandas as pd

    step = rows_at_once(cohort, model)
    chunks = chunks_of(parts, step)
    places = [chunk for chunk, _ in chunks]
    scored = score_in_chunks(cohort, places, model, horizons, log=log, detector=detector)
    gathered = []
    for (chunk, is_last), found in zip(chunks, scored, strict=True):
        keys = cohort.exams.iloc[list(chunk)]
        table = risk_table(keys, found.scores, model.name, horizons)
        if detector is not None:
            add_findings(table, [reading.findings for reading in found.readings])
        gathered.append(table)
        if is_last:
            yield pd.concat(gathered)
            gathered = []


@dataclass(frozen=True, kw_only=True)
class _PartWriter:
    """Writes parts; it can be pickled and sent to a worker."""

    cohort: Cohort
    model: RiskModel
    horizons: tuple[Horizon, ...]
    detector: Detector | None = None

    def __call__(self, file: Path, rows: range) -> None:
        # The part may have been finished by another worker that was killed later.
        if not file.exists():
            write_parts(
                self.cohort, self.model, self.horizons, [(file, rows)], detector=self.detector
            )


def _fresh(model: RiskModel) -> RiskModel:
    """Return the model without the objects that its backend prepared on this machine."""
    return model.on_backend(model.backend) if isinstance(model, ImageModel) else model


def _fingerprint(
    cohort: Cohort,
    model: RiskModel,
    horizons: tuple[Horizon, ...],
    step: int,
    detector: Detector | None,
) -> str:
    digest = hashlib.sha256(cohort_digest(cohort).encode())
    digest.update(repr((repr(model), horizons, step, __version__)).encode())
    # Models of the same name can differ in fit, options and precision.
    backend = model.backend_used if isinstance(model, ImageModel) else None
    digest.update(repr((backend, _saved_digest(model))).encode())
    if detector is not None:
        digest.update(repr(_saved_digest(detector)).encode())
    return digest.hexdigest()


def _saved_digest(model: RiskModel | Detector) -> list[str]:
    with TemporaryDirectory() as folder:
        saved = model.save(Path(folder) / "model")
        return [content_digest(file) for file in sorted(saved.rglob("*")) if file.is_file()]


def _provenance(
    model: RiskModel, horizons: tuple[Horizon, ...], detector: Detector | None
) -> dict[str, Any]:
    """Return how the results were made."""
    return {
        "software": f"mammorisk {__version__}",
        "model": model.name,
        "training_data": model.card.training_data,
        "rates": None if model.other_rates is None else model.other_rates.describe(),
        "backend": model.backend_used if isinstance(model, ImageModel) else None,
        "horizons": list(horizons),
        "detector": None if detector is None else detector.card.name,
        "notice": NOTICE,
    }


def _write_table(file: Path, table: pd.DataFrame) -> None:
    atomic_write(file, lambda path: table.to_parquet(path, index=False))
