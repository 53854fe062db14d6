"""Findings of a cohort compared with the lesions that were marked in its images."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from mammorisk.errors import CohortError, EvaluationError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.metrics.detections import Detections, Elsewhere, Hit, match_detections
from mammorisk.records.cohort import KEYS
from mammorisk.records.match_ids import id_columns

if TYPE_CHECKING:
    import pandas as pd

_BOX = ["row_min_px", "row_max_px", "col_min_px", "col_max_px"]


def match_findings(
    marked: AnnotatedCohort,
    found: pd.DataFrame,
    *,
    type: str | None = None,
    malignant: bool = False,
    hit: Hit = "centre",
    minimum_radius_mm: float = 5.0,
    minimum_iou: float = 0.2,
    elsewhere: Elsewhere = "false_positive",
) -> Detections:
    """Compare the findings of a cohort with its marked lesions, for FROC metrics.

    Parameters
    ----------
    marked : AnnotatedCohort
    found : DataFrame
        ``mr.find(marked.cohort, minimum_score=0)``. Exams that could not be searched
        (``found.attrs["errors"]``) are left out. Ids are compared as text.
    type : str, optional
        Compare only findings and lesions of this type. By default the type is not considered.
    malignant : bool
        Only lesions with malignant pathology are to be found.
    hit : {"centre", "iou"}
        As in :func:`mammorisk.metrics.match_detections`, like the following. The radius of a
        lesion is half of the longer side of its box.
    minimum_radius_mm : float
    minimum_iou : float
    elsewhere : {"false_positive", "ignore"}

    Returns
    -------
    Detections
        For :func:`mammorisk.metrics.froc_table` and others. Groups of exams are the columns of the
        cohort, such as ``breast_density``.

    Raises
    ------
    CohortError
        The cohort has no images.
    EvaluationError
        A finding or lesion is in an exam or view that the cohort does not have. With
        ``hit="centre"``: the pixel spacing of a view with a lesion or finding is not known.

    See Also
    --------
    mammorisk.metrics.froc_curve : Sensitivity over false positives.
    mammorisk.find : Finds lesions.

    Examples
    --------
    >>> import mammorisk as mr
    >>> marked = mr.findings.read_coco("lesions.json", cohort)  # doctest: +SKIP
    >>> found = mr.find(marked.cohort, minimum_score=0)  # doctest: +SKIP
    >>> matched = mr.findings.match_findings(marked, found, type="mass")  # doctest: +SKIP
    >>> mr.metrics.froc_sensitivity(matched, 0.5)  # doctest: +SKIP
    """
    import pandas as pd

    failed = _failed(found)
    views = _views(marked, failed)
    lesions = marked.lesions.assign(**id_columns(marked.lesions, KEYS))
    lesions["view"] = lesions["laterality"].astype(str) + "-" + lesions["view"].astype(str)
    boxes = np.array([list(box) for box in found["box_px"]], dtype=np.float64).reshape(-1, 4)
    marks = found[[*KEYS, "view", "type", "score"]].reset_index(drop=True)
    marks = marks.assign(**id_columns(marks, KEYS))
    marks[_BOX] = pd.DataFrame(boxes, columns=_BOX)
    keys = [*KEYS, "view"]
    lesions = _with_spacing(lesions, views, failed, "lesions")
    marks = _with_spacing(marks, views, frozenset(), "found")
    for table in (lesions, marks):
        top, bottom, left, right = (table[name].to_numpy(dtype=np.float64) for name in _BOX)
        spacing = table["pixel_mm"].to_numpy(dtype=np.float64)
        table["row_mm"] = (top + bottom) / 2 * spacing
        table["col_mm"] = (left + right) / 2 * spacing
        table["radius_mm"] = np.maximum(bottom - top, right - left) / 2 * spacing
        unknown = table.loc[np.isnan(spacing), keys].drop_duplicates()
        if hit == "centre" and len(unknown):
            raise EvaluationError(
                f"the pixel spacing of {len(unknown)} views is not known",
                where="pixel_mm",
                remedy="Compare boxes with hit='iou'.",
            )
    lesions["size_mm"] = (
        lesions["radius_mm"] * 2 if "size_mm" not in lesions else lesions["size_mm"]
    )
    targets = None
    if malignant:
        if "pathology" not in lesions.columns or not lesions["pathology"].notna().any():
            raise EvaluationError("no lesion has a pathology", where="malignant")
        targets = (lesions["pathology"] == "malignant").to_numpy()
    return match_detections(
        views.drop(columns="pixel_mm"),
        lesions.drop(columns="pixel_mm"),
        marks.drop(columns="pixel_mm"),
        type=type,
        targets=targets,
        hit=hit,
        minimum_radius_mm=minimum_radius_mm,
        minimum_iou=minimum_iou,
        elsewhere=elsewhere,
    )


def _failed(found: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """Keys of the exams that could not be searched."""
    import pandas as pd

    errors = pd.DataFrame(found.attrs.get("errors", []), columns=[*KEYS])
    return frozenset(id_columns(errors, KEYS).itertuples(index=False, name=None))


def _views(marked: AnnotatedCohort, failed: frozenset[tuple[str, str]]) -> pd.DataFrame:
    """The views that were searched, with their spacing and the columns of their exam."""
    import pandas as pd

    cohort = marked.cohort
    if not cohort.has_images:
        raise CohortError("the cohort has no images", where="marked")
    exams = cohort.exams.assign(**id_columns(cohort.exams, KEYS))
    if exams.duplicated([*KEYS]).any():
        raise EvaluationError(
            "an exam of a woman is in the cohort twice",
            where="marked",
            remedy="Give each exam its own exam_id.",
        )
    rows: list[dict[Hashable, Any]] = []
    for number, exam in enumerate(exams.to_dict("records")):
        if (exam["patient_id"], exam["exam_id"]) in failed:
            continue
        try:
            views = cohort.open_row(number)
        except CohortError:
            # A row in error is not searched.
            continue
        rows.extend(
            {
                **exam,
                "view": view.name,
                "pixel_mm": np.nan if view.pixel_mm is None else view.pixel_mm,
            }
            for view in views
        )
    columns = [*KEYS, "view", "pixel_mm"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _with_spacing(
    table: pd.DataFrame, views: pd.DataFrame, failed: frozenset[tuple[str, str]], where: str
) -> pd.DataFrame:
    """Rows with the spacing of their view. Those of exams that were not searched are left out."""
    import pandas as pd

    keys = [*KEYS, "view"]
    searched = ~pd.MultiIndex.from_frame(table[list(KEYS)]).isin(list(failed))
    table = table[searched].reset_index(drop=True)
    known, ours = (pd.MultiIndex.from_frame(one[keys]) for one in (views, table))
    places = known.get_indexer(ours)
    if lost := int((places < 0).sum()):
        raise EvaluationError(
            f"{lost} of {len(table)} rows are in exams or views that the cohort does not have",
            where=where,
            remedy="Search the cohort of the marked lesions: mr.find(marked.cohort).",
        )
    return table.assign(pixel_mm=views["pixel_mm"].to_numpy(dtype=np.float64)[places])
