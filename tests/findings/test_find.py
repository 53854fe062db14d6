"""mr.find: what it finds, where it says that it is, and what it does not hide."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import CohortError, ExamError, UnknownModel
from mammorisk.findings.findings import COLUMNS
from mammorisk.records.exam import Exam, View

pytestmark = pytest.mark.networks
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def found(lesion_exam: Exam) -> mr.Findings:
    return mr.find(lesion_exam)


@pytest.fixture(scope="module")
def lesions(lesion_study: Path) -> pd.DataFrame:
    table = pd.read_parquet(lesion_study / "lesions.parquet")
    return table.assign(name=table["laterality"] + "-" + table["view"])


def test_distortions_and_clusters_are_found_where_they_were_drawn(
    found: mr.Findings, lesions: pd.DataFrame
) -> None:
    table = found.table
    assert list(table.columns) == list(COLUMNS)
    wanted = lesions[lesions["type"].isin(["distortion", "calcification"])]
    hits = 0
    for row in wanted.to_dict("records"):
        mine = table[(table["view"] == row["name"]) & (table["type"] == row["type"])]
        for top, bottom, left, right in mine["box_px"]:
            centre = (top + bottom - 1) / 2, (left + right - 1) / 2
            apart = np.hypot(centre[0] - row["centre_row_px"], centre[1] - row["centre_col_px"])
            if apart * 0.15 <= max(row["size_mm"] / 2, 5):
                hits += 1
                break
    assert hits >= 0.5 * len(wanted) > 0
    assert table["p_malignant"].isna().all()
    assert table["score"].is_monotonic_decreasing


def test_boxes_in_mm_are_those_in_pixels(found: mr.Findings) -> None:
    for one in found.findings:
        assert np.allclose(np.array(one.box_px) * 0.15, one.box_mm, atol=0.01)


def test_pairs_are_in_two_views_of_one_breast(found: mr.Findings) -> None:
    pairs = found.table.dropna(subset=["pair_id"]).groupby("pair_id")["view"]
    assert len(pairs) >= 1
    for _, views in pairs:
        assert len(views) == 2
        assert {view[2:] for view in views} == {"CC", "MLO"}
        assert len({view[0] for view in views}) == 1


def test_result_is_json_and_says_that_the_detector_is_simulated(found: mr.Findings) -> None:
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["simulated"] is True
    assert told["exam_score"] is None
    assert len(told["findings"]) == len(found)
    assert "trained-on-simulated" in {one["code"] for one in told["warnings"]}
    assert len(told["provenance"]["pixels_sha256"]) == 4


def _with(exam: Exam, names: tuple[str, ...], **changes: object) -> Exam:
    views: dict[str, View] = {n: replace(exam[n], **changes) for n in names}  # type: ignore[arg-type]
    return replace(exam, views=views)


@pytest.mark.parametrize("spacing", [None, 0.2])
def test_calcifications_are_not_silently_absent(lesion_exam: Exam, spacing: float | None) -> None:
    found = mr.find(_with(lesion_exam, ("R-CC",), pixel_mm=spacing), minimum_score=0.0)
    assert "calcification" not in set(found.table["type"])
    assert "calcifications-not-searched" in {one.code for one in found.warnings}
    assert found.views[0].types_searched == ("mass", "asymmetry", "distortion")
    assert np.isnan(found.breast_scores.loc["R", "calcification"])
    if spacing is None:
        assert found.table["size_mm"].isna().all()
        assert "spacing-unknown" in {one.code for one in found.warnings}


def test_a_man_is_refused_and_a_flat_field_is_not_searched(lesion_exam: Exam) -> None:
    with pytest.raises(ExamError, match="PatientSex"):
        mr.find(replace(lesion_exam, patient_sex="M"))
    view = lesion_exam["L-MLO"]
    raw = view.load()
    flat = np.full_like(raw.pixels, 2000)
    field = replace(view, load=lambda: replace(raw, pixels=flat))
    found = mr.find(replace(lesion_exam, views={"L-MLO": field}), minimum_score=0.0)
    assert len(found.findings) == 0
    assert {"no-breast", "not-a-breast"} & {one.code for one in found.warnings}


def test_a_view_alone_has_the_scores_of_the_networks(lesion_exam: Exam) -> None:
    from mammorisk.findings.registry import open_detector
    from mammorisk.imaging.segmented_view import segment_view

    detector = open_detector("findings-sim")
    alone = _with(lesion_exam, ("L-MLO",))
    found = mr.find(alone, minimum_score=0.0, model=detector)
    view = detector.prepare(segment_view(alone["L-MLO"]))
    raw = detector.find({"L-MLO": view})["L-MLO"]
    assert [one.score for one in found.findings] == [one.score for one in raw]
    assert all(one.pair_id is None and one.quadrant is None for one in found.findings)


def test_reflected_image_gives_the_reflected_box(lesion_exam: Exam) -> None:
    """A stored image that is upside down is brought upright, and its boxes are turned back."""
    view = lesion_exam["L-MLO"]
    raw = view.load()
    turned = replace(raw, pixels=np.ascontiguousarray(raw.pixels[::-1, ::-1]))
    orientation = None if view.orientation is None else view.orientation.opposite()
    upside = replace(view, load=lambda: turned, orientation=orientation)
    first = mr.find(_with(lesion_exam, ("L-MLO",)), minimum_score=0.05)
    second = mr.find(replace(lesion_exam, views={"L-MLO": upside}), minimum_score=0.05)
    assert "turned" in {one.code for one in second.warnings}
    rows, columns = raw.pixels.shape
    top, bottom, left, right = first.findings[0].box_px
    reflected = np.array([rows - bottom, rows - top, columns - right, columns - left])
    assert np.abs(reflected - np.array(second.findings[0].box_px)).max() <= 4


def test_plot_shows_each_finding(found: mr.Findings) -> None:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    assert found.plot(ax) is ax
    assert len(ax.patches) == len(found)
    # There is room for identifiers alone. They cover no other, and no view's name is cut off.
    figure.canvas.draw()
    small = {text.get_text(): text.get_window_extent() for text in ax.texts}
    ids = [small[one.finding_id] for one in found.findings]
    assert not any(a.overlaps(b) for i, a in enumerate(ids) for b in ids[:i])
    assert all(small[view.name].y1 <= ax.get_window_extent().y1 for view in found.views)
    plt.close(figure)
    large = found.plot()
    texts = [text.get_text() for text in large.texts]
    for one in found.findings:
        assert f"{one.finding_id} {one.type} {one.score:.2f}" in texts
    plt.close(large.figure)


def test_labels_avoid_boxes_and_stay_in_their_view(found: mr.Findings) -> None:
    import matplotlib.pyplot as plt

    (first, *_) = found.findings
    (view,) = (one for one in found.views if one.name == first.view)
    width = view.columns

    def at(name: str, top: int, left: int) -> object:
        box = (top, top + 150, left, left + 150)
        return replace(first, finding_id=name, box_px=box)

    # A box directly above another, one at the top, one at the nipple side of a left view.
    boxes = [at("F1", 600, 100), at("F2", 755, 100), at("F3", 0, 300), at("F4", 300, width - 160)]
    ax = replace(found, findings=tuple(boxes)).plot()
    figure = ax.figure
    figure.canvas.draw()
    labels = {text.get_text()[:2]: text for text in ax.texts if text.get_text()[:1] == "F"}
    assert len(labels) == 4
    extents = {name: text.get_window_extent() for name, text in labels.items()}
    frames = [patch.get_window_extent() for patch in ax.patches]
    assert not any(label.overlaps(frame) for label in extents.values() for frame in frames)
    axes = ax.get_window_extent()
    assert all(axes.x0 <= each.x0 and each.x1 <= axes.x1 for each in extents.values())
    assert all(axes.y0 <= each.y0 and each.y1 <= axes.y1 for each in extents.values())
    plt.close(figure)


def test_a_cohort_tells_of_every_exam(lesion_exam: Exam) -> None:
    """Exams of different women may have one exam_id; no error stops the cohort or is lost."""
    coarse = _with(lesion_exam, ("R-CC",), pixel_mm=None)

    def opener(row: int) -> Exam:
        if row == 1:
            raise ExamError("truncated", where="L-CC", remedy="Copy it again.")
        if row == 2:
            raise ValueError("Smith^Jane.dcm")
        return coarse

    exams = pd.DataFrame({"patient_id": ["a", "b", "c"], "exam_id": [1, 1, 1]})
    cohort = mr.Cohort(exams=exams, errors=pd.Series([""] * 3), open_exam=opener)
    found = mr.find(cohort, minimum_score=1.0)
    assert found.empty
    first, second = found.attrs["errors"]
    assert (first["patient_id"], first["what"], first["where"]) == ("b", "truncated", "L-CC")
    assert first["remedy"] == "Copy it again."
    assert (second["patient_id"], second["exam_id"]) == ("c", 1)
    assert "ValueError" in second["what"]
    (exam,) = found.attrs["exams"]
    assert exam["patient_id"] == "a"
    assert "calcifications-not-searched" in exam["warning_codes"].split(",")
    assert "pixel spacing unknown" in exam["warnings"]
    assert "Smith" not in json.dumps(found.attrs)


def test_command_prints_json_and_writes_files(lesion_study: Path, tmp_path: Path) -> None:
    (exam,) = [path for path in (lesion_study / "exams").iterdir() if path.is_dir()]
    out = tmp_path / "found.csv"
    done = CliRunner().invoke(
        app, ["find", str(exam), "--json", "--out", str(out), "--plot", str(tmp_path / "f.png")]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    table = pd.read_csv(out)
    assert len(table) == len(told["findings"])
    assert table["row_min_px"].tolist() == [one["box_px"][0] for one in told["findings"]]
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_unsuitable_input_is_refused() -> None:
    with pytest.raises(CohortError, match="int"):
        mr.find(3)  # type: ignore[call-overload]
    with pytest.raises(UnknownModel, match="no-such"):
        mr.find("somewhere", model="no-such")
