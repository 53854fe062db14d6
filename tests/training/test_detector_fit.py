"""Fits of detectors on annotated exams: they learn, resume, are saved, and are split by woman."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import CohortError, PixelError, RecipeError, TrainingError
from mammorisk.findings import AnnotatedCohort

pytestmark = pytest.mark.networks
torch = pytest.importorskip("torch")

TINY = {"maps__lesion_steps": 2, "maps__speck_steps": 0, "maps__lesion_batch": 2}
RCNN = {
    "rcnn__pretrained": False,
    "rcnn__backbone": "resnet18",
    "rcnn__spacing_mm": 1.2,
    "rcnn__warm_up": 5,
    "rcnn__learning_rate": 0.002,
}


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedCohort:
    folder = tmp_path_factory.mktemp("annotated") / "study"
    lesions = {"mass": 2.0, "distortion": 2.0}
    mr.simulate(4, seed=3, out=folder, images="all", pixel_mm=0.8, prior_share=0, lesions=lesions)
    table = pd.read_parquet(folder / "lesions.parquet")
    return AnnotatedCohort(cohort=mr.read_cohort(folder), lesions=table)


def test_fine_tuning_changes_the_network_and_is_saved(
    annotated: AnnotatedCohort, tmp_path: Path
) -> None:
    from mammorisk.findings.registry import open_detector

    start = open_detector("findings-sim")
    out = tmp_path / "tuned"
    tuned = mr.fit(annotated, init=start, out=out, accelerator="cpu", **TINY)
    assert tuned.card.name == "findings-sim-tuned"
    assert tuned.card.simulated
    first, second = start.lesions.state_dict(), tuned.lesions.state_dict()
    assert any(not torch.equal(first[k].float(), second[k].float()) for k in first)
    kept, same = start.specks.state_dict(), tuned.specks.state_dict()
    assert all(torch.equal(kept[k].float(), same[k].float()) for k in kept)
    exam = annotated.cohort.open_exam(0)
    found = mr.find(exam, model=out, minimum_score=0.05)
    direct = mr.find(exam, model=tuned, minimum_score=0.05)
    assert found.model == "findings-sim-tuned"
    # Weights are stored in half precision.
    assert len(found) == pytest.approx(len(direct), abs=3)


def test_card_says_that_the_training_began_on_simulated_exams(annotated: AnnotatedCohort) -> None:
    from mammorisk.findings.recipe import load_findings_recipe
    from mammorisk.findings.registry import open_detector
    from mammorisk.training.findings.fit_detector import _card, _pose

    exams, lesions = (
        table.assign(**{key: "w" + table[key] for key in ("patient_id", "exam_id")})
        for table in (annotated.cohort.exams, annotated.lesions)
    )
    own = replace(annotated, cohort=replace(annotated.cohort, exams=exams), lesions=lesions)
    recipe, start = load_findings_recipe("findings-sim"), open_detector("findings-sim")
    problem = _pose(own, recipe)
    scratch, tuned = _card(problem, recipe, None), _card(problem, recipe, start)
    assert (scratch.simulated, scratch.start_simulated) == (False, False)
    assert (tuned.simulated, tuned.start_simulated) == (False, True)
    assert "began on simulated exams" in tuned.training_data
    # A fit that continues a tuned detector still says so, and so do its results.
    again = replace(start, card=_card(problem, recipe, replace(start, card=tuned)))
    assert again.card.start_simulated
    only = replace(again, card=replace(again.card, types=("mass",)))
    exam = annotated.cohort.open_exam(0)
    found = mr.find(replace(exam, views={"L-CC": exam["L-CC"]}), model=only, minimum_score=0.0)
    assert set(found.table["type"]) == {"mass"}
    assert found.views[0].types_searched == ("mass",)
    (told,) = [one for one in found.warnings if one.code == "trained-on-simulated"]
    assert "began on simulated lesions" in told.text


def test_views_are_kept_by_content_and_who_is_left_out_is_counted(
    annotated: AnnotatedCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mammorisk.findings.recipe import load_findings_recipe
    from mammorisk.training.findings import detector_problem
    from mammorisk.training.findings.fit_detector import _card, _pose, _record

    cohort = annotated.cohort
    opener = cohort.open_exam
    assert opener is not None
    opened = {row: opener(row) for row in range(4)}
    errors = pd.Series(["", "", "the path leads out of the root folder", ""])
    mixed = replace(cohort, errors=errors, open_exam=opened.__getitem__)
    recipe = load_findings_recipe("findings-sim")
    first = _pose(replace(annotated, cohort=mixed), recipe)
    rows = np.array([row for row in range(4) if row != 2])
    assert 2 not in {*first.train, *first.validation}
    opened[1] = replace(opened[1], patient_sex="M")
    shown: list[tuple[int, int]] = []

    @contextmanager
    def bar(*_: object, **__: object) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: shown.append((done, total))

    monkeypatch.setattr(detector_problem, "progress_bar", bar)
    written: list[int] = []
    digests: list[str] = []

    def write(row: int, exam: mr.Exam, file: Path) -> None:
        written.append(row)
        if row == 3:
            raise PixelError("truncated")
        file.touch()

    def keep() -> list[Path]:
        problem = replace(first, train=rows, validation=rows[:0], unused=set())
        kept = detector_problem.keep_views(
            problem, tmp_path / "views", write, digests.append, progress=False
        )
        assert problem.excluded == {
            "the row of the table cannot be used": 1,
            "the header says that the patient is male": 1,
            "the exam cannot be read": 1,
        }
        record = _record(problem, recipe, None)
        assert record["excluded"] == problem.excluded
        # Row 0 alone is left of the three.
        assert (record["exams"], record["validation_exams"]) == (1, 0)
        assert _card(problem, recipe, None).training_data == "1 simulated exams of 1 women"
        first.excluded.clear()
        first.excluded["the row of the table cannot be used"] = 1
        return kept

    assert len(keep()) == 1
    # Exams that are left out are done too.
    assert shown == [(1, 3), (2, 3), (3, 3)]
    assert keep()[0].name.startswith("0-")
    assert written == [0, 3, 3]
    # The row shows another image: its views are written again, and the fit learns of it.
    opened[0] = opener(2)
    keep()
    assert written == [0, 3, 3, 0, 3]
    assert digests[0] == digests[1] != digests[2]


def test_interrupted_fit_goes_on_as_if_it_had_not_been(
    annotated: AnnotatedCohort, tmp_path: Path
) -> None:
    from mammorisk.findings.registry import open_detector
    from mammorisk.imaging.segmented_view import segment_view
    from mammorisk.training.findings.loop import LoopOptions, lesion_loss, train_maps
    from mammorisk.training.findings.sample import make_sample
    from mammorisk.training.findings.views import SampleViews

    exam = annotated.cohort.open_exam(0)
    seen = segment_view(exam["L-CC"])
    made = make_sample(seen, annotated.lesions.iloc[:0], np.random.default_rng(0))
    views = SampleViews(torch.device("cpu"))
    views.add({"L-CC": made[0]}, lesions=True, specks=False)

    def run(place: Path | None, stop_after: int = 99) -> torch.nn.Module:
        net = open_detector("findings-sim").lesions
        options = LoopOptions(steps=2, batch_size=2, save_every=1)
        drawn = 0

        def draw(*args: object) -> object:
            nonlocal drawn
            drawn += 1
            if drawn > stop_after:
                raise KeyboardInterrupt
            return views.lesions.draw(*args)  # type: ignore[arg-type]

        return train_maps(net, draw, lesion_loss, options, checkpoint=place)

    place = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(place, stop_after=1)
    resumed, whole = run(place).state_dict(), run(None).state_dict()
    assert all(torch.allclose(whole[k].float(), resumed[k].float(), atol=1e-6) for k in whole)


@pytest.fixture
def few_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faster R-CNN with 16 regions of interest an image in place of 512, for speed."""
    from mammorisk.networks import fused_rcnn

    small = partial(fused_rcnn.FasterRCNN, box_batch_size_per_image=16, rpn_post_nms_top_n_test=50)
    monkeypatch.setattr(fused_rcnn, "FasterRCNN", small)


