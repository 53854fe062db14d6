"""Features of the exams of a cohort, part by part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.atomic_write import atomic_write
from mammorisk._utils.parallel import read_ahead, usable_cores
from mammorisk._utils.text import text_array
from mammorisk.embeddings.columns import (
    CODES,
    ENCODER,
    FEATURE,
    IMPLANT,
    feature_columns,
)
from mammorisk.embeddings.pooling import pool_rows
from mammorisk.errors import EmbeddingError, MammoriskError
from mammorisk.imaging.quality import breast_area, check_view, exam_findings
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.inputs.acquisition_table import CATEGORIES as ACQUISITION_CATEGORIES
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.inputs.acquisition_table import acquisition_table
from mammorisk.prediction.part_files import KEY, Parts, chunks_of
from mammorisk.prediction.rows import MALE_PATIENT
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.records.exam import Exam
from mammorisk.risk_models.encoders.encoder import Encoder
from mammorisk.warnings import ResultWarning, join_codes

if TYPE_CHECKING:
    import pandas as pd

#: Exam, view (empty for the whole exam) and reason.
Failure = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class _ReadView:
    view: str
    laterality: str
    codes: str
    content: NDArray[Any] | None
    reason: str = ""
    acquisition: Acquisition | None = None
    implant: bool = False


@dataclass(frozen=True, kw_only=True)
class _ReadExam:
    views: list[_ReadView] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class EmbedWork:
    """Computes the embeddings of rows of a cohort; it can be sent to a worker.

    Attributes
    ----------
    cohort : Cohort
    encoder : Encoder
    dtype : {"float32", "float16"}
    pool : {"mean", "max"} or None
        Also write a pooled row for each exam.
    """

    cohort: Cohort
    encoder: Encoder
    dtype: str = "float32"
    pool: str | None = None

    def __call__(self, file: Path, rows: range) -> None:
        """Write one part, unless another worker finished it before it was killed."""
        if not file.exists():
            self.write_parts([(file, rows)], lambda exams: None)

    def write_parts(self, parts: Parts, on_part: Callable[[int], None]) -> None:
        """Write parts. The next exams are read while the encoder runs."""
        for (file, rows), (table, failures) in zip(parts, self.tables(parts), strict=True):
            atomic_write(file, partial(_write, table, self.dtype, failures))
            on_part(len(rows))

    def tables(self, parts: Parts) -> Iterator[tuple[pd.DataFrame, list[Failure]]]:
        """Yield the table and the failures of each part."""
        import pandas as pd

        chunks = chunks_of(parts, self.encoder.exams_at_once)
        read = read_ahead(self._read_chunk, [list(rows) for rows, _ in chunks])
        tables: list[pd.DataFrame] = []
        failures: list[Failure] = []
        for (rows, is_last), exams in zip(chunks, read, strict=True):
            tables.append(self._table(list(rows), exams))
            failures += self._failures(rows, exams)
            if is_last:
                yield pd.concat(tables, ignore_index=True), failures
                tables, failures = [], []

    def _read_chunk(self, rows: list[int]) -> list[_ReadExam]:
        with ThreadPoolExecutor(max_workers=min(len(rows), usable_cores())) as pool:
            return list(pool.map(self._read_row, rows))

    def _read_row(self, row: int) -> _ReadExam:
        """Read one exam. An error is part of the result, so that it does not stop the others."""
        try:
            exam = self.cohort.open_row(row)
            absent = [_absent(exam, name) for name in exam.missing]
            return _ReadExam(views=[*absent, *self._prepared_views(exam)])
        except MammoriskError as error:
            return _ReadExam(error=str(error))
        except MemoryError:
            return _ReadExam(error="not enough memory to read the exam")
        # An unexpected error in one exam must not stop a cohort.
        except Exception as error:  # noqa: BLE001
            return _ReadExam(error=f"the exam cannot be prepared ({type(error).__name__})")

    def _prepared_views(self, exam: Exam) -> list[_ReadView]:
        """Prepare the views of an exam, each with the warnings about it and about the exam."""
        made, areas = {}, {}
        quality: list[list[ResultWarning]] = []
        for view in exam:
            seen = segment_view(view)
            made[view.name] = self.encoder.preprocessing.prepare(seen)
            areas[view.name] = breast_area(seen)
            quality.append(check_view(seen))
        told = [*exam.single_warnings(), *exam_findings(exam, quality, areas)]
        if exam.patient_sex == "M":
            told.append(MALE_PATIENT)
        views = []
        for view in exam:
            prepared = made[view.name]
            own = [one for one in told if one.view in (None, view.name)]
            views.append(
                _ReadView(
                    view=view.position,
                    laterality=view.laterality.value,
                    codes=join_codes([*own, *prepared.warnings]),
                    content=prepared.content,
                    reason="; ".join(one.text for one in prepared.warnings),
                    acquisition=view.acquisition,
                    implant=bool(view.implant),
                )
            )
        return views

    def _table(self, rows: Sequence[int], exams: Sequence[_ReadExam]) -> pd.DataFrame:
        import pandas as pd

        used = [
            (row, view)
            for row, exam in zip(rows, exams, strict=True)
            for view in exam.views
            if view.content is not None
        ]
        features = self.encoder.encode(
            [view.content for _, view in used if view.content is not None]
        )
        with np.errstate(over="ignore"):
            features = features.astype(self.dtype)
        if not np.isfinite(features).all():
            raise EmbeddingError(
                f"{self.encoder.name} gave features that are not finite in {self.dtype}",
                remedy='Use dtype="float32", or check the weights.',
            )
        keys = self.cohort.exams
        table = pd.DataFrame(
            {
                **{key: text_array(str(keys[key].iloc[row]) for row, _ in used) for key in KEYS},
                "view": text_array(view.view for _, view in used),
                "laterality": text_array(view.laterality for _, view in used),
                "years_before": np.zeros(len(used), dtype=np.float32),
                ENCODER: text_array(self.encoder.identity for _ in used),
                CODES: text_array(view.codes for _, view in used),
            }
        )
        table = table.join(_acquisition(view for _, view in used))
        named = pd.DataFrame(
            features, columns=[f"{FEATURE}{i}" for i in range(self.encoder.n_features)]
        )
        table = table.join(named)
        if self.pool is None:
            return table
        both = pd.concat([table, _pooled(table, self.pool, self.dtype)], ignore_index=True)
        # Each exam is followed by its pooled row.
        place = [row for row, _ in used]
        return both.iloc[np.argsort([*place, *dict.fromkeys(place)], kind="stable")].reset_index(
            drop=True
        )

    def _failures(self, rows: Sequence[int], exams: Sequence[_ReadExam]) -> Iterator[Failure]:
        for row, exam in zip(rows, exams, strict=True):
            exam_id = str(self.cohort.exams["exam_id"].iloc[row])
            if exam.error:
                yield exam_id, "", exam.error
            for view in exam.views:
                if view.content is None:
                    yield exam_id, f"{view.laterality}-{view.view}", view.reason


def _absent(exam: Exam, name: str) -> _ReadView:
    laterality, view = name.split("-")
    reasons = "; ".join(dict.fromkeys(one.reason for one in exam.set_aside if one.is_image))
    reason = "the view is missing" + (f"; images that were not used: {reasons}" if reasons else "")
    return _ReadView(view=view, laterality=laterality, codes="", content=None, reason=reason)


def _acquisition(views: Iterable[_ReadView]) -> pd.DataFrame:
    read = list(views)
    made = acquisition_table(one.acquisition for one in read)
    made = made.astype(dict.fromkeys(ACQUISITION_NUMBERS, np.float32))
    for name in ACQUISITION_CATEGORIES:
        made[name] = text_array(made[name])
    made[IMPLANT] = np.array([one.implant for one in read], dtype=bool)
    return made


def _pooled(table: pd.DataFrame, pool: str, dtype: str) -> pd.DataFrame:
    features = feature_columns(table.columns)
    # In float32, because a mean in float16 loses digits.
    found = pool_rows(table.astype(dict.fromkeys(features, np.float32)), pool)
    found["years_before"] = found["years_before"].astype(np.float32)
    return found.astype(dict.fromkeys(features, dtype))


def _write(table: pd.DataFrame, dtype: str, failures: list[Failure], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = feature_columns(table.columns)
    # A stated schema, because a part without any views would have other types.
    schema = pa.schema(
        [
            *(pa.field(name, pa.string()) for name in (*KEYS, "view", "laterality")),
            pa.field("years_before", pa.float32()),
            *(pa.field(name, pa.string()) for name in (ENCODER, CODES)),
            *(pa.field(name, pa.float32()) for name in ACQUISITION_NUMBERS),
            *(pa.field(name, pa.string()) for name in ACQUISITION_CATEGORIES),
            pa.field(IMPLANT, pa.bool_()),
            *(pa.field(name, getattr(pa, dtype)()) for name in features),
        ],
        metadata={KEY.encode(): json.dumps({"failures": failures}).encode()},
    )
    made = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    pq.write_table(made.replace_schema_metadata(schema.metadata), path)


def failures_of(files: list[Path]) -> dict[str, Any]:
    """Return the failures of all parts, for the metadata of the joined file."""
    import pyarrow.parquet as pq

    found: list[Any] = []
    for file in files:
        said = (pq.read_schema(file).metadata or {}).get(KEY.encode(), b"{}")
        found += json.loads(said).get("failures", [])
    return {"failures": found}
