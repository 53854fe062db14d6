"""Lesions are where the table says, the same in both views, in files and in arrays."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import SimulationError
from mammorisk.imaging.windowing import to_display
from mammorisk.simulation import ExamRenderer, LesionOptions, Study, StudyOptions, render_exam
from mammorisk.simulation.calcifications import specks
from mammorisk.simulation.distractors import draw_detail
from mammorisk.simulation.exam_folders import write_exam_of
from mammorisk.simulation.exam_images import picture_of
from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.exam_scene import scene_of
from mammorisk.simulation.lesion_shapes import curves, shadow
from mammorisk.simulation.lesion_table import depth
from mammorisk.simulation.lesions import TYPES, Lesion, draw_lesions

OPTIONS = StudyOptions(
    n=1000,
    seed=12,
    pixel_mm=0.8,
    vendors=("birch",),
    lesions={"mass": 0.8, "calcification": 0.8, "asymmetry": 1.6, "distortion": 0.8},
)
RATES = LesionOptions(mass=0.9, calcification=0.9, asymmetry=0.9, distortion=0.9)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.concat(
        [ExamRenderer(OPTIONS, woman).lesions() for woman in range(4)], ignore_index=True
    )


@pytest.fixture(scope="module")
def drawn() -> list[Lesion]:
    return [
        lesion
        for woman in range(400)
        for lesion in draw_lesions([1, 2, woman], f"SIM-{woman}", RATES, prior=False)
    ]


def lesion(**fields: Any) -> Lesion:
    given: dict[str, Any] = {
        "lesion_id": "a",
        "type": "mass",
        "side": "L",
        "place": (0.5, 0.2, 0.1),
        "size_mm": 12.0,
        "visibility": 1.5,
        "views": ("CC", "MLO"),
        "pathology": "benign",
        "shape": "oval",
        "margin": "circumscribed",
        "seed": 3,
    }
    return Lesion(**(given | fields))


def test_the_change_of_the_pixels_is_in_the_boxes() -> None:
    seen = set()
    for woman in (1, 2):
        plan = plan_exam(OPTIONS, woman)
        scene = scene_of(plan, 3.0)
        rows = ExamRenderer(OPTIONS, woman).lesions()
        for number, one in enumerate(plan.views):
            with_lesions = picture_of(plan, scene, number, pixel_mm=0.8).pixels.astype(float)
            bare = replace(scene, views=tuple(replace(v, lesions=()) for v in scene.views if v))
            change = np.abs(with_lesions - picture_of(plan, bare, number, pixel_mm=0.8).pixels)
            if one.side == "R":
                change = change[:, ::-1]
            here = rows[(rows["laterality"] == one.side) & (rows["view"] == one.view)]
            # The processing of large areas changes by a few grey levels further away.
            change = np.where(change > 0.01 * 2**plan.vendor.bits, change, 0)
            near = np.zeros(change.shape, dtype=bool)
            for row in here.itertuples():
                # Strands and retraction reach beyond a mass.
                more = round(0.6 * row.size_mm / 0.8) if row.type != "calcification" else 2
                near[
                    max(row.row_min_px - more, 0) : row.row_max_px + more,
                    max(row.col_min_px - more, 0) : row.col_max_px + more,
                ] = True
                box = change[row.row_min_px : row.row_max_px, row.col_min_px : row.col_max_px]
                assert box.max() > 0
                seen.add(row.type)
            assert change[near].sum() >= 0.9 * change.sum()
    assert seen == set(TYPES)


def test_both_views_show_one_lesion(table: pd.DataFrame) -> None:
    same = ["type", "quadrant", "pathology", "x_mm", "y_mm", "z_mm", "n_views"]
    for _, rows in table.groupby("lesion_id"):
        assert len(rows) == rows["n_views"].iloc[0]
        assert (rows[same].nunique() == 1).all()
        assert rows["speck_rows_px"].map(len).nunique() == 1
    assert table.loc[table["n_views"] == 1, "type"].eq("asymmetry").all()
    assert table["depth"].between(0, 1).all()
    assert (table["speck_rows_px"].map(len) > 0).eq(table["type"] == "calcification").all()
    inside = table[["centre_row_px", "row_min_px", "row_max_px"]].to_numpy().T
    assert ((inside[0] >= inside[1]) & (inside[0] < inside[2])).all()


def test_places_and_contrasts_do_not_depend_on_the_spacing(table: pd.DataFrame) -> None:
    coarse = ExamRenderer(OPTIONS, 2).lesions(1.0)
    fine = ExamRenderer(OPTIONS, 2).lesions(0.25)
    assert len(coarse) > 0
    for name in ("width_mm", "size_mm", "contrast", "mask_area_mm2", "depth", "x_mm"):
        np.testing.assert_allclose(coarse[name], fine[name], rtol=1e-6)
    at = (fine["centre_row_px"] + 0.5) * 0.25 - (coarse["centre_row_px"] + 0.5)
    assert at.abs().max() < 1e-6


def test_files_show_what_the_arrays_show(tmp_path: Path) -> None:
    exam = render_exam(OPTIONS, 1)
    read = mr.read_exam(write_exam_of(OPTIONS, 1, tmp_path))
    for view in exam.views:
        shown = to_display(read[f"{view.laterality}-{view.view}"].load())
        assert np.corrcoef(shown.ravel(), view.pixels.ravel().astype(float))[0, 1] > 0.9999


def test_a_part_is_that_of_the_whole() -> None:
    exam = ExamRenderer(OPTIONS, 1)
    for side, part in (
        ("L", (slice(94, 156), slice(None, 75))),
        ("R", (slice(94, 156), slice(156, 218))),
    ):
        whole = exam.view(side, "MLO").pixels[part].astype(float)
        alone = exam.view(side, "MLO", part=part).pixels.astype(float)
        assert np.corrcoef(whole.ravel(), alone.ravel())[0, 1] > 0.985
        assert alone.mean() == pytest.approx(whole.mean(), rel=0.02)


def test_lesions_are_drawn_as_published(drawn: list[Lesion]) -> None:
    rows = pd.DataFrame([vars(one) for one in drawn])
    counts = rows["type"].value_counts()
    assert (counts / 400).between(0.7, 1.0).all()
    masses = rows[rows["type"] == "mass"]
    assert 11 <= masses["size_mm"].median() <= 16
    assert abs(np.log(masses["size_mm"]).skew()) < 0.5
    places = np.stack(rows["place"].to_numpy())
    outer = (places[:, 1] > 0) & (places[:, 2] > 0)
    assert 0.45 <= outer.mean() <= 0.7
    assert (np.linalg.norm(places, axis=1) < 0.9).all()
    worse = masses[masses["margin"] == "spiculated"]["pathology"].eq("malignant").mean()
    assert worse > masses[masses["margin"] == "circumscribed"]["pathology"].eq("malignant").mean()
    assert not ((masses["shape"] == "irregular") & (masses["margin"] == "circumscribed")).any()
    few = rows[rows["views"].map(len) == 1]
    assert set(few["type"]) == {"asymmetry"}


def test_a_type_does_not_depend_on_the_rates_of_others() -> None:
    alone = LesionOptions(mass=0.9)
    for woman in range(30):
        both = draw_lesions([1, 2, woman], "a", RATES, prior=False)
        masses = tuple(one for one in both if one.type == "mass")
        assert masses == draw_lesions([1, 2, woman], "a", alone, prior=False)


def test_a_prior_exam_shows_the_same_lesions_smaller_or_not_at_all() -> None:
    options = RATES.model_copy(update={"malignant": 1.0})
    absent = smaller = same = 0
    for woman in range(150):
        now = {one.lesion_id: one for one in draw_lesions([1, woman], "a", options, prior=False)}
        before = {one.lesion_id: one for one in draw_lesions([1, woman], "a", options, prior=True)}
        assert set(before) <= set(now)
        absent += len(now) - len(before)
        for name, one in before.items():
            assert one.place == now[name].place
            assert one.size_mm <= now[name].size_mm
            same += one == now[name]
            smaller += one.visibility < now[name].visibility
    assert min(absent, smaller) > 3 * same > 0
    grown = lesion(type="calcification", morphology="round", distribution="grouped", margin=None)
    younger = specks(replace(grown, grown=0.5), (1.0, 0.0, 0.0)).speck_centres()
    older = specks(grown, (1.0, 0.0, 0.0)).speck_centres()
    np.testing.assert_array_equal(younger, older[: len(younger)])
    assert len(younger) < len(older)


def test_margins_and_distributions_differ_in_form() -> None:
    edge = {}
    for margin in ("circumscribed", "indistinct"):
        form = shadow(lesion(margin=margin, shape="round"), "CC").image
        edge[margin] = np.abs(np.gradient(form / form.max())[0]).max()
    assert edge["circumscribed"] > 1.15 * edge["indistinct"]
    assert curves(lesion()) == ()
    for one in (lesion(margin="spiculated"), lesion(type="distortion", size_mm=30.0)):
        strands = curves(one)
        assert 6 <= len(strands) <= 28
        lengths = np.array(
            [np.linalg.norm(np.diff(s.points, axis=0), axis=1).sum() for s in strands]
        )
        chords = np.array([np.linalg.norm(s.points[-1] - s.points[0]) for s in strands])
        # Uneven and curved, unlike a printed star.
        assert lengths.std() > 0.15 * lengths.mean()
        assert (lengths / chords).mean() > 1.005
    spread = {}
    for distribution, size in (("linear", 25.0), ("segmental", 25.0), ("regional", 25.0)):
        one = lesion(
            type="calcification", morphology="round", distribution=distribution, size_mm=size
        )
        places = specks(one, (1.0, 0.0, 0.0)).speck_centres()
        spread[distribution] = places[:, 1:].std() / places[:, 0].std()
    assert spread["linear"] < spread["segmental"] < spread["regional"]


def test_the_nipple_is_on_the_border_of_the_breast(table: pd.DataFrame) -> None:
    assert table["nipple_row_px"].notna().all()
    exam = ExamRenderer(OPTIONS, 1)
    for side in "LR":
        view = exam.view(side, "CC")
        row, column = (round(v) for v in view.nipple_px)
        outwards = 1 if side == "L" else -1
        assert view.pixels[row, column - 5 * outwards] > 0
        assert view.pixels[row, column + 10 * outwards] == 0
        rows = table[(table["exam_id"] == exam.exam_id) & (table["laterality"] == side)]
        rows = rows[rows["view"] == "CC"]
        assert (rows["nipple_col_px"] == view.nipple_px[1]).all()


def test_depth_is_measured_from_the_nipple() -> None:
    for view in plan_exam(OPTIONS, 0).views:
        assert depth(view.outline, view.view, (1.0, 0.0, 0.0)) == pytest.approx(0, abs=1e-9)
        deep = [depth(view.outline, view.view, (xi, 0.0, 0.0)) for xi in (0.8, 0.5, 0.2)]
        assert deep == sorted(deep)
        if view.view == "CC":
            assert depth(view.outline, "CC", (0.0, 0.0, 0.0)) == pytest.approx(1, abs=0.05)


def test_every_detailed_exam_has_distractors_and_no_other_exam() -> None:
    normal = StudyOptions(n=10, seed=12, lesions={"distractors": True})
    plan = plan_exam(normal, 1)
    assert plan.lesions == ()
    assert set(plan.detail) == {"L", "R"}
    assert plan_exam(normal, 1, prior=True).detail["L"].distractors == plan.detail["L"].distractors
    assert ExamRenderer(normal, 1).lesions().empty
    plain = StudyOptions(n=10, seed=12)
    assert plan_exam(plain, 1).detail == {}
    assert scene_of(plan_exam(plain, 1), 3.0).views == (None,) * 4
    things = [thing for i in range(60) for thing in draw_detail([5, i], "L", 65.0, 1.0).distractors]
    kinds = pd.Series([thing.kind for thing in things]).value_counts()
    assert {"single speck", "arterial", "skin calcifications", "lymph node"} <= set(kinds.index)
    assert kinds["single speck"] > 60
    strands = draw_detail([5, 1], "L", 65.0, 1.0)
    for points in (strands.vessels.points, strands.ligaments.points):
        steps = np.diff(points, axis=1)
        steps /= np.maximum(np.linalg.norm(steps, axis=2, keepdims=True), 1e-12)
        turn = (steps[:, 1:] * steps[:, :-1]).sum(axis=2)
        # Curves and not zigzags: hardly any step turns by more than 35 degrees.
        assert (turn > np.cos(np.deg2rad(35))).mean() > 0.97


def test_true_is_a_mixture_and_the_default_is_none(tmp_path: Path) -> None:
    assert StudyOptions(n=5, lesions=True).lesions == LesionOptions.mixed()
    assert not StudyOptions(n=5, lesions=False).lesions.detailed
    options: dict[str, Any] = {
        "seed": 4,
        "out": tmp_path / "s",
        "images": 2,
        "pixel_mm": 2.0,
        "lesions": {"mass": 2.0},
        "prior_share": 1,
        # No regression on a reference sample is needed where nothing has an effect.
        "effects": {"questionnaire": 0, "density_hr": 1, "texture_hr": 1, "asymmetry_hr": 1},
    }
    study = mr.simulate(40, **options)
    table = study.lesions
    assert table is not None
    rendered = study.cohort.exams
    shown = set(rendered["exam_id"]) | set(rendered["prior_exam_id"].dropna())
    assert set(table["exam_id"]) <= shown
    assert (table["type"] == "mass").all()
    assert Study(options=StudyOptions(n=5), folder=tmp_path).lesions is None
    # Resumed as after an interruption: what is there is not rendered again.
    exams = sorted((tmp_path / "s" / "exams").iterdir())
    shutil.rmtree(exams[0])
    for name in ("lesions.parquet", "manifest.parquet"):
        (tmp_path / "s" / name).unlink()
    before = [exam.stat().st_mtime_ns for exam in exams[1:]]
    pd.testing.assert_frame_equal(mr.simulate(40, **options).lesions, table)
    assert [exam.stat().st_mtime_ns for exam in exams[1:]] == before
    assert not (tmp_path / "s" / "lesion_rows").exists()


def test_what_a_study_does_not_have_is_refused() -> None:
    with pytest.raises(SimulationError, match="no woman 1000"):
        ExamRenderer(OPTIONS, 1000)
    for part in ((slice(5, 5), slice(0, 4)), (slice(0, 4, 2), slice(0, 4)), (slice(0, 4),)):
        with pytest.raises(SimulationError, match="part: "):
            ExamRenderer(OPTIONS, 1).view("L", "CC", part=part)  # type: ignore[arg-type]
    with pytest.raises(SimulationError, match="no such side"):
        render_exam(OPTIONS, 1, laterality="left")
    exam = ExamRenderer(OPTIONS, 1)
    with pytest.raises(SimulationError, match="no such view"):
        exam.view("L", "ML")
    with pytest.raises(SimulationError, match="out of range"):
        exam.view("L", "CC", pixel_mm=0.01)
