"""DatasetCohort: the cohort of a public release, with its card and the excluded rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mammorisk.datasets.card import DatasetCard
from mammorisk.datasets.exclusions import Exclusions
from mammorisk.errors import ViewMissing
from mammorisk.io.read_exam import read_exam
from mammorisk.records.cohort import KEYS, OUTCOME_COLUMNS, Cohort, OutcomeKind
from mammorisk.records.exam import Exam
from mammorisk.records.follow_up import check_follow_up
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.records.table_warning import TableWarning

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class DatasetCohort(Cohort):
    """A cohort read from a public release.

    Attributes
    ----------
    card : DatasetCard
        Source, licence and assumptions.
    excluded : DataFrame
        One row for each row of the release that is not in the cohort: ``table``, ``line`` (in the
        file), ``reason``, ``patient_id``, ``exam_id``.
    exclusions : DataFrame
        Counts of the excluded rows: ``table``, ``reason``, ``rows``, ``women``. For each table, the
        rows with the reason ``"kept"`` and the others add up to the rows of the file.

    See Also
    --------
    mammorisk.Cohort : The other attributes.
    mammorisk.datasets : Cohorts that can be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import mammorisk as mr
    >>> folder = Path(tempfile.mkdtemp())
    >>> header = "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,"
    >>> rows = ["2,7,701,L,CC,61,1,1,1,,0,,21,False", "2,7,702,L,AT,61,1,1,1,,0,,21,False"]
    >>> text = "\\n".join([header + "implant,density,machine_id,difficult_negative_case", *rows])
    >>> _ = (folder / "train.csv").write_text(text)
    >>> cohort = mr.datasets.rsna_2022(folder, images=False)
    >>> cohort.exclusions
           table                                    reason  rows  women
    0  train.csv  the view AT is none of CC and MLO     1      1
    1  train.csv                                      kept     1      1
    """

    card: DatasetCard
    excluded: pd.DataFrame = field(repr=False, compare=False)
    exclusions: pd.DataFrame = field(repr=False, compare=False)

    def __repr__(self) -> str:
        text = super().__repr__().replace("<Cohort:", f"<{self.card.name}:", 1)
        if "frequency_weight" in self.exams:
            women = int(self.exams["frequency_weight"].sum())
            text = text.replace(">", f", {women:,} women by frequency_weight>", 1)
        return f"{text}\n  terms: {self.card.terms} ({self.card.licence})"


#: Columns of a table of images.
VIEW_COLUMNS = (*KEYS, "laterality", "view", "file_path")


def build_cohort(
    card: DatasetCard,
    exams: pd.DataFrame,
    views: pd.DataFrame | None,
    exclusions: Exclusions,
    warnings: Sequence[TableWarning],
    *,
    root: Path,
    outcome_kind: OutcomeKind | None = None,
    allow_missing_views: bool = False,
) -> DatasetCohort:
    """Build a cohort from its tables.

    Parameters
    ----------
    exams : DataFrame
        One row per exam, with ``patient_id`` and ``exam_id``.
    views : DataFrame or None
        One row per image: ``patient_id``, ``exam_id``, ``laterality``, ``view`` and ``file_path``
        (below ``root``); None if the cohort is read without images.
    outcome_kind : str, optional
        Default: that of the card.
    """
    exams = exams.reset_index(drop=True)
    if views is not None:
        number = pd.Series(range(len(exams)), index=pd.MultiIndex.from_frame(exams[list(KEYS)]))
        keys = pd.MultiIndex.from_frame(views[list(KEYS)])
        views = views.assign(exam=number.reindex(keys).to_numpy()).reset_index(drop=True)
    return DatasetCohort(
        exams=exams,
        errors=_faults(exams),
        views=views,
        open_exam=None if views is None else _opener(views, root, allow_missing_views),
        table_warnings=tuple(warnings),
        outcome_kind=outcome_kind or card.outcome,
        card=card,
        excluded=exclusions.table(),
        exclusions=exclusions.counts(),
    )


def _faults(exams: pd.DataFrame) -> pd.Series:
    """Impossible answers and outcomes, by row, as :func:`mammorisk.read_cohort` flags them."""
    told: list[list[str]] = [[] for _ in range(len(exams))]
    answers = exams[[name for name in exams.columns if name in FIELDS]]
    if len(answers.columns) and len(exams):
        if "age" not in answers:
            answers = answers.assign(age=float("nan"))
        _, problems = check_frame(answers)
        for row, found in enumerate(problems):
            told[row] += [part for part in found if part != "age: unknown"]
    checked = check_follow_up({name: exams[name] for name in OUTCOME_COLUMNS if name in exams})
    for fault in checked.faults:
        for place in fault.rows.nonzero()[0]:
            told[int(place)].append(f"{fault.column} is {fault.what}")
    return pd.Series(["; ".join(parts) for parts in told], dtype=object)


def _opener(views: pd.DataFrame, root: Path, allow_missing_views: bool) -> Callable[[int], Exam]:
    rows_of = views.groupby("exam").indices

    def open_exam(row: int) -> Exam:
        if row not in rows_of:
            raise ViewMissing("the exam has no images")
        images = views.iloc[rows_of[row]]
        if images["view"].isna().any():
            # The views are in the headers, not in the release's tables.
            paths: list[str | Path] = [root / one for one in images["file_path"]]
            return read_exam(paths, allow_missing_views=allow_missing_views)
        files: dict[str, list[str | Path]] = {}
        for side, view, file in zip(
            images["laterality"], images["view"], images["file_path"], strict=True
        ):
            files.setdefault(f"{side}-{view}", []).append(root / file)
        return read_exam(files, allow_missing_views=allow_missing_views)

    return open_exam
