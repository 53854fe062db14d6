"""PredictionFile: summary of a file or folder of risks, with its provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammorisk.errors import OutputError
from mammorisk.prediction.findings_column import COLUMN, is_searched, read_findings
from mammorisk.prediction.part_files import FINGERPRINT, read_provenance
from mammorisk.prediction.status import Status, status_of
from mammorisk.records.cohort import KEYS

if TYPE_CHECKING:
    import pandas as pd

#: Maximum number of exams without a risk that are listed.
_FAILURES_NAMED = 20
#: Rows of a CSV read at a time.
_ROWS_READ = 100_000
#: Types of the ids in a CSV: "007" is not 7.
_IDS = dict.fromkeys(KEYS, str)


@dataclass(frozen=True, kw_only=True)
class PredictionFile:
    """Summary of the risks written by :func:`mammorisk.predict_to_file`.

    Attributes
    ----------
    path : Path
        A file, or a folder of Parquet files.
    exams : int
        Number of exams.
    without_risk : int
        Number of exams without a risk at any horizon.
    incomplete, unusable, refused : int
        Numbers of exams without a risk by :attr:`mammorisk.Prediction.status`.
    failures : list of (str, str)
        ``exam_id`` and warnings of the first 20 exams without a risk.
    unsearched : int or None
        Number of exams that were not searched for lesions; None without a search.
    provenance : dict
        Software, model, training data, backend, horizons and detector of the run, read from the
        metadata of a Parquet file (key ``mammorisk``) or from ``_run.json`` in a folder. Empty for
        a CSV file, which cannot store it.

    See Also
    --------
    mammorisk.predict_to_file : Returns this summary.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> women = pd.DataFrame({"patient_id": ["p1", "p2"], "exam_id": ["e1", "e2"], "age": [54, 97]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     women.to_csv(Path(folder) / "manifest.csv", index=False)
    ...     cohort = mr.read_cohort(Path(folder) / "manifest.csv")
    ...     written = mr.predict_to_file(cohort, Path(folder) / "risks.parquet", model="bcrat")
    >>> written.exams, written.without_risk
    (2, 1)
    >>> written.failures
    [('e2', 'age outside 35-85')]
    >>> written.provenance["model"], written.provenance["horizons"]
    ('bcrat', [1, 2, 3, 4, 5])
    """

    path: Path
    exams: int = 0
    without_risk: int = 0
    incomplete: int = 0
    unusable: int = 0
    refused: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    unsearched: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def findings(self) -> pd.DataFrame:
        """Return the findings in the file as a table, which is then in memory.

        Returns
        -------
        DataFrame
            As :func:`mammorisk.find` returns it for a cohort, with the exams that were searched in
            ``attrs["exams"]`` and those that cannot be searched in ``attrs["errors"]``.

        Raises
        ------
        OutputError
            The risks were predicted without ``findings``.

        See Also
        --------
        mammorisk.predict_to_file : Predicts with ``findings``.

        Examples
        --------
        >>> import mammorisk as mr
        >>> cohort = mr.read_cohort("cohort.csv")  # doctest: +SKIP
        >>> written = mr.predict_to_file(cohort, "risks.parquet", findings=True)  # doctest: +SKIP
        >>> written.findings()[["exam_id", "view", "type", "score"]]  # doctest: +SKIP
        """
        if self.unsearched is None:
            raise OutputError(
                "the file has risks alone",
                where=self.path.name,
                remedy="Predict with findings=True into another file.",
            )
        return read_findings(_tables(self.path))


def summary(path: str | Path) -> PredictionFile:
    """Summarise a file or folder of risks. It is read in parts.

    Parameters
    ----------
    path : path
        Output of :func:`mammorisk.predict_to_file`.

    Returns
    -------
    PredictionFile
    """
    path = Path(path)
    said = {name: value for name, value in read_provenance(path).items() if name != FINGERPRINT}
    return replace(count_risks(_tables(path), path), provenance=said)


def count_risks(tables: Iterable[pd.DataFrame], path: Path) -> PredictionFile:
    """Count exams and exams without a risk in tables of risks.

    Parameters
    ----------
    tables : iterable of DataFrame
        Tables as returned by :func:`mammorisk.predict` for a cohort.
    path : Path
        File or folder of the tables.

    Returns
    -------
    PredictionFile
        Without provenance.
    """
    exams = 0
    statuses: Counter[Status] = Counter()
    failures: list[tuple[str, str]] = []
    unsearched: int | None = None
    for table in tables:
        risks = [name for name in table.columns if name.startswith("risk_")]
        failed = table[table[risks].isna().all(axis=1)]
        exams += len(table)
        for codes, n in failed["warning_codes"].fillna("").astype(str).value_counts().items():
            statuses[status_of(False, str(codes).split(","))] += int(n)
        if COLUMN in table:
            unsearched = (unsearched or 0) + int((~is_searched(table[COLUMN])).sum())
        room = _FAILURES_NAMED - len(failures)
        told = failed[["exam_id", "warnings"]].head(room) if "exam_id" in failed else failed.head(0)
        failures += [(str(row[0]), str(row[1])) for row in told.itertuples(index=False)]
    return PredictionFile(
        path=path,
        exams=exams,
        without_risk=sum(statuses.values()),
        incomplete=statuses["incomplete"],
        unusable=statuses["unusable"],
        refused=statuses["refused"],
        failures=failures,
        unsearched=unsearched,
    )


def _tables(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd
    import pyarrow.parquet as pq

    if path.suffix == ".csv":
        yield from pd.read_csv(path, chunksize=_ROWS_READ, dtype=_IDS)
        return
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with pq.ParquetFile(file) as table:
            for group in range(table.num_row_groups):
                yield table.read_row_group(group).to_pandas()
