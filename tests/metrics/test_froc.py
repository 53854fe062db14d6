"""Detection of lesions: agreement with MONAI, counts by hand, groups and intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk.metrics as metrics
from mammorisk.errors import EvaluationError
from mammorisk.metrics import (
    Detections,
    breast_auc,
    example_findings,
    froc_curve,
    froc_sensitivity,
    froc_table,
    localisation_auc,
    match_detections,
    mean_froc_sensitivity,
    normal_false_positives,
)
from mammorisk.records.outcome import Outcome

MONAI = json.loads(
    (Path(__file__).parents[1] / "data" / "evaluation" / "froc_monai.json").read_text()
)
VIEW = ["patient_id", "exam_id", "view"]


def _tables(case: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Each view of the case as the view of another woman; a pixel is 1 mm."""

    def keys(number: pd.Series) -> pd.DataFrame:
        name = number.astype(int).astype(str)
        return pd.DataFrame({"patient_id": "p" + name, "exam_id": "e" + name, "view": "L-CC"})

    lesions = pd.DataFrame(case["lesions"], columns=["at", "id", "row_mm", "col_mm", "radius_mm"])
    marks = pd.DataFrame(case["marks"], columns=["at", "row_mm", "col_mm", "score"])
    return (
        keys(pd.Series(range(case["n_views"]))),
        pd.concat([keys(lesions["at"]), lesions.drop(columns="at")], axis=1),
        pd.concat([keys(marks["at"]), marks.drop(columns="at")], axis=1),
    )


@pytest.mark.parametrize("case", MONAI["cases"], ids=lambda case: str(case["n_views"]))
def test_the_curve_agrees_with_monai(case: dict[str, Any]) -> None:
    curve = froc_curve(match_detections(*_tables(case)))
    # MONAI leaves out the lowest score, which is that of missed lesions, if there are any.
    end = None if case["has_missed"] else -1
    np.testing.assert_allclose(curve.false_positives[:end], case["false_positives"][::-1])
    np.testing.assert_allclose(curve.sensitivity[:end], case["sensitivity"][::-1])
    if case["has_missed"]:
        assert curve.mean_sensitivity(MONAI["rates"]) == pytest.approx(case["score"])


def _table(rows: list[tuple[Any, ...]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*VIEW, *columns])


