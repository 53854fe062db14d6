"""read_embeddings(): a file of embed(), or a table of embeddings made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mammorisk._utils.text import TEXT
from mammorisk.embeddings.columns import (
    ACQUISITION,
    CODES,
    ENCODER,
    FEATURE,
    IMPLANT,
    POOLED,
    ROW,
    check_rows,
    feature_columns,
)
from mammorisk.embeddings.embeddings import Embeddings, in_memory
from mammorisk.errors import EmbeddingError, ManifestError
from mammorisk.inputs.acquisition_table import CATEGORIES as ACQUISITION_CATEGORIES
from mammorisk.inputs.acquisition_table import NUMBERS as ACQUISITION_NUMBERS
from mammorisk.io.table_files import id_text, read_table_file
from mammorisk.io.views import parse_view_words
from mammorisk.prediction.part_files import FINGERPRINT, read_provenance
from mammorisk.records.cohort import KEYS
from mammorisk.records.frames import as_frame

if TYPE_CHECKING:
    import pandas as pd

#: Provenance that is an attribute of its own.
_ATTRIBUTES = (FINGERPRINT, "encoder", "n_features", "exams", "failures")


def read_embeddings(
    data: str | Path | pd.DataFrame,
    *,
    encoder: str | None = None,
    columns: Mapping[str, str] | None = None,
    features: str | Sequence[str] | None = None,
) -> Embeddings:
    """Read embeddings: the output of :func:`mammorisk.embed`, or a table made elsewhere.

    Parameters
    ----------
    data : path or DataFrame
        A file or folder of :func:`mammorisk.embed`, or a table with one row a view (Parquet, CSV,
        or a table of pandas, polars or pyarrow).
    encoder : str, optional
        Name of the encoder that made the table. Needed if the table has no column ``encoder``. If
        it has rows of several encoders, those of this one are read.
    columns : dict of str to str, optional
        Names of the columns in the table, such as ``{"patient_id": "PatientID"}``. Needed columns
        are ``patient_id``, ``exam_id``, ``view`` and ``laterality``. A view such as ``"L-CC"``
        needs no column ``laterality``. Optional are ``years_before``, and the acquisition as in
        :class:`mammorisk.Acquisition`: ``thickness_mm``, ``force_n``, ``kvp``, ``mas``,
        ``glandular_dose_mgy``, ``manufacturer``, ``anode``, ``filter`` and ``implant``.
    features : str or sequence of str, optional
        Columns of the features in order; or one name, of a column of lists or a prefix followed by
        the number of the feature. Default: the prefix ``"feature_"``.

    Returns
    -------
    Embeddings

    Raises
    ------
    EmbeddingError
        A column is missing, a key is missing or repeated, a view is unknown, a feature is not a
        finite number, or the rows are of several encoders, weights or preprocessings.
    ManifestError
        The file cannot be read.

    See Also
    --------
    mammorisk.embed : Computes embeddings.

    Notes
    -----
    Features of two encoders, or of one encoder with two preprocessings, have no common meaning.
    They are never read as one table.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> theirs = pd.DataFrame(
    ...     {
    ...         "PatientID": ["p1", "p1"],
    ...         "study": ["e1", "e1"],
    ...         "image": ["left_cc", "right_cc"],
    ...         "emb": [[0.1, 0.2], [0.3, 0.4]],
    ...     }
    ... )
    >>> names = {"patient_id": "PatientID", "exam_id": "study", "view": "image"}
    >>> emb = mr.read_embeddings(theirs, encoder="theirs", columns=names, features="emb")
    >>> emb.to_frame()[["view", "laterality", "feature_1"]].values.tolist()
    [['CC', 'L', 0.20000000298023224], ['CC', 'R', 0.4000000059604645]]
    """
    own = isinstance(data, (str, Path)) and "weights_sha256" in read_provenance(Path(data))
    if own and columns is None and features is None:
        found = read_file(Path(str(data)))
        if encoder not in (None, found.encoder, found.provenance["name"]):
            raise EmbeddingError(
                f"the embeddings are of the encoder {found.encoder}, not {encoder}",
                where=Path(str(data)).name,
            )
        return found
    table = as_frame(data)
    if table is None:
        if not isinstance(data, (str, Path)):
            raise EmbeddingError(
                f"{type(data).__name__} is not a table of embeddings",
                remedy="Pass a path or a DataFrame.",
            )
        table = _read_table(Path(data), columns)
    made = _renamed(table, columns or {})
    made = _with_sides(made)
    named = _with_features(made, features)
    name = _one_encoder(made, encoder)
    stated = made[ENCODER].astype(str) if ENCODER in made.columns else None
    kept = np.ones(len(made), dtype=bool) if stated is None else (stated == name).to_numpy()
    checked = _typed(made, named, name)[kept].reset_index(drop=True)
    if not len(checked):
        raise EmbeddingError("the table has no rows", remedy="Check the table and encoder=.")
    check_rows(checked)
    return in_memory(checked, name)


def read_file(path: Path) -> Embeddings:
    """Describe a file or folder that :func:`mammorisk.embed` wrote, without reading its rows.

    Raises
    ------
    EmbeddingError
        The parts of a folder are of several encoders.
    """
    import pyarrow.parquet as pq

    said = read_provenance(path)
    if not {"weights_sha256", "n_features", "exams", "encoder"} <= said.keys():
        raise EmbeddingError("the file was not written by mammorisk.embed", where=path.name)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    rows = 0
    for file in files:
        with pq.ParquetFile(file) as opened:
            rows += opened.metadata.num_rows
            width = len(feature_columns(opened.schema_arrow.names))
        if width != said["n_features"]:
            raise EmbeddingError(
                f"a part has {width} features, the others {said['n_features']}",
                where=path.name,
                remedy="Remove the file that does not belong to the folder.",
            )
    return Embeddings(
        encoder=said["encoder"],
        n_features=said["n_features"],
        rows=rows,
        path=path,
        provenance={name: value for name, value in said.items() if name not in _ATTRIBUTES},
        exams=said["exams"],
        failures=[(exam, view, why) for exam, view, why in said.get("failures", [])],
    )


def _read_table(path: Path, columns: Mapping[str, str] | None) -> pd.DataFrame:
    import pandas as pd

    if path.is_dir():
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise ManifestError(
                f"the folder cannot be read ({type(error).__name__})",
                where=path.name,
                remedy="Pass a folder of Parquet files.",
            ) from None
    ids = [(columns or {}).get(key, key) for key in KEYS]
    return read_table_file(path, ids).table


def _renamed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    unknown = sorted(set(columns) - {*ROW, ENCODER, *ACQUISITION})
    absent = sorted({name for name in columns.values() if name not in table.columns})
    if unknown or absent:
        raise EmbeddingError(
            f"columns= names {', '.join(unknown or absent)}, which "
            + ("is no column of embeddings" if unknown else "the table does not have"),
            where="columns",
            remedy=f"Keys are {', '.join((*ROW, ENCODER, *ACQUISITION))}; values are columns of "
            "the table.",
        )
    taken = set(columns.values())
    # A column of one of our names that stands for something else is left out.
    others = [n for n in table.columns if n in taken or n not in columns]
    made = table[others].rename(columns={theirs: ours for ours, theirs in columns.items()})
    missing = [name for name in (*KEYS, "view") if name not in made.columns]
    if missing:
        raise EmbeddingError(
            f"the table has no column {', '.join(missing)}",
            where="embeddings",
            remedy='Pass columns={"' + missing[0] + '": "name in the table"}.',
        )
    return made.reset_index(drop=True)


def _with_sides(table: pd.DataFrame) -> pd.DataFrame:
    """Read the words for view and side."""
    import pandas as pd

    has_sides = "laterality" in table.columns
    words = table["view"].astype(object).where(table["view"].notna(), "").map(str)
    if has_sides:
        sides = table["laterality"].astype(object).where(table["laterality"].notna(), "").map(str)
        words = sides.str.cat(words, sep=" ")
    # Few different words, of many rows.
    read = {word: parse_view_words(word) for word in words.unique()}
    is_pooled = table["view"] == POOLED
    views = [
        POOLED if whole else read[w].position for w, whole in zip(words, is_pooled, strict=True)
    ]
    made = table.drop(columns=["laterality"] if has_sides else [])
    made["view"] = pd.array(views, dtype=TEXT)
    made["laterality"] = pd.array(
        [None if (side := read[word].laterality) is None else side.value for word in words],
        dtype=TEXT,
    )
    return made


def _with_features(table: pd.DataFrame, features: str | Sequence[str] | None) -> pd.DataFrame:
    """Return the features as columns ``feature_0``, ``feature_1`` ..., float32."""
    import pandas as pd

    if isinstance(features, str) and features in table.columns:
        lengths = table[features].map(lambda one: len(one) if hasattr(one, "__len__") else -1)
        if lengths.nunique() != 1 or lengths.iloc[0] < 1:
            raise EmbeddingError(
                "the lists of features do not all have the same length", where=features
            )
        values = np.stack([np.asarray(one, dtype=object) for one in table[features]])
        wide = pd.DataFrame(values)
    else:
        prefix = FEATURE if features is None else features
        if isinstance(prefix, str):
            numbered = [n for n in map(str, table.columns) if n.removeprefix(prefix).isdigit()]
            names = sorted(
                (n for n in numbered if n.startswith(prefix)),
                key=lambda name: int(name.removeprefix(prefix)),
            )
            _check_numbers(names, prefix)
        else:
            names = list(prefix)
        absent = [name for name in names if name not in table.columns]
        if absent or not names:
            raise EmbeddingError(
                f"the table has no column {absent[0]}" if absent else "the table has no features",
                where="features",
                remedy="Pass features= with their columns, their prefix, or a column of lists.",
            )
        wide = table[names]
    try:
        found = wide.astype(np.float64)
    except (TypeError, ValueError):
        raise EmbeddingError(
            "features are not numbers", where="features", remedy="Check the columns in features=."
        ) from None
    found.columns = pd.Index([f"{FEATURE}{i}" for i in range(found.shape[1])])
    # Numbers that float32 cannot hold become infinite, and are refused with the others.
    with np.errstate(over="ignore"):
        return found.astype(np.float32)


def _check_numbers(names: list[str], prefix: str) -> None:
    numbers = [int(name.removeprefix(prefix)) for name in names]
    if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise EmbeddingError(
            f"the numbers of the columns {prefix}... have gaps: a feature is missing",
            where="features",
            remedy="Name the columns in features= if this is intended.",
        )


def _one_encoder(table: pd.DataFrame, encoder: str | None) -> str:
    if ENCODER not in table.columns:
        if encoder is None:
            raise EmbeddingError(
                "the table does not state the encoder",
                where="embeddings",
                remedy='Pass encoder="name"; features of different encoders are not comparable.',
            )
        return encoder
    names = sorted(str(one) for one in table[ENCODER].dropna().unique())
    if encoder is None and table[ENCODER].isna().any():
        raise EmbeddingError("rows do not state the encoder", remedy='Pass encoder="name".')
    # "hybrid" stands for "hybrid@0123456789ab" as long as there is only one.
    meant = [n for n in names if encoder is None or encoder in (n, n.rpartition("@")[0])]
    if not meant:
        raise EmbeddingError(
            f"the table has no rows of the encoder {encoder}",
            where="embeddings",
            remedy=f"It has: {', '.join(names)}.",
        )
    if len(meant) > 1:
        raise EmbeddingError(
            "the table has rows of several encoders, weights or preprocessings: "
            + ", ".join(meant),
            where="embeddings",
            remedy="Pass encoder= with one of them.",
        )
    return meant[0]


def _typed(table: pd.DataFrame, features: pd.DataFrame, encoder: str) -> pd.DataFrame:
    import pandas as pd

    made: dict[str, Any] = {key: id_text(table[key]).astype(TEXT) for key in KEYS}
    made |= {"view": table["view"], "laterality": table["laterality"]}
    years = (
        table["years_before"] if "years_before" in table.columns else pd.Series(0.0, table.index)
    )
    made["years_before"] = pd.to_numeric(years, errors="coerce").astype(np.float32)
    if bad := int((~(made["years_before"] >= 0)).sum()):
        raise EmbeddingError(
            f"years_before is missing, negative or not a number in {bad} rows",
            where="embeddings",
            remedy="It is 0 for the exam itself, and positive for earlier exams.",
        )
    made[ENCODER] = pd.Series(encoder, index=table.index, dtype=TEXT)
    if CODES in table.columns:
        made[CODES] = table[CODES]
    made |= _acquisition(table)
    return pd.DataFrame(made).join(features)


def _acquisition(table: pd.DataFrame) -> dict[str, Any]:
    """The columns of the acquisition. A number that cannot be read is an error."""
    import pandas as pd

    made: dict[str, Any] = {}
    for name in ACQUISITION_NUMBERS:
        if name in table.columns:
            try:
                made[name] = pd.to_numeric(table[name]).astype(np.float32)
            except (TypeError, ValueError):
                raise EmbeddingError(
                    f"{name} has values that are not numbers",
                    where="embeddings",
                    remedy="Leave unknown values empty.",
                ) from None
    for name in ACQUISITION_CATEGORIES:
        if name in table.columns:
            words = table[name].astype(object).where(table[name].notna(), None)
            texts = [None if one is None else str(one).strip().lower() or None for one in words]
            made[name] = pd.array(texts, dtype=TEXT)
    if IMPLANT in table.columns:
        made[IMPLANT] = table[IMPLANT].isin([True, 1, "1", "true", "True"]).to_numpy()
    return made
