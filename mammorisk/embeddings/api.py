"""embed(): from an exam or a cohort to the features of every view."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mammorisk._utils.optional import NETWORKS, require
from mammorisk._utils.style import NOTICE
from mammorisk._version import __version__
from mammorisk.embeddings.columns import check_rows
from mammorisk.embeddings.embeddings import Embeddings, in_memory
from mammorisk.embeddings.pooling import Pool, check_pool
from mammorisk.embeddings.read import read_file
from mammorisk.errors import CohortError, EmbeddingError
from mammorisk.io import read_exam
from mammorisk.prediction.as_cohort import as_request
from mammorisk.prediction.part_files import (
    Engine,
    OnPart,
    as_output,
    cohort_digest,
    finished_when_killed,
    write_in_parts,
)
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.records.exam import Exam
from mammorisk.risk_models.encoders.registry import load_encoder

if TYPE_CHECKING:
    from mammorisk.risk_models.encoders.encoder import Encoder

#: Exams per part: small enough that an interruption loses little.
EXAMS_PER_PART = 32
#: Both ids of an exam that is given without a cohort.
ONE_EXAM = "exam"
DTYPES = ("float32", "float16")


def embed(
    data: Cohort | Exam | str | Path,
    encoder: str | Path | Encoder = "hybrid",
    *,
    out: str | Path | None = None,
    pool: Pool | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    backend: str | None = None,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    exams_per_part: int = EXAMS_PER_PART,
    on_part: OnPart | None = None,
) -> Embeddings:
    """Compute the features of every view of a cohort with an encoder.

    With ``out`` the table is written in parts with bounded memory, and the same call resumes an
    interrupted run. Each view is brought to the input of the encoder by the preprocessing of this
    encoder, which is stored with the features.

    Parameters
    ----------
    data : Cohort, Exam or path
        A cohort with images, or one exam (or the folder that holds it). Both ids of one exam are
        ``"exam"``.
    encoder : str, path or Encoder
        A name of :func:`mammorisk.embeddings.load_encoder`, or an encoder that it returned.
    out : path, optional
        A file that ends in ``.parquet``, or a name without an ending for a folder of Parquet
        files. Without it the table is kept in memory.
    pool : {"mean", "max"}, optional
        Also store one row an exam, with the mean or maximum of each feature over its views.
    dtype : {"float32", "float16"}
        Type of the stored features. ``"float16"`` halves the size and keeps three digits.
    backend : str, optional
        Backend of the encoder, as in :func:`mammorisk.load_model`. By default that of the encoder.
    engine, workers, address, exams_per_part, on_part : optional
        As in :func:`mammorisk.predict_to_file`.

    Returns
    -------
    Embeddings
        The table and how it was made. Exams and views without features are listed in ``failures``.

    Raises
    ------
    CohortError
        The cohort has no exams or no images.
    EmbeddingError
        Features are not finite, or ``pool`` or ``dtype`` is unknown.
    ExamError
        ``data`` is one exam and it cannot be read.
    UnknownModel, ModelError
        The encoder is unknown, or its weights cannot be read.
    OutputError
        The file exists or cannot be written, or it belongs to a run of another cohort, encoder or
        version.
    MissingDependency
        torch is not installed.

    See Also
    --------
    mammorisk.read_embeddings : Reads the file, or a table made elsewhere.
    mammorisk.embeddings.load_encoder : Names of encoders.

    Notes
    -----
    An image that the model of an encoder would refuse, such as one that the domain guard of
    ``"hybrid"`` finds unlike its training data, is embedded all the same.

    Examples
    --------
    >>> import tempfile
    >>> import mammorisk as mr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = mr.simulate(2, seed=1, out=f"{folder}/study", images="all", pixel_mm=2.0)
    ...     emb = mr.embed(study.cohort, "compact", out=f"{folder}/emb.parquet")
    ...     table = emb.to_frame()
    >>> emb.rows, emb.n_features, emb.provenance["spacing_mm"]
    (8, 128, 1.25)
    >>> (table["laterality"] + "-" + table["view"]).head(4).tolist()
    ['R-CC', 'L-CC', 'R-MLO', 'L-MLO']
    """
    require("torch", NETWORKS, what="mammorisk.embed")
    from mammorisk.embeddings.compute import EmbedWork, failures_of

    if pool is not None:
        check_pool(pool)
    if dtype not in DTYPES:
        raise EmbeddingError(f"dtype={dtype!r} is not valid", remedy=f"Use {' or '.join(DTYPES)}.")
    cohort, is_one = _as_cohort(data)
    if out is None and engine != "local":
        raise EmbeddingError("engine needs out", remedy="Pass out= with a file or folder.")
    path = None if out is None else as_output(out, (".parquet",))
    if path is not None and finished_when_killed(path):
        return read_file(path)
    chosen = load_encoder(encoder) if isinstance(encoder, (str, Path)) else encoder
    if backend is not None:
        chosen = chosen.on_backend(backend)
    work = EmbedWork(cohort=cohort, encoder=chosen, dtype=dtype, pool=pool)
    said = {
        "software": f"mammorisk {__version__}",
        **chosen.describe(),
        "n_features": chosen.n_features,
        "backend": chosen.backend_used,
        "dtype": dtype,
        "pool": pool,
        "exams": len(cohort),
        "notice": NOTICE,
    }
    if path is None:
        ((table, failures),) = work.tables([(Path(), range(len(cohort)))])
        if is_one and not len(table):
            reasons = "; ".join(dict.fromkeys(why for _, _, why in failures))
            raise CohortError(f"the exam has no features: {reasons}")
        check_rows(table)
        return in_memory(
            table, chosen.identity, provenance=said, exams=len(cohort), failures=failures
        )
    write_in_parts(
        path,
        exams=len(cohort),
        exams_per_part=exams_per_part,
        fingerprint=_fingerprint(cohort, said, exams_per_part),
        provenance=said,
        write_parts=work.write_parts,
        # Without the objects that the backend prepared on this machine.
        part_writer=lambda: EmbedWork(
            cohort=cohort, encoder=chosen.on_backend(chosen.backend), dtype=dtype, pool=pool
        ),
        engine=engine,
        workers=workers,
        address=address,
        on_part=on_part,
        collect=failures_of,
    )
    return read_file(path)


def _as_cohort(data: object) -> tuple[Cohort, bool]:
    """Return the cohort, and whether it is one exam."""
    if isinstance(data, (str, Path)):
        data = read_exam(data, allow_missing_views=True)
    if not isinstance(data, (Cohort, Exam)):
        raise CohortError(
            f"{type(data).__name__} is not an exam or a cohort",
            remedy="Pass an exam, its path, or a cohort of mr.read_cohort.",
        )
    request = as_request(data, None, None)
    cohort = request.cohort
    if not len(cohort):
        raise CohortError("the cohort has no exams", remedy="Check the manifest or the selection.")
    if not cohort.has_images:
        raise CohortError(
            "there are no images to embed",
            remedy="Pass an exam, its path, or a cohort with images.",
        )
    if request.is_one:
        cohort.exams[list(KEYS)] = ONE_EXAM
    sound = cohort.exams[(cohort.errors == "").to_numpy()]
    if sound.duplicated(subset=list(KEYS)).any():
        raise CohortError(
            "exams of the cohort have the same patient_id and exam_id",
            remedy="Give every exam of a woman its own exam_id.",
        )
    return cohort, request.is_one


def _fingerprint(cohort: Cohort, said: dict[str, Any], step: int) -> str:
    text = json.dumps([cohort_digest(cohort), said, step], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