@pytest.fixture(scope="module")
def small() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A woman with two lesions, one of them in two views, and a woman without."""
    views = _table([(p, "e", v) for p in ("a", "b") for v in ("L-CC", "L-MLO", "R-CC", "R-MLO")])
    lesions = _table(
        [
            ("a", "e", "L-CC", "1", "mass", 50.0, 50.0, 10.0),
            ("a", "e", "L-MLO", "1", "mass", 80.0, 40.0, 10.0),
            ("a", "e", "L-CC", "2", "calcification", 50.0, 90.0, 2.0),
        ],
        *("lesion_id", "type", "row_mm", "col_mm", "radius_mm"),
    )
    found = _table(
        [
            ("a", "e", "L-CC", "mass", 0.9, 59.9, 50.0),
            ("a", "e", "L-CC", "mass", 0.95, 50.0, 60.1),  # Just outside.
            ("a", "e", "L-CC", "mass", 0.5, 50.0, 50.0),  # A second mark on the lesion.
            ("a", "e", "L-CC", "mass", 0.4, 50.0, 94.9),  # On the other lesion, within 5 mm.
            ("b", "e", "R-CC", "mass", 0.3, 10.0, 10.0),
            ("b", "e", "R-MLO", "calcification", 0.7, 10.0, 10.0),
        ],
        *("type", "score", "row_mm", "col_mm"),
    )
    return views, lesions, found


def _counts(found: Detections) -> tuple[list[float], list[float]]:
    return (
        found.lesions["score"].tolist(),
        sorted(found.false_positives["score"].tolist(), reverse=True),
    )


def test_hits_by_hand(small: tuple[pd.DataFrame, ...]) -> None:
    views, lesions, found = small
    every = match_detections(views, lesions, found)
    assert _counts(every) == ([0.9, -np.inf, 0.4], [0.95, 0.7, 0.3])
    masses = match_detections(views, lesions, found, type="mass")
    assert _counts(masses) == ([0.9, -np.inf], [0.95, 0.4, 0.3])
    ignored = match_detections(views, lesions, found, type="mass", elsewhere="ignore")
    assert _counts(ignored) == ([0.9, -np.inf], [0.95, 0.3])
    narrow = match_detections(views, lesions, found, minimum_radius_mm=1.0)
    assert _counts(narrow)[0] == [0.9, -np.inf, -np.inf]
    chosen = match_detections(views, lesions, found, targets=np.array([False, False, True]))
    assert _counts(chosen) == ([0.4], [0.95, 0.9, 0.7, 0.5, 0.3])


def test_the_curve_by_hand(small: tuple[pd.DataFrame, ...]) -> None:
    masses = match_detections(*small, type="mass")
    curve = froc_curve(masses)
    assert curve.threshold.tolist() == [np.inf, 0.95, 0.9, 0.4, 0.3]
    assert curve.sensitivity.tolist() == [0, 0, 0.5, 0.5, 0.5]
    assert curve.false_positives.tolist() == [0, 1 / 8, 1 / 8, 2 / 8, 3 / 8]
    assert curve.false_positives_per_normal_exam.tolist() == [0, 0, 0, 0, 1]
    assert curve.threshold_at(0.25) == 0.4
    assert curve.sensitivity_at(0.0625) == 0.0
    # The lesion counts once: it is found in one of its two views.
    assert froc_curve(masses, per="lesion").sensitivity.tolist() == [0, 0, 1, 1, 1]
    assert normal_false_positives(masses, 0.3).value == 1
    assert normal_false_positives(masses, 0.31).value == 0


def test_areas_by_hand(small: tuple[pd.DataFrame, ...]) -> None:
    found = match_detections(*small)
    # Normal views: highest false positives none, none, 0.3, 0.7; lesions 0.9, none, 0.4.
    assert localisation_auc(found).value == pytest.approx((4 + 1 + 3) / 12)
    # The only normal exam has 0.7; the two lesions have 0.9 and 0.4.
    assert localisation_auc(found, per="lesion").value == 0.5
    # The left breast of a has 0.95; the others have none, none, 0.7.
    assert breast_auc(found).value == 1.0
    masses = match_detections(*small, type="mass")
    assert masses.breast_scores()["has_target"].tolist() == [True, False, False, False]


def test_boxes(small: tuple[pd.DataFrame, ...]) -> None:
    box = ["row_min_px", "row_max_px", "col_min_px", "col_max_px"]
    views = small[0]
    lesions = _table([("a", "e", "L-CC", 10, 20, 10, 20)], *box)
    # Shifted by 5 rows: 50 of 150 pixels are common.
    found = _table([("a", "e", "L-CC", 15, 25, 10, 20, 0.5)], *box, "score")
    for least, is_hit in ((0.33, True), (0.34, False)):
        made = match_detections(views, lesions, found, hit="iou", minimum_iou=least)
        assert np.isfinite(made.lesions["score"]).tolist() == [is_hit]
    with pytest.raises(EvaluationError, match="hit='iou'"):
        match_detections(views, lesions, found)


def test_short_names_of_views(small: tuple[pd.DataFrame, ...]) -> None:
    views, lesions, found = small
    short = lesions.assign(laterality="L", view=lesions["view"].str[2:])
    assert _counts(match_detections(views, short, found)) == _counts(match_detections(*small))


def test_what_cannot_be_compared(small: tuple[pd.DataFrame, ...]) -> None:
    views, lesions, found = small
    with pytest.raises(EvaluationError, match="not among the views searched"):
        match_detections(views[views["patient_id"] == "a"], lesions, found)
    with pytest.raises(EvaluationError, match="given twice"):
        match_detections(pd.concat([views, views]), lesions, found)
    with pytest.raises(EvaluationError, match="score are missing"):
        match_detections(views, lesions, found.assign(score=np.nan))
    with pytest.raises(EvaluationError, match="one boolean"):
        match_detections(views, lesions, found, targets=np.array([1, 0, 1]))
    nothing = match_detections(views, lesions[:0], found)
    with pytest.raises(EvaluationError, match="no lesions"):
        froc_curve(nothing)
    assert np.isnan(froc_sensitivity(nothing).value)
    assert np.isnan(breast_auc(nothing).value)
    few = froc_sensitivity(match_detections(*small))
    assert few.value == pytest.approx(2 / 3)
    assert np.isnan(few.lower)
    assert few.reason is not None
    assert "3 lesions" in few.reason


@pytest.fixture(scope="module")
def example() -> Detections:
    return match_detections(*example_findings())


def test_women_are_resampled(example: Detections) -> None:
    """Copies of every exam as further exams of the same women add no information."""
    views, lesions, found = example_findings()
    twice = [
        pd.concat([table, table.assign(exam_id=table["exam_id"] + "again")], ignore_index=True)
        for table in (views, lesions, found)
    ]
    copied = match_detections(*twice)
    for measure in (froc_sensitivity, mean_froc_sensitivity, localisation_auc, breast_auc):
        once, again = measure(example, resamples=200), measure(copied, resamples=200)
        assert again.value == pytest.approx(once.value)
        assert again.se == pytest.approx(once.se, rel=1e-6)
        assert once.lower < once.value < once.upper
    # The breast AUC agrees with that of the cohort metrics, and so does its standard error.
    table = example.breast_scores()
    case = table["has_target"].to_numpy()
    outcome = Outcome.binary(case, cluster=table["patient_id"])
    plain = metrics.auc(outcome, table["score"].to_numpy())
    drawn = breast_auc(example)
    assert drawn.value == pytest.approx(plain.value)
    assert drawn.se == pytest.approx(plain.se, rel=0.15)


def test_groups(example: Detections) -> None:
    table = froc_table(example, by="type", resamples=20)
    assert list(table["group"].unique()) == ["calcification", "mass"]
    first = table[table["group"] == "mass"].iloc[0]
    alone = match_detections(*example_findings(), type="mass")
    assert first["value"] == froc_curve(alone).sensitivity_at(0.5)
    # Lesions of one size, false positives of all views: sensitivities average to the whole.
    sizes = froc_table(example, by="size_mm", bins=[0, 12, 1000], resamples=20)
    chosen = sizes[sizes["measure"] == "sensitivity at 0.5 false positives per view"]
    mean = np.average(chosen["value"], weights=chosen["events"].astype(float))
    assert mean == pytest.approx(froc_curve(example).sensitivity_at(0.5), abs=0.01)
    dense = froc_table(example, by="density", resamples=20)
    views = example.views["density"].to_numpy() == "D"
    part = dense[dense["group"] == "D"]
    assert part["n"].iloc[0] == views.sum()
    assert part["value"].iloc[0] == froc_curve(example.take_views(views)).sensitivity_at(0.5)
    with pytest.raises(EvaluationError, match="have a column colour"):
        froc_table(example, by="colour")


def test_the_plot(example: Detections) -> None:
    curve = froc_curve(example)
    ax = curve.plot(label="detector")
    assert [text.get_text() for text in ax.get_xticklabels()] == (
        ["1/8", "1/4", "1/2", "1", "2", "4", "8"]
    )
    (line,) = ax.get_lines()
    assert line.get_ydata()[-1] == curve.sensitivity_at(8)
    assert curve.plot(ax, look=1) is ax
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}) == 2


def test_reader_study_metrics_take_the_scores(example: Detections) -> None:
    table = example.breast_scores()
    curve = metrics.triage_curve(table["has_target"], table["score"])
    assert curve["cancers_missed"].iloc[-1] == 1
    outcome = Outcome.binary(table["has_target"])
    difference = metrics.delong_paired(outcome, table["score"], -table["score"])
    assert difference.value > 0.5
