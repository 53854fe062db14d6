"""Embeddings: a table of features of views, in a file or in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mammorisk.embeddings.columns import (
    CODES,
    FEATURE,
    IMPLANT,
    POOLED,
    feature_columns,
    feature_matrix,
)
from mammorisk.embeddings.pooling import Pool, check_pool, pool_rows
from mammorisk.errors import EmbeddingError
from mammorisk.inputs.acquisition_table import CATEGORIES as ACQUISITION_CATEGORIES
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.inputs.feature_set import FeatureSet
from mammorisk.records.acquisition import Acquisition
from mammorisk.records.cohort import KEYS, Cohort
from mammorisk.records.exam import STANDARD_VIEWS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Embeddings:
    """Features of views, by one encoder with one preprocessing.

    Made by :func:`mammorisk.embed` and :func:`mammorisk.read_embeddings`.

    Attributes
    ----------
    encoder : str
        Name of the encoder. For :func:`mammorisk.embed` it ends in a hash of its weights and
        preprocessing: ``"hybrid@0123456789ab"``.
    n_features : int
    rows : int
        Number of rows.
    path : Path or None
        File or folder of the table. None if it is in memory.
    provenance : dict
        How the features were made: ``name``, ``architecture``, ``weights_sha256``,
        ``preprocessing``, ``spacing_mm``, ``source``, ``licence``, ``backend``, ``dtype`` and
        ``pool``. Empty for a table made elsewhere.
    exams : int or None
        Number of exams of the cohort. None for a table made elsewhere.
    failures : list of (str, str, str)
        Exam, view (empty for the whole exam) and reason, for exams and views without features.

    See Also
    --------
    mammorisk.embed : Computes embeddings of a cohort.
    mammorisk.read_embeddings : Reads embeddings from a file or table.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> table = pd.DataFrame(
    ...     {
    ...         "patient_id": ["p1", "p1"],
    ...         "exam_id": ["e1", "e1"],
    ...         "view": ["CC", "MLO"],
    ...         "laterality": ["L", "L"],
    ...         "feature_0": [0.5, 1.5],
    ...     }
    ... )
    >>> emb = mr.read_embeddings(table, encoder="ours")
    >>> emb
    <Embeddings ours: 2 rows, 1 features, in memory>
    >>> emb.pool("mean").to_frame()["feature_0"].tolist()
    [1.0]
    """

    encoder: str
    n_features: int
    rows: int
    path: Path | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    exams: int | None = None
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    table: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def weights_sha256(self) -> str | None:
        """Hash of the weights; None if it is not stated."""
        return self.provenance.get("weights_sha256")

    @property
    def preprocessing(self) -> dict[str, Any] | None:
        """Preprocessing of the encoder; None if it is not stated."""
        return self.provenance.get("preprocessing")

    def __len__(self) -> int:
        return self.rows

    def to_frame(self) -> pd.DataFrame:
        """Return the table: one row a view.

        Returns
        -------
        DataFrame
            ``patient_id``, ``exam_id``, ``view`` (``"CC"``, ``"MLO"`` ...; ``"pooled"`` for a whole
            exam), ``laterality`` (``"L"``, ``"R"``; missing for a whole exam), ``years_before``
            (years before the exam of the row, 0 for the exam itself), ``encoder``, if known
            ``warning_codes`` (of the view and of its exam, separated by commas; see
            :func:`mammorisk.warnings.warning_codes`) and the acquisition of the view
            (``thickness_mm``, ``force_n``, ``kvp``, ``mas``, ``glandular_dose_mgy``,
            ``manufacturer``, ``anode``, ``filter``, ``implant``), and ``feature_0``, ``feature_1``
            ... (float32).
        """
        import pandas as pd

        if self.table is not None:
            return self.table.copy()
        return pd.concat(list(self.iter_frames()), ignore_index=True)

    def iter_frames(self) -> Iterator[pd.DataFrame]:
        """Yield the table in pieces, so that a large file is never completely in memory.

        Yields
        ------
        DataFrame
            Some rows, as of :meth:`to_frame`. All rows of an exam are in one piece.
        """
        import pyarrow.parquet as pq

        if self.table is not None or self.path is None:
            yield self.to_frame()
            return
        narrow = {f"{FEATURE}{i}": np.float32 for i in range(self.n_features)}
        files = sorted(self.path.glob("*.parquet")) if self.path.is_dir() else [self.path]
        for file in files:
            with pq.ParquetFile(file) as opened:
                for group in range(opened.num_row_groups):
                    # pandas cannot group or print float16 properly.
                    yield opened.read_row_group(group).to_pandas().astype(narrow)

    def pool(self, how: Pool = "mean") -> Embeddings:
        """Pool the views of each exam.

        Parameters
        ----------
        how : {"mean", "max"}
            Mean or maximum of each feature over the views of the exam.

        Returns
        -------
        Embeddings
            In memory, with one row an exam.

        Raises
        ------
        EmbeddingError
            ``how`` is unknown, or the table has no rows of views.
        """
        import pandas as pd

        check_pool(how)
        found = pd.concat([pool_rows(one, how) for one in self.iter_frames()], ignore_index=True)
        if not len(found):
            raise EmbeddingError(
                "the table has no rows of views to pool", remedy="Use its pooled rows as they are."
            )
        return replace(
            self,
            table=found,
            path=None,
            rows=len(found),
            provenance={**self.provenance, "pool": how},
        )

    def align(self, cohort: Cohort) -> NDArray[np.float32]:
        """Return the features in the order of a cohort.

        Parameters
        ----------
        cohort : Cohort

        Returns
        -------
        ndarray of float32, shape (n, 4, n_features) or (n, n_features)
            By exam, and by view in the order R-CC, L-CC, R-MLO, L-MLO. NaN where there is no such
            view. For pooled embeddings there is one row an exam. Rows of earlier exams
            (``years_before`` above 0) are left out.

        Raises
        ------
        EmbeddingError
            No exam of the cohort has features, so that they are those of another cohort; or the
            table has both views and pooled rows.
        """
        found = self.feature_set(cohort)
        features = np.where(found.present[..., None], found.features, np.float32(np.nan))
        return features[:, 0] if found.pool is not None else features

    def feature_set(self, cohort: Cohort) -> FeatureSet:
        """Return the features and the acquisition in the order of a cohort.

        This is the input of models that are fitted on embeddings.

        Parameters
        ----------
        cohort : Cohort

        Returns
        -------
        FeatureSet
            Without views for an exam that has no features.

        Raises
        ------
        EmbeddingError
            As :meth:`align`, or a feature is not a finite number.
        """
        # A cohort may list an exam twice.
        places: dict[tuple[str, ...], list[int]] = {}
        for i, key in enumerate(_keys(cohort.exams)):
            places.setdefault(key, []).append(i)
        views = {name: i for i, name in enumerate(STANDARD_VIEWS)}
        out = np.full((len(cohort), len(views), self.n_features), np.nan, dtype=np.float32)
        acquisitions: list[Acquisition | None] = [None] * (len(cohort) * len(views))
        implant = np.zeros(len(cohort), dtype=bool)
        codes: list[dict[str, None]] = [{} for _ in range(len(cohort))]
        found, is_pooled, has_acquisition = 0, {False: False, True: False}, False
        for table in self.iter_frames():
            table = table[table["years_before"] == 0].reset_index(drop=True)
            features = feature_matrix(table)
            if not np.isfinite(features).all():
                raise EmbeddingError(
                    "the table has features that are not finite", remedy="Compute it again."
                )
            read = _acquisitions(table)
            has_acquisition |= read is not None
            implants = (
                table[IMPLANT].to_numpy(dtype=bool)
                if IMPLANT in table.columns
                else np.zeros(len(table), dtype=bool)
            )
            told = _codes(table)
            names = table["laterality"].astype(object) + "-" + table["view"].astype(object)
            for i, (key, view, name) in enumerate(
                zip(_keys(table), table["view"], names, strict=True)
            ):
                pooled = view == POOLED
                is_pooled[pooled] = True
                column = 0 if pooled else views.get(name)
                if column is None:
                    continue
                for row in places.get(key, ()):
                    out[row, column] = features[i]
                    implant[row] |= implants[i]
                    codes[row].update(dict.fromkeys(told[i]))
                    if read is not None:
                        acquisitions[row * len(views) + column] = read[i]
                    found += 1
        if all(is_pooled.values()):
            raise EmbeddingError(
                "the table has rows of views and pooled rows",
                remedy="Use .pool(...) for one row an exam, or embed without pool=.",
            )
        if not found:
            raise EmbeddingError(
                "no exam of the cohort has features: they belong to another cohort",
                remedy="patient_id and exam_id of both must be equal.",
            )
        pool = str(self.provenance.get("pool") or POOLED) if is_pooled[True] else None
        return FeatureSet.of(
            out,
            encoder=self.encoder,
            pool=pool,
            acquisitions=acquisitions if has_acquisition else (),
            implant=implant,
            # Sorted, so that the order of the rows does not matter.
            codes=[",".join(sorted(one)) for one in codes],
        )

    def __repr__(self) -> str:
        place = "in memory" if self.path is None else self.path.name
        failed = f", {len(self.failures)} without features" if self.failures else ""
        return (
            f"<Embeddings {self.encoder}: {self.rows} rows, {self.n_features} features{failed}, "
            f"{place}>"
        )


def _keys(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    return zip(*(table[key].astype(str) for key in KEYS), strict=True)


def _codes(table: pd.DataFrame) -> list[list[str]]:
    """The codes of the warnings of every row."""
    if CODES not in table.columns:
        return [[]] * len(table)
    words = table[CODES].astype(object).where(table[CODES].notna(), "")
    return [[code for code in str(one).split(",") if code] for one in words]


def _acquisitions(table: pd.DataFrame) -> list[Acquisition] | None:
    """The acquisition of every row; None if the table has none."""
    names = [n for n in (*ACQUISITION_NUMBERS, *ACQUISITION_CATEGORIES) if n in table.columns]
    if not names:
        return None
    rows = table[names].astype(object)
    rows = rows.where(rows.notna(), None)
    return [Acquisition(**dict(zip(names, row, strict=True))) for row in rows.to_numpy()]


def in_memory(table: pd.DataFrame, encoder: str, **said: Any) -> Embeddings:
    """Create embeddings from a checked table."""
    width = len(feature_columns(table.columns))
    return Embeddings(encoder=encoder, n_features=width, rows=len(table), table=table, **said)
