"""Fitting: errors before work, resuming, fine-tuning, and every recipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mammorisk as mr
from mammorisk.errors import PixelError, RecipeError, TrainingError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.density_fit import DensityFit
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import Recipe, load_recipe, recipes
from mammorisk.training.comparison import compare_classifiers
from mammorisk.training.fit import fit
from mammorisk.training.initial_model import chosen_recipe
from mammorisk.training.problem import pose
from mammorisk.training.read_exams import read_exams
from mammorisk.training.splits import check_leakage, split_rows
from tests.training.conftest import LARGER, tiny


def weights(model: HybridModel) -> dict[str, torch.Tensor]:
    assert model.encoder is not None
    return {**model.head.state_dict(), **model.encoder.state_dict()}


def fit_forty(study: str, folder: str) -> None:
    """A fit on forty women of a study, long enough to be killed."""
    recipe = tiny(training__epochs=12)
    forty = mr.read_cohort(study).select(np.arange(40))
    mr.fit(forty, recipe, out=f"{folder}/model", cache=f"{folder}/cache")


@pytest.mark.slow
def test_killed_for_good_and_started_again(tmp_path: Path, study: Path) -> None:
    root = Path(__file__).parents[2]
    call = "import sys; from tests.training.test_fit import fit_forty; fit_forty(*sys.argv[1:])"
    first = subprocess.Popen(
        [sys.executable, "-c", call, str(study), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=root,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = tmp_path / "model.work" / "encoder" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (tmp_path / "model").exists()
    fit_forty(str(study), str(tmp_path))
    assert isinstance(mr.load_model(tmp_path / "model"), HybridModel)
    assert not checkpoint.exists()


def test_errors_before_any_work(cohort: Cohort, exams: ExamSet, tmp_path: Path) -> None:
    bare = replace(cohort, exams=cohort.exams.drop(columns=["time", "event"]))
    with pytest.raises(TrainingError, match="no outcomes"):
        fit(bare, tiny(), exams=exams)
    quiet = replace(cohort, exams=cohort.exams.assign(event=0))
    with pytest.raises(TrainingError, match="0 cancers"):
        fit(quiet, tiny(), exams=exams)
    ill = replace(cohort, exams=cohort.exams.assign(event=1, time=1.0))
    with pytest.raises(TrainingError, match="nobody is censored"):
        fit(ill, tiny(), exams=exams)
    gaps = cohort.exams.copy()
    gaps.loc[0, "time"] = np.nan
    with pytest.raises(TrainingError, match="time: 1 values are missing"):
        fit(replace(cohort, exams=gaps), tiny(), exams=exams)
    with pytest.raises(TrainingError, match="needs images"):
        fit(replace(cohort, open_exam=None), tiny())
    with pytest.raises(RecipeError, match="no recipe"):
        fit(cohort, "my-recipe")
    with pytest.raises(RecipeError, match=r"training\.epochs"):
        load_recipe("hybrid", training__epochs=0)
    with pytest.raises(RecipeError, match="competing_death"):
        load_recipe("hybrid", head__competing_death=True)
    (tmp_path / "r.yaml").write_text("name: [")
    with pytest.raises(RecipeError, match="YAML"):
        load_recipe(tmp_path / "r.yaml")


def test_a_diverging_loss_is_told(cohort: Cohort, exams: ExamSet) -> None:
    heavy = cohort.exams.assign(weight=1e38)
    with pytest.raises(
        TrainingError, match=r"loss is (nan|inf) in epoch 1, in a batch of lines \d+, \d+"
    ):
        fit(replace(cohort, exams=heavy), tiny(training__loss="likelihood"), exams=exams)


def test_men_and_rows_in_error_are_left_out_and_counted(cohort: Cohort, exams: ExamSet) -> None:
    n = len(cohort)
    plain = pose(cohort, tiny(), exams)
    man, fault = int(plain.train[0]), int(plain.train[1])
    errors = pd.Series(["the row has no key" if row == fault else "" for row in range(n)])
    marked = replace(exams, male=np.arange(n) == man)
    posed = pose(replace(cohort, errors=errors), tiny(), marked)
    assert posed.excluded == {
        "the row of the table cannot be used": 1,
        "the header says that the patient is male": 1,
    }
    np.testing.assert_array_equal(posed.train, plain.train[2:])
    assert marked.digest() != exams.digest()


@pytest.mark.slow
def test_unreadable_exams_are_counted_and_stop_above_a_share(cohort: Cohort) -> None:
    def broken(row: int) -> object:
        if row in (3, 8):
            raise PixelError("damaged") if row == 3 else MemoryError
        return opener(row)

    few = cohort.select(np.arange(12))
    opener = few.open_exam
    assert opener is not None
    damaged = replace(few, open_exam=broken)  # type: ignore[arg-type]
    with pytest.raises(
        TrainingError,
        match=r"2 of 12 exams cannot be read: lines \d+, \d+ of the manifest; the first",
    ):
        read_exams(damaged, tiny(training__unreadable_share=0.16))
    exams = read_exams(damaged, tiny(training__unreadable_share=0.17))
    assert not exams.present[[3, 8]].any()
    assert exams.present[4].all()


@pytest.mark.slow
def test_unreadable_prior_exams_are_counted_too(cohort: Cohort) -> None:
    def broken(row: int) -> object:
        if row == 5:
            raise PixelError("damaged")
        return None

    damaged = replace(cohort.select(np.arange(12)), open_prior=broken)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=r"1 of 12 prior exams cannot be read: lines \d+ of"):
        read_exams(damaged, tiny(priors=True, training__unreadable_share=0.08))
    exams = read_exams(damaged, tiny(priors=True, training__unreadable_share=0.09))
    assert "damaged" in exams.prior_errors[5]
    assert exams.present[5, :4].all()
    assert not exams.present[5, 4:].any()


def test_splits_share_no_woman() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "patient_id": rng.integers(0, 60, 200),
            "event": rng.random(200) < 0.1,
            "site": rng.choice(list("xyz"), 200),
            "exam_date": pd.Timestamp("2012-01-01")
            + pd.to_timedelta(rng.integers(0, 900, 200), "D"),
        }
    )
    for by in ("patient", "time"):
        train, validation = split_rows(table, by=by, share=0.3, seed=1)  # type: ignore[arg-type]
        assert len(train) + len(validation) == 200
        assert not set(table["patient_id"].iloc[train]) & set(table["patient_id"].iloc[validation])
    with pytest.raises(TrainingError, match="both training and validation"):
        # Women were seen at several sites here.
        split_rows(table, by="site", share=0.3, seed=1)
    with pytest.raises(TrainingError, match="no column vendor"):
        split_rows(table, by="vendor", share=0.3, seed=1)
    given = table.assign(split=np.where(table["patient_id"] < 40, "train", "dev"))
    train, validation = split_rows(given, by="patient", share=0.9, seed=1)
    assert (table["patient_id"].iloc[train] < 40).all()
    with pytest.raises(TrainingError, match="2 women"):
        check_leakage(
            pd.DataFrame({"patient_id": [1, 1, 2, 2]}), np.array([0, 2]), np.array([1, 3])
        )


#: Mirai has tests of its own.
#: Those on embeddings are fitted in tests/risk_models.
WITHOUT_MIRAI = [n for n in recipes() if load_recipe(n).kind in ("network", "density-fit")]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_MIRAI)
def test_every_recipe_runs(
    name: str, cohort: Cohort, exams: ExamSet, some: Cohort, larger_exams: ExamSet
) -> None:
    changes: dict[str, object] = {"training__epochs": 1}
    recipe = load_recipe(name)
    own: ExamSet | None = exams
    if recipe.kind == "network" and recipe.encoder.name != "compact":
        # Published weights would be downloaded. Deep networks need more than tiny pictures.
        changes |= {"encoder__pretrained": False, "image": LARGER}
        cohort, own = some, larger_exams
    chosen: Recipe = tiny(name, **changes)
    if "image" not in chosen.modalities:
        own = None
    elif chosen.image not in (tiny().image, tiny(image=LARGER).image):
        own = read_exams(cohort, chosen)
    model = fit(cohort, chosen, exams=own)
    assert model.name == name
    if isinstance(model, HybridModel):
        risk = model.score_exam_set(cohort.questionnaires, own).risk[5]
    else:
        assert isinstance(model, DensityFit)
        risk = model.predict(cohort)["risk_5y"]
    assert risk.notna().all()
    assert risk.between(0, 1).all()
    assert risk.nunique() > 10
    if name == "transfer-efficientnet":
        assert isinstance(model, HybridModel)
        table = compare_classifiers(model, cohort, exams=own)
        assert list(table.index)[1:] == [
            *("support vector machine", "decision tree", "k nearest neighbours")
        ]
        assert table["auc"].between(0, 1).all()


def test_a_model_fitted_on_simulated_women_says_so_and_one_on_others_does_not(
    cohort: Cohort, tmp_path: Path
) -> None:
    woman = mr.Questionnaire(age=55, breast_density="c")
    ids = cohort.exams["patient_id"].str.removeprefix("SIM-")
    renamed = cohort.exams.assign(patient_id=ids, exam_id=ids)
    for table, simulated in ((cohort.exams, True), (renamed, False)):
        fit(replace(cohort, exams=table), "density-fit", out=tmp_path / str(simulated))
        model = mr.load_model(tmp_path / str(simulated))
        assert model.card.simulated is simulated
        assert ("SIMULATED" in model.card.training_data) is simulated
        codes = [one.code for one in mr.predict(woman, model=model).warnings]
        assert ("trained-on-simulated" in codes) is simulated


def test_fine_tuning_begins_from_the_model(cohort: Cohort, exams: ExamSet, tmp_path: Path) -> None:
    first = fit(cohort, tiny(), exams=exams)
    assert isinstance(first, HybridModel)
    first.save(tmp_path / "first")
    still = fit(
        cohort,
        init=tmp_path / "first",
        exams=exams,
        encoder__frozen=True,
        training__head_epochs=1,
        training__head_learning_rate=1e-9,
    )
    assert isinstance(still, HybridModel)
    assert still.training["begun_from"] == "hybrid"
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(still)[name], value, atol=1e-6, rtol=1e-6)
    moved = fit(cohort, init=first, exams=exams, training__epochs=1)
    assert isinstance(moved, HybridModel)
    assert any(
        (weights(moved)[name] - value).abs().max() > 1e-4
        for name, value in weights(first).items()
        if value.is_floating_point()
    )
    for other in ({"kind": "density-fit"}, {"kind": "mirai", "mirai": {"rows": 64}}):
        with pytest.raises(TrainingError, match="cannot be the start"):
            fit(cohort, init=first, **other)


@pytest.mark.slow
def test_balanced_drawing_keeps_the_rates(cohort: Cohort, exams: ExamSet) -> None:
    recipe = tiny("clinical-only", training__loss="likelihood", training__head_epochs=60)
    plain, balanced = (fit(cohort, recipe, training__balanced=on) for on in (False, True))
    risks = [
        np.average(m.predict(cohort.questionnaires)["risk_5y"], weights=cohort.exams["weight"])
        for m in (plain, balanced)
    ]
    # Women with cancer are some half of the sample and 2% of the population.
    assert risks[1] == pytest.approx(risks[0], rel=0.6)
    assert max(risks) < 0.06


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("density-fit", {"cache": "views"}),
        ("density-fit", {"workers": 1}),
        ("coxnet", {"loggers": ["wandb"]}),
        ("clinical-only", {"cache": "views"}),
        ("hybrid-embeddings", {"workers": 2}),
        ("density-fit", {"devices": 2}),
        ("coxnet", {"checkpoint_minutes": 1.0}),
        ("clinical-only", {"strategy": "ddp"}),
        ("hybrid-embeddings", {"accelerator": "cpu"}),
        ("hybrid-embeddings", {"loggers": ["wandb"]}),
        ("mirai", {"workers": 2}),
    ],
)
def test_arguments_that_a_recipe_ignores_are_refused(
    cohort: Cohort, name: str, given: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError, match=f"does not use {next(iter(given))}"):
        fit(cohort, name, **given)


def test_a_frozen_encoder_is_trained_on_no_device(cohort: Cohort) -> None:
    with pytest.raises(TrainingError, match="does not use accelerator"):
        fit(cohort, tiny(encoder__frozen=True), accelerator="cpu")


def test_a_recipe_other_than_that_of_init_is_refused(cohort: Cohort) -> None:
    begin = mr.load_model("hybrid")
    assert chosen_recipe("hybrid", begin, {"seed": 2}) == load_recipe("hybrid", seed=2)
    with pytest.raises(TrainingError, match=r"differ in training.epochs, training.head_epochs"):
        fit(
            cohort,
            load_recipe("hybrid", training__epochs=3, training__head_epochs=1),
            init="hybrid",
        )
    with pytest.raises(TrainingError, match="differ in name"):
        fit(cohort, "clinical-only", init=begin)
    # A change makes both equal.
    same = load_recipe("hybrid", training__epochs=3)
    assert chosen_recipe(same, begin, {"training__epochs": 3}) == same


def test_a_table_is_not_a_cohort(cohort: Cohort) -> None:
    with pytest.raises(TrainingError, match=r"read_cohort\(\.\.\.\), which takes the path"):
        fit(cohort.exams, "density-fit")  # type: ignore[call-overload]
