"""From marks in any format to an AnnotatedCohort: which exams can be used, and which marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mammorisk.errors import CohortError
from mammorisk.findings.annotated import OPTIONAL, REQUIRED, AnnotatedCohort
from mammorisk.records.cohort import KEYS
from mammorisk.warnings import ResultWarning, make_warning

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort

BOX = ("row_min_px", "row_max_px", "col_min_px", "col_max_px")
VIEW = [*KEYS, "laterality", "view"]
#: Number of names of findings in a warning.
_NAMED = 5


def annotated_cohort(
    cohort: Cohort,
    marks: pd.DataFrame,
    *,
    types: Mapping[str, str],
    unread: Iterable[tuple[str, ...]] = (),
) -> AnnotatedCohort:
    """Build an AnnotatedCohort of marks.

    Parameters
    ----------
    cohort : Cohort
        With images and the woman of each exam.
    marks : DataFrame
        One row per finding and view: the columns of a view (``patient_id``, ``exam_id``,
        ``laterality``, ``view``), ``finding`` (its name in the release), the box, and optional
        columns of an AnnotatedCohort.
    types : mapping of str to str
        Type of each name of a finding, in lower case. Other findings are left out.
    unread : iterable of tuple
        Views (``patient_id``, ``exam_id``, ``laterality``, ``view``) whose marks cannot be read.

    Returns
    -------
    AnnotatedCohort
        Without exams that have an unread view, a finding without a usable box, or several images
        of a view; its warnings give their number.

    Raises
    ------
    CohortError
        The cohort has no images or women, a woman is in several splits, or no exam is left.
    """
    check_women(cohort)
    views = cohort.views
    if views is None or not cohort.has_images:
        raise CohortError("the cohort has no images", remedy="Read it with images=True.")
    told: list[ResultWarning] = []
    there = _keys(views)
    marks = marks.reset_index(drop=True)
    is_there = _keys(marks).isin(there)
    if n := int((~is_there).sum()):
        told.append(make_warning("rows-excluded", f"{n} marks are in images outside the cohort"))
    marks = marks[is_there]
    kinds = marks["finding"].str.strip().str.lower().map(dict(types))
    if kinds.isna().any():
        told.append(make_warning("rows-excluded", _others(marks.loc[kinds.isna(), "finding"])))
    marks = marks.assign(type=kinds)[kinds.notna()]
    bad = {
        "marks that cannot be read": pd.MultiIndex.from_tuples(list(unread), names=VIEW)
        if (unread := list(unread))
        else there[:0],
        "a finding without a box": _keys(marks[~_has_box(marks)]),
        "several images of a view": there[there.duplicated()],
    }
    exams = pd.MultiIndex.from_frame(cohort.exams[list(KEYS)].astype(str))
    kept = np.ones(len(cohort), dtype=bool)
    for reason, index in bad.items():
        out = exams.isin(index.droplevel([2, 3])) & kept
        if n := int(out.sum()):
            told.append(make_warning("rows-excluded", f"{n} exams are left out: {reason}"))
        kept &= ~out
    if not kept.any():
        raise CohortError(
            "no exam with readable marks is left", where="annotations", remedy=_reasons(told)
        )
    chosen = cohort if kept.all() else cohort.select(kept)
    marks = marks[_keys(marks).droplevel([2, 3]).isin(exams[kept])]
    columns = [*REQUIRED, *(name for name in OPTIONAL if name in marks.columns)]
    lesions = marks[columns].reset_index(drop=True).astype(dict.fromkeys(BOX, int))
    return AnnotatedCohort(cohort=chosen, lesions=lesions, warnings=tuple(told))


def check_women(cohort: Cohort) -> None:
    """Check that exams can be divided by woman.

    Raises
    ------
    CohortError
        The woman of an exam is not known, or a woman is in several parts of a given split.
    """
    exams = cohort.exams
    unknown = exams["patient_id"].isna() | (exams["patient_id"].astype(str).str.strip() == "")
    if unknown.any():
        raise CohortError(
            f"{int(unknown.sum())} exams have no patient_id: exams of one woman could be in the "
            "training and in the test",
            where="patient_id",
            remedy="Give the woman of each exam.",
        )
    if "split" in exams.columns:
        parts = exams.dropna(subset=["split"]).groupby("patient_id")["split"].nunique()
        if n := int((parts > 1).sum()):
            raise CohortError(
                f"{n} women are in several parts of the split",
                where="split",
                remedy="Move all exams of a woman to one part, or remove the column.",
            )


def box_of(
    row_min: pd.Series, row_max: pd.Series, col_min: pd.Series, col_max: pd.Series
) -> dict[str, pd.Series]:
    """Whole pixels that contain a box of real numbers; missing values stay missing."""
    return {
        "row_min_px": np.floor(row_min),
        "row_max_px": np.ceil(row_max),
        "col_min_px": np.floor(col_min),
        "col_max_px": np.ceil(col_max),
    }


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[VIEW].astype(str))


def _has_box(marks: pd.DataFrame) -> np.ndarray:
    top, bottom, left, right = (marks[name].to_numpy(dtype=np.float64) for name in BOX)
    with np.errstate(invalid="ignore"):
        return np.asarray((top >= 0) & (left >= 0) & (bottom > top) & (right > left))


def _others(names: pd.Series) -> str:
    counts = names.value_counts()
    listed = ", ".join(f"{n} {name}" for name, n in counts.head(_NAMED).items())
    more = f" and {len(counts) - _NAMED} more names" if len(counts) > _NAMED else ""
    return f"findings that are none of the types are left out: {listed}{more}"


def _reasons(told: list[ResultWarning]) -> str:
    return " ".join(f"{one.text}." for one in told) or "The cohort has no exams."