@pytest.mark.slow
@pytest.mark.usefixtures("few_regions")
def test_twenty_steps_of_faster_rcnn(annotated: AnnotatedCohort, tmp_path: Path) -> None:
    both = replace(annotated, lesions=annotated.lesions.assign(pathology="malignant"))
    out = tmp_path / "rcnn"
    fitted = mr.fit(both, "lesion-frcnn-2021", out=out, accelerator="cpu", rcnn__steps=20, **RCNN)
    losses = fitted.training["losses"]
    assert np.isfinite(losses).all()
    assert fitted.classes[:2] == ("mass benign", "mass malignant")
    exam = annotated.cohort.open_exam(0)
    found = mr.find(exam, model=out, minimum_score=0.0)
    if len(found):
        assert found.table["p_malignant"].between(0, 1).all()
    assert "calcifications-not-searched" in {one.code for one in found.warnings}


@pytest.mark.slow
@pytest.mark.usefixtures("few_regions")
def test_twenty_steps_of_microcalcifications(annotated: AnnotatedCohort) -> None:
    table = annotated.lesions.assign(type="calcification", pathology=None)
    fitted = mr.fit(
        replace(annotated, lesions=table),
        "microcalc-frcnn-2025",
        accelerator="cpu",
        rcnn__steps=20,
        **RCNN,
    )
    assert fitted.classes == ("calcification",)
    assert np.isfinite(fitted.training["losses"]).all()


def test_a_woman_in_two_splits_is_refused(annotated: AnnotatedCohort) -> None:
    cohort = annotated.cohort
    table = cohort.exams.assign(split=["train", "train", "dev", "dev"], patient_id="SIM-1")
    lesions = annotated.lesions.assign(patient_id="SIM-1")
    mixed = replace(annotated, cohort=replace(cohort, exams=table), lesions=lesions)
    with pytest.raises(TrainingError, match="women are in both"):
        mr.fit(mixed, **TINY)
    nameless = replace(annotated, cohort=replace(cohort, exams=table.drop(columns="patient_id")))
    with pytest.raises(TrainingError, match="patient_id"):
        mr.fit(nameless, **TINY)


def test_unknown_recipes_fields_and_types_are_refused(annotated: AnnotatedCohort) -> None:
    with pytest.raises(RecipeError, match="lesion-frcnn-2021"):
        mr.fit(annotated, "no-such-recipe")
    with pytest.raises(RecipeError, match="lesion_stepz"):
        mr.fit(annotated, maps__lesion_stepz=3)
    with pytest.raises(TrainingError, match="calcification"):
        mr.fit(annotated, "microcalc-frcnn-2025")
    with pytest.raises(CohortError, match="blob"):
        replace(annotated, lesions=annotated.lesions.assign(type="blob"))
    with pytest.raises(CohortError, match="row_min_px"):
        replace(annotated, lesions=annotated.lesions.drop(columns="row_min_px"))
