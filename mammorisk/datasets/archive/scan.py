"""scan_archive(): manifest of an archive of DICOM files."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.parallel import usable_cores
from mammorisk._utils.progress import OnStep
from mammorisk.datasets.archive.pseudonyms import Pseudonyms
from mammorisk.errors import DatasetError, ExamError
from mammorisk.io.dicom import ReadImage, read_dicom
from mammorisk.io.limits import Limits
from mammorisk.io.parsing import looks_like_dicom

#: Number of files per part. An interrupted scan loses at most one part.
FILES_A_PART = 2000
#: Files given to a worker at a time.
_CHUNK = 16
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("patient_id", "exam_id")),
        ("exam_date", pa.date32()),
        *((name, pa.string()) for name in ("laterality", "view", "file_path", "intent", "kind")),
        *((name, pa.string()) for name in ("modifiers", "manufacturer", "model", "patient_sex")),
        *((name, pa.float64()) for name in ("age", "pixel_mm", "force_n", "thickness_mm", "kvp")),
        *((name, pa.int64()) for name in ("rows", "columns")),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class ArchiveScan:
    """Result of :func:`scan_archive`.

    Attributes
    ----------
    manifest : Path
        One row for each image, as :func:`mammorisk.read_cohort` reads it.
    excluded : Path
        One row for each other file: ``file_path`` and ``reason``.
    n_images, n_excluded : int
    n_women, n_exams : int
    reasons : Series of int
        Files by reason, the most frequent first.

    See Also
    --------
    scan_archive : Makes it.
    """

    manifest: Path
    excluded: Path
    n_images: int
    n_excluded: int
    n_women: int
    n_exams: int
    reasons: pd.Series

    def __repr__(self) -> str:
        return (
            f"<ArchiveScan: {self.n_images:,} images of {self.n_exams:,} exams of "
            f"{self.n_women:,} women; {self.n_excluded:,} files excluded>"
        )


def scan_archive(
    archive: str | Path,
    out: str | Path,
    *,
    hash_key: str | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
    on_files: OnStep | None = None,
) -> ArchiveScan:
    """Create the manifest of an archive of DICOM files from their headers.

    Parameters
    ----------
    archive : path
        Folder that is searched with its subfolders.
    out : path
        The manifest, a Parquet file. Files that are not mammograms of a standard view are
        listed in ``<out>.excluded.parquet`` with the reason.
    hash_key : str, optional
        Secret of at least 16 characters. ``patient_id`` and ``exam_id`` are then keyed digests
        (HMAC-SHA256), and dates are shifted by one offset of up to 182 days for each woman. File
        paths are not changed, because the images are read from them; they can contain names.
    workers : int, optional
        Processes that read headers. Default: the number of usable cores.
    limits : Limits, optional
    on_files : callable, optional
        Called with the number of finished files and that of files found so far.

    Returns
    -------
    ArchiveScan

    Raises
    ------
    DatasetError
        The folder does not exist, or there is an unfinished scan of the same name with another
        archive or key.

    See Also
    --------
    mammorisk.datasets.link_outcomes : Adds outcomes from a cancer registry.
    mammorisk.read_cohort : Reads the manifest; pass ``root=archive``.

    Notes
    -----
    Results are written in parts of 2,000 files into ``<out>.parts``. After an interruption the same
    call reads what is missing. Files that cannot be read never stop a scan. Only one part and the
    paths of the files that were read before an interruption are kept in memory. Links are not
    followed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import mammorisk as mr
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = mr.simulate(2, seed=1, out=folder / "study", images="all", pixel_mm=1.0)
    >>> scan = mr.datasets.scan_archive(folder / "study", folder / "manifest.parquet", workers=1)
    >>> scan
    <ArchiveScan: 12 images of 3 exams of 2 women; 4 files excluded>
    >>> mr.read_cohort(scan.manifest, root=folder / "study")
    <Cohort: 3 exams of 2 women, with images>
    """
    root, target = Path(archive), Path(out)
    if not root.is_dir():
        raise DatasetError("there is no such folder", where="archive")
    if target.suffix != ".parquet":
        raise DatasetError("the manifest is no .parquet file", where="out")
    pseudonyms = None if hash_key is None else Pseudonyms(hash_key)
    parts = target.with_name(f"{target.name}.parts")
    _begin(parts, root, pseudonyms)
    done = _files_done(parts)
    number = len(list(parts.glob("part-*.parquet")))
    read = functools.partial(_read, root, limits if limits is not None else Limits())
    n_done = len(done)
    with _mapper(workers if workers is not None else usable_cores()) as mapped:
        for files in _portions(name for name in _walk(root, target) if name not in done):
            rows = pd.DataFrame(mapped(read, files), columns=_SCHEMA.names)
            if pseudonyms is not None:
                rows = _pseudonymous(rows, pseudonyms)
            number += 1
            _write(rows, parts / f"part-{number:06d}.parquet")
            n_done += len(files)
            if on_files is not None:
                on_files(n_done, n_done)
    return _finish(parts, target)


def _begin(parts: Path, root: Path, pseudonyms: Pseudonyms | None) -> None:
    """Make the folder of the parts, or check that it is of the same scan."""
    mark = {
        "archive": str(root.resolve()),
        "key": None if pseudonyms is None else pseudonyms.fingerprint,
        "columns": _SCHEMA.names,
    }
    state = parts / "_scan.json"
    if state.is_file():
        try:
            same = json.loads(state.read_text(encoding="utf-8")) == mark
        except ValueError:
            same = False
        if not same:
            raise DatasetError(
                "an unfinished scan of another archive, or with another key, has this name",
                where=parts.name,
                remedy="Delete its folder, or choose another name.",
            )
        return
    parts.mkdir(parents=True, exist_ok=True)
    text = json.dumps(mark)
    atomic_write(state, lambda path: path.write_text(text, encoding="utf-8"))


def _files_done(parts: Path) -> set[str]:
    found: set[str] = set()
    for part in sorted(parts.glob("part-*.parquet")):
        found.update(pq.read_table(part, columns=["file_path"])["file_path"].to_pylist())
    return found


def _walk(root: Path, target: Path) -> Iterator[str]:
    """Files below a folder, as paths relative to it; what this scan writes is left out."""
    own = {target.resolve(), target.with_name(f"{target.name}.excluded.parquet").resolve()}
    parts = target.with_name(f"{target.name}.parts").resolve()
    for folder, folders, names in os.walk(root, followlinks=False):
        here = Path(folder)
        folders[:] = sorted(one for one in folders if (here / one).resolve() != parts)
        for name in sorted(names):
            path = here / name
            if name.upper() != "DICOMDIR" and path.resolve() not in own:
                yield path.relative_to(root).as_posix()


def _portions(names: Iterator[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for name in names:
        some.append(name)
        if len(some) == FILES_A_PART:
            yield some
            some = []
    if some:
        yield some


@contextmanager
def _mapper(workers: int) -> Iterator[Any]:
    """Return a function that maps over a list, with processes if there are several workers."""
    if workers <= 1:
        yield lambda work, items: [work(one) for one in items]
        return
    # A forked process would inherit the threads of this one in an undefined state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield lambda work, items: list(pool.map(work, items, chunksize=_CHUNK))


def _read(root: Path, limits: Limits, name: str) -> dict[str, Any]:
    """A row of the manifest, or the reason why there is none."""
    path = root / name
    try:
        if path.is_symlink():
            return {"file_path": name, "reason": "a link, not followed"}
        with open(path, "rb") as handle:
            if not looks_like_dicom(handle.read(132)):
                return {"file_path": name, "reason": "not a DICOM file"}
        found = read_dicom(path, name, limits)
    except OSError as error:
        return {"file_path": name, "reason": f"the file cannot be opened ({error.strerror})"}
    except ExamError as error:
        return {"file_path": name, "reason": error.what}
    if isinstance(found, str):
        return {"file_path": name, "reason": found}
    return {"file_path": name, **_row(found)}


def _row(image: ReadImage) -> dict[str, Any]:
    view, patient, acquisition = image.view, image.patient, image.view.acquisition
    if not patient.patient:
        return {"reason": "no PatientID"}
    if not patient.study:
        return {"reason": "no StudyInstanceUID"}
    day = None if patient.day is None else pd.to_datetime(patient.day[:8], errors="coerce")
    return {
        "patient_id": patient.patient,
        "exam_id": patient.study,
        "exam_date": None if day is None or pd.isna(day) else day,
        "laterality": view.laterality.value,
        "view": view.position,
        "intent": view.intent.value,
        "kind": view.kind.value,
        "modifiers": ", ".join(view.modifiers) or None,
        "manufacturer": acquisition.manufacturer,
        "model": acquisition.model,
        "patient_sex": patient.sex,
        "age": patient.age_years,
        "pixel_mm": view.pixel_mm,
        "force_n": acquisition.force_n,
        "thickness_mm": acquisition.thickness_mm,
        "kvp": acquisition.kvp,
        "rows": view.rows,
        "columns": view.columns,
    }


def _pseudonymous(rows: pd.DataFrame, pseudonyms: Pseudonyms) -> pd.DataFrame:
    woman = rows["patient_id"]
    return rows.assign(
        exam_date=pseudonyms.shifted(pd.to_datetime(rows["exam_date"]), woman),
        patient_id=woman.map(pseudonyms.of, na_action="ignore"),
        exam_id=rows["exam_id"].map(pseudonyms.of, na_action="ignore"),
    )


def _write(rows: pd.DataFrame, path: Path) -> None:
    dates = pd.to_datetime(rows["exam_date"]).dt.date
    rows = rows.assign(exam_date=dates.where(dates.notna(), None))
    for name in ("rows", "columns"):
        rows[name] = rows[name].astype("Int64")
    table = pa.Table.from_pandas(rows, schema=_SCHEMA, preserve_index=False)
    atomic_write(path, lambda place: pq.write_table(table, place))


def _finish(parts: Path, target: Path) -> ArchiveScan:
    """Join the parts, one at a time."""
    excluded = target.with_name(f"{target.name}.excluded.parquet")
    files = sorted(parts.glob("part-*.parquet"))
    women: set[str] = set()
    exams: set[tuple[str, str]] = set()
    counts = {"images": 0, "excluded": 0}
    reasons: dict[str, int] = {}
    schema = pa.schema([field for field in _SCHEMA if field.name != "reason"])
    left_out = pa.schema([_SCHEMA.field("file_path"), _SCHEMA.field("reason")])

    def write_images(place: Path) -> None:
        with pq.ParquetWriter(place, schema) as writer:
            for file in files:
                table = pq.read_table(file, schema=_SCHEMA)
                used = table.filter(table["reason"].is_null()).select(schema.names)
                writer.write_table(used)
                ids = zip(used["patient_id"].to_pylist(), used["exam_id"].to_pylist(), strict=True)
                exams.update(ids)
                women.update(used["patient_id"].to_pylist())
                counts["images"] += len(used)

    def write_excluded(place: Path) -> None:
        with pq.ParquetWriter(place, left_out) as writer:
            for file in files:
                table = pq.read_table(file, schema=_SCHEMA).select(left_out.names)
                gone = table.filter(table["reason"].is_valid())
                writer.write_table(gone)
                counts["excluded"] += len(gone)
                for reason in gone["reason"].to_pylist():
                    reasons[reason] = reasons.get(reason, 0) + 1

    atomic_write(excluded, write_excluded)
    atomic_write(target, write_images)
    shutil.rmtree(parts)
    return ArchiveScan(
        manifest=target,
        excluded=excluded,
        n_images=counts["images"],
        n_excluded=counts["excluded"],
        n_women=len(women),
        n_exams=len(exams),
        reasons=pd.Series(reasons, dtype="int64").sort_values(ascending=False),
    )
