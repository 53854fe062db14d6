"""Findings of a cohort against marked lesions: places in mm, groups, and views without spacing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mammorisk.errors import CohortError, EvaluationError
from mammorisk.findings.annotated import AnnotatedCohort
from mammorisk.findings.compare import match_findings
from mammorisk.metrics import froc_curve, froc_table
from mammorisk.records.cohort import Cohort

VIEWS = ("L-CC", "L-MLO", "R-CC", "R-MLO")


def _marked(spacing: float | None = 0.1, **columns: Any) -> AnnotatedCohort:
    exams = pd.DataFrame(
        {"patient_id": ["a", "b"], "exam_id": ["ea", "eb"], "breast_density": ["b", "d"]}
    )
    cohort = Cohort(
        exams=exams,
        errors=pd.Series(["", ""]),
        open_exam=lambda row: [SimpleNamespace(name=name, pixel_mm=spacing) for name in VIEWS],  # type: ignore[arg-type, return-value]
    )
    rows = [
        ("a", "ea", "L", "CC", "mass", 100, 200, 100, 300, "malignant"),
        ("a", "ea", "L", "MLO", "calcification", 500, 520, 500, 520, "benign"),
    ]
    names = ["patient_id", "exam_id", "laterality", "view", "type"]
    names += ["row_min_px", "row_max_px", "col_min_px", "col_max_px", "pathology"]
    return AnnotatedCohort(
        cohort=cohort, lesions=pd.DataFrame(rows, columns=names).assign(**columns)
    )


def _found() -> pd.DataFrame:
    rows = [
        ("a", "ea", "L-CC", "mass", 0.9, (140, 160, 190, 210)),
        ("a", "ea", "L-MLO", "calcification", 0.8, (540, 560, 500, 520)),
        ("b", "eb", "R-CC", "mass", 0.5, (1, 21, 1, 21)),
    ]
    return pd.DataFrame(rows, columns=["patient_id", "exam_id", "view", "type", "score", "box_px"])


def test_places_are_compared_in_mm() -> None:
    made = match_findings(_marked(), _found())
    # The second is 4 mm away: within 5 mm.
    assert made.lesions["score"].tolist() == [0.9, 0.8]
    assert made.lesions["radius_mm"].tolist() == [10.0, 1.0]
    assert len(made.views) == 8
    assert len(made.false_positives) == 1
    strict = match_findings(_marked(), _found(), minimum_radius_mm=3.0)
    assert strict.lesions["score"].tolist() == [0.9, -np.inf]
    assert match_findings(_marked(0.2), _found()).lesions["score"].tolist() == [0.9, -np.inf]
    assert froc_curve(made).false_positives_per_normal_exam[-1] == 1


def test_types_pathology_and_groups() -> None:
    masses = match_findings(_marked(), _found(), type="mass")
    assert (len(masses.lesions), len(masses.false_positives)) == (1, 1)
    malignant = match_findings(_marked(), _found(), malignant=True)
    assert malignant.lesions["type"].tolist() == ["mass"]
    assert len(malignant.false_positives) == 2
    table = froc_table(match_findings(_marked(), _found()), by="breast_density", resamples=5)
    assert table["group"].unique().tolist() == ["b"]
    with pytest.raises(EvaluationError, match="no lesion has a pathology"):
        match_findings(_marked(pathology=None), _found(), malignant=True)


def test_boxes_need_no_spacing() -> None:
    with pytest.raises(EvaluationError, match="spacing of 2 views is not known"):
        match_findings(_marked(None), _found())
    made = match_findings(_marked(None), _found(), hit="iou", minimum_iou=0.01)
    assert made.lesions["score"].tolist() == [0.9, -np.inf]


def test_exams_that_could_not_be_read() -> None:
    found = _found()
    found = found[found["exam_id"] != "eb"].copy()
    found.attrs["errors"] = [{"patient_id": "b", "exam_id": "eb", "what": "truncated"}]
    made = match_findings(_marked(), found)
    assert len(made.views) == 4
    assert made.false_positives.empty
    nothing = match_findings(_marked(), _found()[:0])
    assert nothing.lesions["score"].tolist() == [-np.inf] * 2
    marked = _marked()
    without = replace(marked, cohort=replace(marked.cohort, open_exam=None))
    with pytest.raises(CohortError, match="no images"):
        match_findings(without, _found())


def test_no_row_is_lost_silently_and_ids_are_compared_as_text() -> None:
    other = _found().assign(exam_id=["ea", "ea", "ec"])
    with pytest.raises(EvaluationError, match="1 of 3 rows are in exams or views") as told:
        match_findings(_marked(), other)
    assert "ec" not in str(told.value)
    few = _marked()
    seen = [SimpleNamespace(name=name, pixel_mm=0.1) for name in VIEWS[:1]]
    opened = replace(few, cohort=replace(few.cohort, open_exam=lambda row: seen))  # type: ignore[arg-type, return-value]
    with pytest.raises(EvaluationError, match="1 of 2 rows are in exams or views") as told:
        match_findings(opened, _found()[:1])
    assert told.value.where == "lesions"
    # Numbers in the manifest, text in the table of findings, and an exam that failed.
    numbers = {"ea": 1, "eb": 2}
    exams = few.cohort.exams.assign(exam_id=[1, 2])
    lesions = few.lesions.assign(exam_id=few.lesions["exam_id"].map(numbers).astype(float))
    marked = AnnotatedCohort(cohort=replace(few.cohort, exams=exams), lesions=lesions)
    found = _found().assign(exam_id=["1", "1", "2"])
    assert match_findings(marked, found).lesions["score"].tolist() == [0.9, 0.8]
    found = found[:2]
    found.attrs["errors"] = [{"patient_id": "b", "exam_id": 2}]
    assert len(match_findings(marked, found).views) == 4


def test_an_exam_that_is_twice_in_the_cohort_is_refused() -> None:
    marked = _marked()
    exams = marked.cohort.exams.assign(patient_id="a", exam_id="ea")
    twice = replace(marked, cohort=replace(marked.cohort, exams=exams))
    with pytest.raises(EvaluationError, match="in the cohort twice"):
        match_findings(twice, _found()[:2])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("laterality", "left", "laterality left"),
        ("view", "L-CC", "view L-CC"),
        ("view", None, "view None"),
        ("type", "lump", "type lump"),
        ("exam_id", "ec", "2 of 2 rows are of exams"),
        ("patient_id", "b", "2 of 2 rows are of exams"),
    ],
)
def test_lesions_are_of_views_of_the_cohort(column: str, value: str, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        _marked(**{column: value})
