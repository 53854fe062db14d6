"""The hybrid model: additive on a published baseline, clear about missing inputs, safe on disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.clinical import load_clinical
from mammorisk.errors import HorizonError, ModelError, OutputError, RecipeError
from mammorisk.metrics import expected_observed_ratio
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.view_sets import ViewSets
from mammorisk.risk_models.recalibrated import RecalibratedModel
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.risk_models.registry import BUNDLED
from mammorisk.training.card import card_of
from tests.factories import simulated_exam, write_exam


@pytest.fixture(scope="module")
def model() -> HybridModel:
    loaded = mr.load_model("hybrid")
    assert isinstance(loaded, HybridModel)
    return loaded


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> mr.simulation.Study:  # type: ignore[name-defined]
    folder = tmp_path_factory.mktemp("study") / "study"
    return mr.simulate(60, seed=77, out=folder, images=12, prior_share=0.0)


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return mr.read_exam(simulated_exam(tmp_path_factory.mktemp("e"), seed=3, pixel_mm=1.0))


def log_hazard(risk: pd.Series) -> pd.Series:
    return np.log(-np.log1p(-risk.astype(float)))


WOMAN = mr.Questionnaire(
    age=52, race_ethnicity="white", parity=1, age_first_birth=31, first_degree_relatives=1
)


def test_with_nothing_but_age_it_is_the_published_baseline_exactly(model: HybridModel) -> None:
    women = pd.DataFrame({"age": np.arange(36, 80, 0.5)})
    found = model.score(women)
    published = load_clinical("average").score(women)
    np.testing.assert_array_equal(found.risk.to_numpy(), published.risk.to_numpy())
    assert (found.contributions == 0).all(axis=None)


def test_with_other_rates_only_the_baseline_changes(model: HybridModel, tmp_path: Path) -> None:
    rates = mr.clinical.load_rates("white_1995_2003")
    local = mr.load_model("hybrid", rates=rates)
    assert isinstance(local, HybridModel)
    ages = pd.DataFrame({"age": np.arange(36, 80, 0.5), "race_ethnicity": "white"})
    average = load_clinical("average", rates=rates).score(ages)
    np.testing.assert_array_equal(local.score(ages).risk.to_numpy(), average.risk.to_numpy())
    women = WOMAN.to_frame()
    found, plain = local.score(women), model.score(women)
    assert found.risk[5].iloc[0] > 1.03 * plain.risk[5].iloc[0]
    assert found.contributions is not None
    assert plain.contributions is not None
    np.testing.assert_allclose(found.contributions, plain.contributions, atol=0.05)
    assert found.warnings.iloc[0][0].code == "rates-replaced"
    assert "white_1995_2003" in local.card.training_data
    read = mr.load_model(local.save(tmp_path / "model"))
    assert read.other_rates == rates
    assert read.card == local.card
    pd.testing.assert_frame_equal(read.score(women).risk, found.risk)


def test_a_recipe_may_name_rates(tmp_path: Path) -> None:
    rates = mr.clinical.load_rates("icare_lit")
    path = rates.to_csv(tmp_path / "local.csv")
    for given in ("icare_lit", rates, str(path)):
        recipe = load_recipe("clinical-only", baseline__rates=given)
        assert recipe.baseline is not None
        assert recipe.baseline.rates == rates
        again = load_recipe(recipe)
        assert again == recipe
        assert "icare_lit" in card_of(recipe, (40, 70)).training_data
        assert again.model_dump(mode="json")["baseline"]["rates"] == "icare_lit"
    with pytest.raises(RecipeError, match="no rates 'elsewhere'"):
        load_recipe("clinical-only", baseline__rates="elsewhere")


def test_contributions_add_up_to_the_prediction(exam: Exam) -> None:
    found = mr.predict(exam, WOMAN)
    assert found.model == "hybrid"
    for name in ("image", "acquisition", "questionnaire", "questionnaire (published)"):
        assert found.contributions[name] != 0
    base = found.baselines.loc["average"]
    apart = log_hazard(found.risk)[5] - log_hazard(base)[5]
    assert apart == pytest.approx(found.contributions.sum(), abs=1e-6)


def test_the_bundled_model_says_that_it_was_trained_on_simulated_exams(
    model: HybridModel, exam: Exam
) -> None:
    def told(found: mr.Prediction) -> bool:
        return "trained-on-simulated" in [one.code for one in found.warnings]

    assert told(mr.predict(exam, WOMAN))
    assert told(mr.predict(WOMAN, model="hybrid"))
    # Only the published baseline answers: nothing of the training is in the risk.
    assert not told(mr.predict(mr.Questionnaire(age=52), model="hybrid"))
    own = replace(model, card=replace(model.card, simulated=False))
    assert not told(mr.predict(exam, WOMAN, model=own))


def test_any_subset_of_inputs(model: HybridModel, exam: Exam) -> None:
    whole = mr.predict(exam, WOMAN)
    assert not any("missing" in flag or "no images" in flag for flag in map(str, whole.warnings))
    alone = mr.predict(exam, mr.Questionnaire(age=52))
    assert alone.contributions["questionnaire"] == 0
    assert alone.contributions["image"] != 0
    blind = mr.predict(WOMAN, model="hybrid")
    assert any("no images" in flag for flag in map(str, blind.warnings))
    assert blind.contributions["image"] == 0
    part = Exam(views={name: exam[name] for name in ("R-CC", "R-MLO")})
    half = mr.predict(part, WOMAN)
    assert half.images_used
    assert "views-missing" in [one.code for one in half.warnings]
    assert half.contributions["image"] != 0
    # A set of views that was not shown to agree with all views loses the image contribution.
    narrow = replace(model, view_sets=ViewSets(usable=(15,), agreement={}))
    lost = mr.predict(part, WOMAN, model=narrow)
    assert "incomplete-exam" in [one.code for one in lost.warnings]
    assert not lost.images_used
    assert lost.contributions["image"] == 0
    # What remains is the risk without images, with the effect of the density measured in them.
    apart = log_hazard(lost.risk)[5] - log_hazard(mr.predict(WOMAN, model="hybrid").risk)[5]
    assert apart == pytest.approx(lost.contributions["density"], abs=1e-6)
    assert (whole.risk.diff().dropna() > 0).all()
    # The interval is wider the less is known of the images, and there is none outside the domain.
    width = [
        float(np.log(one.interval.loc[5, "upper"] / one.interval.loc[5, "lower"]))
        for one in (whole, half)
    ]
    assert 0 < width[0] < width[1]
    assert lost.interval is None
    assert mr.predict(exam, WOMAN, model=replace(model, interval=None)).interval is None


def test_there_is_no_interval_where_its_coverage_was_not_shown(
    model: HybridModel, exam: Exam
) -> None:
    def interval(age: float, chosen: HybridModel | RecalibratedModel = model) -> object:
        return mr.predict(exam, WOMAN.model_copy(update={"age": age}), model=chosen).interval

    assert interval(52) is not None
    # Outside the ages of the training, the learned parts are those of the nearest age.
    assert interval(37) is None
    assert interval(52, model.with_options(rates="white_1995_2003")) is None
    maps = {5.0: Recalibration(method="intercept", parameters=(0.3, 1.0))}
    assert interval(52, RecalibratedModel(model=model, maps=maps, card=model.card)) is None


def test_an_exam_unlike_the_training_falls_back_to_the_baseline(tmp_path: Path) -> None:
    # Made-up discs and noise, no simulated exam.
    strange = mr.read_exam(write_exam(tmp_path))
    found = mr.predict(strange, mr.Questionnaire(age=52))
    assert "outside-domain" in [one.code for one in found.warnings]
    assert not found.images_used
    assert found.contributions["image"] == 0
    # The published baseline, with the published effect of the density measured in the images.
    assert found.contributions["density"] != 0
    apart = log_hazard(found.risk)[5] - log_hazard(found.baselines.loc["average"])[5]
    assert apart == pytest.approx(found.contributions["density"], abs=1e-9)
    codes = [one.code for one in found.warnings]
    assert codes.count("density-estimated") == 1
    read = mr.predict(strange, mr.Questionnaire(age=52, breast_density="c"))
    assert read.five_year == pytest.approx(read.baselines.loc["density-only", 5], rel=1e-9)


def test_a_cohort_with_one_bad_exam(study: mr.simulation.Study, tmp_path: Path) -> None:  # type: ignore[name-defined]
    folder = tmp_path / "study"
    shutil.copytree(study.folder, folder)
    cohort = mr.read_cohort(folder)
    broken = folder / cohort.exams["path"].iloc[4]
    for file in broken.glob("*.dcm"):
        file.write_bytes(file.read_bytes()[:2000])
    risks = mr.predict(mr.read_cohort(folder))
    assert len(risks) == 12
    assert (risks["model"] == "hybrid").all()
    assert risks["risk_5y"].isna().tolist() == [i == 4 for i in range(12)]
    assert risks["warnings"].iloc[4]
    one = mr.predict(
        folder / cohort.exams["path"].iloc[0],
        mr.Questionnaire(
            **{
                k: v
                for k, v in cohort.questionnaires.iloc[0].items()
                if k not in ("patient_id", "exam_id") and pd.notna(v)
            }
        ),
    )
    assert one.five_year == pytest.approx(risks["risk_5y"].iloc[0], rel=1e-5)


def test_saved_and_loaded_it_says_the_same(
    model: HybridModel,
    study: mr.simulation.Study,
    tmp_path: Path,  # type: ignore[name-defined]
) -> None:
    women: Cohort = study.cohort
    before = mr.predict(women, model=model)
    model.save(tmp_path / "copy")
    loaded = mr.load_model(tmp_path / "copy")
    pd.testing.assert_frame_equal(mr.predict(women, model=loaded), before)
    assert {path.suffix for path in (tmp_path / "copy").iterdir()} == {
        ".json",
        ".safetensors",
        ".md",
    }
    assert "not a medical device" in (tmp_path / "copy" / "README.md").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="not a model"):
        model.save(tmp_path / "mine")


def test_damaged_and_foreign_folders(tmp_path: Path) -> None:
    good = BUNDLED["hybrid"]
    assert sum(file.stat().st_size for file in good.iterdir()) < 12e6

    def copy(name: str) -> Path:
        return Path(shutil.copytree(good, tmp_path / name))

    newer = copy("newer")
    config = json.loads((newer / "config.json").read_text())
    (newer / "config.json").write_text(json.dumps(config | {"format_version": 99}))
    with pytest.raises(ModelError, match="format 99"):
        mr.load_model(newer)
    cut = copy("cut")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        mr.load_model(cut)
    (copy("none") / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="damaged"):
        mr.load_model(tmp_path / "none")
    other = copy("other")
    (other / "config.json").write_text(json.dumps({"weights": 3}))
    with pytest.raises(ModelError, match="not a model folder"):
        mr.load_model(other)
    wide = copy("wide")
    config["head"]["width"] = 32
    (wide / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="damaged"):
        mr.load_model(wide)


def test_horizons(model: HybridModel) -> None:
    women = pd.DataFrame({"age": [50.0]})
    assert model.score(women, (2, 7)).risk[7].isna().all()
    with pytest.raises(HorizonError, match="1 to 5"):
        model.score(women, (10,))


def test_calibration_of_a_fit_is_for_exams(model: HybridModel, exam: Exam) -> None:
    shifted = replace(
        model, recalibration={5: Recalibration(method="intercept", parameters=(-0.5, 1.0))}
    )
    seen = mr.predict(exam, WOMAN, model=shifted)
    assert seen.contributions["calibration"] == pytest.approx(-0.5)
    blind = mr.predict(WOMAN, model=shifted)
    assert blind.contributions["questionnaire"] != 0
    assert blind.contributions["calibration"] == 0


def test_recalibration_meets_the_cohort(model: HybridModel) -> None:
    women = mr.simulate(4000, seed=9).cohort
    cases = women.exams[women.exams["event"] == 1]
    # Other women with the same answers: an exam may stand only once in a cohort.
    more = cases.assign(
        patient_id=cases["patient_id"] + "-again", exam_id=cases["exam_id"] + "-again"
    )
    twice = Cohort(
        exams=pd.concat([women.exams, more], ignore_index=True),
        errors=pd.Series([""] * (len(women.exams) + len(more))),
    )
    local = model.recalibrate(twice)
    before = model.predict(twice)["risk_5y"].mean()
    after = local.predict(twice)["risk_5y"]
    assert after.mean() > 1.2 * before
    ratio = expected_observed_ratio(mr.Outcome.from_table(twice.exams), after, 5)
    assert ratio.value == pytest.approx(1, abs=0.1)
    assert local.maps[5].method in ("intercept", "cloglog", "platt", "beta")
    alone = local.score(pd.DataFrame({"age": [50.0]}))
    assert alone.contributions is not None
    assert alone.contributions["recalibration"].iloc[0] != 0


def test_a_cohort_that_asks_for_no_recalibration_is_no_error() -> None:
    few = mr.simulate(1500, seed=10).cohort
    local = mr.recalibrate("icare-lit", few, method="none", horizons=[5])
    assert local.maps[5.0].method == "none"
    assert local.record["method"] == "none"
    risks = local.predict(few, horizons=5)["risk_5y"]
    before = mr.predict(few, model="icare-lit", horizons=5)["risk_5y"]
    pd.testing.assert_series_equal(risks, before)


def test_saliency_lies_on_the_views(exam: Exam) -> None:
    found = mr.predict(exam, WOMAN)
    for method in ("grad-cam", "integrated-gradients"):
        told = found.explain(method)  # type: ignore[arg-type]
        assert set(told.saliency) == {"R-CC", "L-CC", "R-MLO", "L-MLO"}
        assert max(np.abs(m).max() for m in told.saliency.values()) == pytest.approx(1)
        for name, saliency in told.saliency.items():
            assert not saliency[told.views[name] == 0].any()
    told.plot().canvas.draw()
    with pytest.raises(ModelError, match="used no images"):
        mr.predict(WOMAN).explain()
