"""PredictionFile: what a file or folder of risks holds, and its provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Provenance of a folder of parts. Readers of data sets skip names that begin with an underscore.
RUN = "_run.json"
#: Key of the provenance in the metadata of a Parquet file, and of the run's fingerprint in it.
KEY, FINGERPRINT = "mammorisk", "run"
#: Exams without a risk that a summary names.
_FAILURES_NAMED = 20
#: Rows of a CSV read at a time.
_ROWS_READ = 100_000


@dataclass(frozen=True, kw_only=True)
class PredictionFile:
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


def summary(path: str | Path) -> PredictionFile:
    """Numbers of exams in a file or folder of risks, read part by part.

    Parameters
    ----------
    path : path
        PredictionFile by :func:`predict_to_file`.
    """
    path = Path(path)
    said = {name: value for name, value in read_provenance(path).items() if name != FINGERPRINT}
    return replace(count_risks(_tables(path), path), provenance=said)


def count_risks(tables: Iterable[pd.DataFrame], path: Path) -> PredictionFile:
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
        told = failed[["exam_id", "warnings"]].head(room) if "exam_id" in failed else failed.head(0)
        failures += [(str(row[0]), str(row[1])) for row in told.itertuples(index=False)]
    return PredictionFile(path=path, exams=exams, without_risk=without, failures=failures)


def _tables(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd
    import pyarrow.parquet as pq

    if path.suffix == ".csv":
        yield from pd.read_csv(path, chunksize=_ROWS_READ, dtype={"exam_id": str})
        return
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with pq.ParquetFile(file) as table:
            for group in range(table.num_row_groups):
                yield table.read_row_group(group).to_pandas()


def read_provenance(result: Path) -> dict[str, Any]:
    """What a folder or a Parquet file says of its run; empty where it says nothing."""
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
    """Mark of the run that a folder or a Parquet file is of; None where it has none."""
    return read_provenance(result).get(FINGERPRINT)
