"""coxnet, survival-forest and gradient-boosting: equal to scikit-survival, saved without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mammorisk as mr
from mammorisk.errors import EmbeddingError, ModelError, TrainingError
from mammorisk.records.cohort import Cohort
from mammorisk.records.questionnaire_table import check_frame
from tests.generated_women import women
from tests.made_embeddings import as_cohort, embedding_table, made_cohort, made_embeddings
from tests.risk_models.test_adverse_facts import with_fact

pytest.importorskip("sksurv")
pytestmark = [
    pytest.mark.networks,
    pytest.mark.filterwarnings("ignore::mammorisk.training.fit.CohortWarning"),
]

RECIPES = ("coxnet", "survival-forest", "gradient-boosting")
FAST = {"survival__trees": 12, "survival__folds": 2, "survival__inner_folds": 2}
FAST |= {"survival__leaf_sizes": [10, 40], "survival__penalties": 10}
every_recipe = pytest.mark.parametrize("recipe", RECIPES)
_FITTED: dict[tuple[str, bool], mr.RiskModel] = {}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return made_cohort()


@pytest.fixture(scope="module")
def emb(cohort: Cohort) -> mr.Embeddings:
    return made_embeddings(cohort)


def fitted(recipe: str, *, images: bool) -> mr.RiskModel:
    if (recipe, images) not in _FITTED:
        cohort = made_cohort()
        emb = made_embeddings(cohort) if images else None
        _FITTED[recipe, images] = mr.fit(cohort, recipe, embeddings=emb, **FAST)
    return _FITTED[recipe, images]


def _outcome(n: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(n, 5))
    # Few different values, so that rows lie on thresholds and times are tied.
    matrix[:, 3:] = matrix[:, 3:].round()
    time = rng.exponential(6 * np.exp(-matrix[:, 0])).clip(0.05, 9).round(1)
    return matrix, rng.random(n) < 0.6, time


def test_the_forest_equals_scikit_survival() -> None:
    from sksurv.ensemble import RandomSurvivalForest

    from mammorisk.risk_models.survival.predictors import ForestPredictor
    from mammorisk.training.scikit_survival import forest_arrays, structured

    matrix, event, time = _outcome()
    theirs = RandomSurvivalForest(n_estimators=15, min_samples_leaf=4, random_state=1)
    theirs.fit(matrix, structured(event, time))
    expected = np.array(
        [[f(t) for t in range(1, 6)] for f in theirs.predict_cumulative_hazard_function(matrix)]
    )
    got = ForestPredictor(trees=forest_arrays(theirs)).cumulative_hazard(matrix)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)
    assert got.std() > 0.1


def test_gradient_boosting_equals_scikit_survival() -> None:
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis

    from mammorisk.risk_models.survival.predictors import BoostingPredictor
    from mammorisk.training.scikit_survival import boosting_arrays, breslow, structured

    matrix, event, time = _outcome()
    theirs = GradientBoostingSurvivalAnalysis(
        n_estimators=25, learning_rate=0.7, max_depth=3, subsample=0.6, random_state=1
    ).fit(matrix, structured(event, time))
    trees = boosting_arrays(theirs)
    score = theirs.predict(matrix)
    np.testing.assert_allclose(0.7 * trees.sums(matrix, np.array([25]))[:, 0], score, atol=1e-9)
    predictor = BoostingPredictor(
        trees=trees,
        learning_rate=0.7,
        baseline=breslow(event, time, np.ones(len(time)), score),
    )
    functions = theirs.predict_cumulative_hazard_function(matrix)
    expected = np.array([[f(t) for t in range(1, 6)] for f in functions])
    np.testing.assert_allclose(predictor.cumulative_hazard(matrix), expected, rtol=1e-9)
    # Fewer trees are those of a shorter fit.
    staged = list(theirs.staged_predict(matrix))[9]
    fewer = 0.7 * trees.keep(10).sums(matrix, np.array([10]))[:, 0]
    np.testing.assert_allclose(fewer, staged, atol=1e-9)


def test_coxnet_equals_scikit_survival() -> None:
    from sksurv.linear_model import CoxnetSurvivalAnalysis

    from mammorisk.risk_models.recipe import SurvivalOptions
    from mammorisk.risk_models.survival.predictors import CoxPredictor
    from mammorisk.training.scikit_survival import breslow, coxnet_path, structured

    matrix, event, time = _outcome()
    theirs = CoxnetSurvivalAnalysis(n_alphas=8, alpha_min_ratio=0.02, fit_baseline_model=True)
    theirs.fit(matrix, structured(event, time))
    options = SurvivalOptions(penalties=8)
    penalties, coefficients = coxnet_path(
        matrix, event, time, options, age_columns=[], adverse_columns=[]
    )
    np.testing.assert_allclose(penalties, theirs.alphas_, rtol=1e-12)
    for i, penalty in enumerate(penalties):
        beta = coefficients[:, i]
        baseline = breslow(event, time, np.ones(len(time)), matrix @ beta)
        got = CoxPredictor(coefficients=beta, baseline=baseline).cumulative_hazard(matrix)
        functions = theirs.predict_cumulative_hazard_function(matrix, alpha=penalty)
        expected = np.array([[f(t) for t in range(1, 6)] for f in functions])
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_no_coefficient_of_an_adverse_answer_is_negative() -> None:
    from mammorisk.risk_models.recipe import SurvivalOptions
    from mammorisk.training.scikit_survival import coxnet_path

    matrix, event, time = _outcome()
    options = SurvivalOptions(penalties=8)
    free = coxnet_path(matrix, event, time, options, age_columns=[], adverse_columns=[])[1]
    signs = -np.sign(free[:, -1])
    # Columns turned so that the free fit gives negative coefficients.
    turned = matrix * signs
    path, bounded = coxnet_path(
        turned, event, time, options, age_columns=[], adverse_columns=[0, 2]
    )
    assert bounded.shape == (5, len(path))
    assert (bounded[[0, 2]] >= 0).all()
    assert (bounded[1] < 0).any()


def test_penalties_at_which_the_solver_diverges_take_the_next_larger_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sksurv.linear_model import CoxnetSurvivalAnalysis

    from mammorisk.risk_models.recipe import SurvivalOptions
    from mammorisk.training.scikit_survival import coxnet_path

    matrix, event, time = _outcome()
    options = SurvivalOptions(penalties=8)
    columns = {"age_columns": [], "adverse_columns": []}
    path, expected = coxnet_path(matrix, event, time, options, **columns)
    real = CoxnetSurvivalAnalysis.fit

    def fit(self: CoxnetSurvivalAnalysis, *data: object) -> object:
        found = real(self, *data)
        if (self.alphas_ < path[4]).any():
            raise ArithmeticError
        return found

    monkeypatch.setattr(CoxnetSurvivalAnalysis, "fit", fit)
    same, got = coxnet_path(matrix, event, time, options, penalties=path, **columns)
    np.testing.assert_array_equal(same, path)
    assert len(path) > 5
    np.testing.assert_allclose(got[:, :5], expected[:, :5], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(got[:, 5:], np.repeat(got[:, 4:5], len(path) - 5, axis=1))
    shorter, _ = coxnet_path(matrix, event, time, options, **columns)
    assert shorter[0] == pytest.approx(path[0])
    assert shorter[-1] > path[-1]


def test_weights_are_frequencies_in_the_forest_and_the_baseline() -> None:
    from mammorisk.training.scikit_survival import breslow

    matrix, event, time = _outcome(60)
    weight = np.random.default_rng(0).integers(1, 4, 60).astype(float)
    again = np.repeat(np.arange(60), weight.astype(int))
    linear = matrix[:, 0]
    np.testing.assert_allclose(
        breslow(event, time, weight, linear),
        breslow(event[again], time[again], np.ones(len(again)), linear[again]),
        rtol=1e-12,
    )
    table = made_cohort().exams
    design = table.assign(weight=np.where(table["event"] == 1, 1.0, 4.0))
    model = mr.fit(as_cohort(design), "survival-forest", **FAST)
    plain = fitted("survival-forest", images=False)
    # As many women without cancer as the sample stands for, so about a quarter of the risk.
    ratio = (
        mr.predict(table, model=model, horizons=5)["risk_5y"].mean()
        / mr.predict(table, model=plain, horizons=5)["risk_5y"].mean()
    )
    assert 0.2 < ratio < 0.45
    for recipe in ("coxnet", "gradient-boosting"):
        assert "not used" in fitted(recipe, images=False).card.limits
    assert "Sampling weights: used in all steps" in plain.card.limits


@every_recipe
def test_a_saved_model_predicts_the_same_without_scikit_survival(
    recipe: str, cohort: Cohort, emb: mr.Embeddings, tmp_path: Path
) -> None:
    model = fitted(recipe, images=True)
    model.save(tmp_path / "model")
    assert {p.suffix for p in (tmp_path / "model").iterdir()} == {".md", ".json", ".safetensors"}
    loaded = mr.load_model(tmp_path / "model")
    before = mr.predict(cohort, model=model, embeddings=emb)
    pd.testing.assert_frame_equal(before, mr.predict(cohort, model=loaded, embeddings=emb))
    assert before["risk_5y"].std() > 0.005
    assert "scikit-survival" in loaded.card.training_data
    assert loaded.card.required == ("images", "age")
    auc = loaded.training["cross_validated"]["AUC at 5 years"]  # type: ignore[attr-defined]
    assert auc[0] > 0.6


def test_prediction_needs_neither_scikit_survival_nor_torch(tmp_path: Path) -> None:
    fitted("survival-forest", images=False).save(tmp_path / "model")
    code = (
        "import sys, mammorisk as mr\n"
        f"model = mr.load_model({str(tmp_path / 'model')!r})\n"
        "print(mr.predict(mr.Questionnaire(age=55), model=model).five_year)\n"
        "assert not {'sksurv', 'torch', 'sklearn.ensemble'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = mr.predict(mr.Questionnaire(age=55), model=mr.load_model(tmp_path / "model"))
    assert float(done.stdout) == expected.five_year


@every_recipe
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    woman=women(42, 70),
    fact=st.sampled_from(["relative", "biopsy", "density"]),
)
def test_an_adverse_fact_never_lowers_a_risk(
    recipe: str, woman: dict[str, object], fact: str
) -> None:
    assume(fact != "density" or "breast_density" in woman)
    frame = pd.DataFrame([woman, with_fact(woman, fact)])
    assume(not check_frame(frame)[1].iloc[1])
    risk = fitted(recipe, images=False).score(frame, (5,)).risk[5].to_numpy(dtype=float)
    assert np.isnan(risk).all() or risk[1] >= risk[0]


def test_trees_without_the_rule_would_lower_a_risk() -> None:
    model = fitted("gradient-boosting", images=False)
    table = made_cohort(300, seed=5).exams.assign(breast_density="b")
    more = table.assign(breast_density="c", biopsies=2)
    design, predictor = model.design, model.predictor  # type: ignore[attr-defined]

    def raw(frame: pd.DataFrame) -> np.ndarray:
        clean = check_frame(frame)[0].reset_index(drop=True)
        found: np.ndarray = predictor.cumulative_hazard(design.matrix(clean, None))[:, -1]
        return found

    lower = (raw(more) < raw(table)).any()
    kept = model.score(more, (5,)).risk[5] >= model.score(table, (5,)).risk[5]
    assert kept.all()
    fewer = fitted("survival-forest", images=False)
    design, predictor = fewer.design, fewer.predictor  # type: ignore[attr-defined]
    assert lower or (raw(more) < raw(table)).any()


@every_recipe
def test_a_woman_without_images_or_outside_the_domain_has_no_risk(
    recipe: str, cohort: Cohort
) -> None:
    model = fitted(recipe, images=True)
    alone = mr.predict(mr.Questionnaire(age=55), model=model)
    assert alone.risk.isna().all()
    assert "images-needed" in [one.code for one in alone.warnings]
    table = embedding_table(cohort)
    far = mr.read_embeddings(table.assign(feature_1=table["feature_1"] + 40), encoder="ours")
    risks = mr.predict(cohort, model=model, embeddings=far)
    assert risks["risk_5y"].isna().all()
    assert risks["warning_codes"].str.contains("outside-domain").all()
    refused = mr.predict(
        cohort.exams.assign(brca="brca1"), model=model, embeddings=made_embeddings(cohort)
    )
    assert refused["warning_codes"].str.contains("brca-carrier").all()
    with pytest.raises(EmbeddingError, match="theirs"):
        mr.predict(cohort, model=model, embeddings=made_embeddings(cohort, encoder="theirs"))


def test_late_entry_and_frequency_weights_are_refused(cohort: Cohort) -> None:
    late = as_cohort(cohort.exams.assign(entry=np.where(cohort.exams.index == 3, 0.01, 0.0)))
    with pytest.raises(TrainingError, match="1 women enter after their exam"):
        mr.fit(late, "coxnet")
    with pytest.raises(TrainingError, match="frequency weights"):
        mr.fit(as_cohort(cohort.exams.assign(frequency_weight=1)), "coxnet")
    with pytest.raises(TrainingError, match="has no plan"):
        mr.fit(cohort, "coxnet", dry_run=True)
    few = as_cohort(
        cohort.exams.assign(event=0).assign(event=lambda t: (t.index < 4) * 1, time=4.0)
    )
    with pytest.raises(TrainingError, match="too few"):
        mr.fit(few, "coxnet")


def test_the_exams_of_a_woman_are_in_one_fold() -> None:
    from mammorisk.training.folds import folds_by_woman

    ids = pd.DataFrame({"patient_id": [f"p{i // 3}" for i in range(60)]})
    case = np.arange(60) % 7 == 0
    folds = folds_by_woman(ids, np.arange(60), case, 3, seed=1)
    assert sorted(np.concatenate(folds).tolist()) == list(range(60))
    for one in folds:
        inside = set(ids["patient_id"].iloc[one])
        assert not inside & set(ids["patient_id"].drop(one))
        assert case[one].any()


def test_damaged_trees_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    fitted("survival-forest", images=False).save(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    arrays = load_file(file)
    # A node that leads to itself would be walked for ever.
    left = arrays["predictor.left"].copy()
    left[0] = 0
    save_file({**arrays, "predictor.left": left}, file)
    with pytest.raises(ModelError, match="damaged"):
        mr.load_model(tmp_path / "model")
    save_file(arrays, file)
    mr.load_model(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["columns"] = config["columns"][1:]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="damaged"):
        mr.load_model(tmp_path / "model")
