"""hybrid-embeddings and hybrid-mirai: what is refused, and the same risk on every way in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mammorisk as mr
from mammorisk.cli.app import app
from mammorisk.errors import (
    CohortError,
    EmbeddingError,
    MammoriskError,
    ModelError,
    RecipeError,
    TrainingError,
)
from mammorisk.records.cohort import Cohort
from tests.made_embeddings import as_cohort, embedding_table, made_cohort, made_embeddings

pytestmark = [
    pytest.mark.networks,
    pytest.mark.filterwarnings("ignore::mammorisk.training.fit.CohortWarning"),
]

FAST = {"training__head_epochs": 2, "head__width": 8}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return made_cohort(260)


@pytest.fixture(scope="module")
def emb(cohort: Cohort) -> mr.Embeddings:
    return made_embeddings(cohort)


@pytest.fixture(scope="module")
def fitted(cohort: Cohort, emb: mr.Embeddings) -> mr.RiskModel:
    return mr.fit(cohort, "hybrid-embeddings", embeddings=emb, training__head_epochs=15)


def test_men_are_refused_and_warnings_are_repeated(
    cohort: Cohort, emb: mr.Embeddings, fitted: mr.RiskModel
) -> None:
    table = emb.to_frame()
    codes = {
        "p0": "male-patient,eight-bit",
        "p1": "not-a-breast",
        "p2": "of-the-future",
    }
    told = mr.read_embeddings(table.assign(warning_codes=table["patient_id"].map(codes)))
    before = mr.predict(cohort, model=fitted, embeddings=emb)
    risks = mr.predict(cohort, model=fitted, embeddings=told)
    assert risks["warning_codes"].iloc[0] == "male-patient"
    assert pd.isna(risks["risk_5y"].iloc[0])
    assert not risks["images_used"].iloc[0]
    assert "not-a-breast" in risks["warning_codes"].iloc[1].split(",")
    assert "of-the-future" not in risks["warning_codes"].iloc[2]
    pd.testing.assert_series_equal(risks["risk_5y"].iloc[1:], before["risk_5y"].iloc[1:])
    again = mr.fit(cohort, "hybrid-embeddings", embeddings=told, **FAST)
    assert again.training["excluded"]["the header says that the patient is male"] == 1


def test_the_head_learns_what_the_features_show(
    fitted: mr.RiskModel,
) -> None:
    other = made_cohort(700, seed=7)
    shown = made_embeddings(other, seed=8)
    risks = mr.predict(other, model=fitted, embeddings=shown)
    outcome = mr.Outcome.from_table(other.exams)
    known = risks["risk_5y"].notna().to_numpy()
    rows = np.flatnonzero(known)
    auc = mr.metrics.auc(outcome.take(rows), risks["risk_5y"].to_numpy()[rows], 5)
    assert auc.lower > 0.55
    assert risks["images_used"].mean() > 0.9
    parts = fitted.score_exam_set(  # type: ignore[attr-defined]
        other.questionnaires, shown.feature_set(other), (5,)
    ).contributions
    assert {"image", "acquisition", "questionnaire", "questionnaire (published)"} <= set(parts)
    assert parts["image"].std() > 0.1


def test_a_saved_model_predicts_the_same(
    fitted: mr.RiskModel, cohort: Cohort, emb: mr.Embeddings, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    assert {p.suffix for p in (tmp_path / "model").iterdir()} == {".md", ".json", ".safetensors"}
    assert "encoder ours" in (tmp_path / "model" / "README.md").read_text()
    loaded = mr.load_model(tmp_path / "model")
    before = mr.predict(cohort, model=fitted, embeddings=emb)
    after = mr.predict(cohort, model=loaded, embeddings=emb)
    pd.testing.assert_frame_equal(before, after)
    # A table in another order, and an index that is not 0 ... n - 1.
    turned = as_cohort(cohort.exams.iloc[::-1])
    table = turned.exams.set_index(pd.Index(range(1000, 1000 + len(turned))))
    again = mr.predict(table, model=loaded, embeddings=emb)
    assert again.index[0] == 1000
    np.testing.assert_allclose(again["risk_5y"].to_numpy()[::-1], before["risk_5y"], rtol=1e-6)


def test_an_exam_is_embedded_with_the_encoder_of_the_fit(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("exams")
    mr.simulate(60, seed=8, out=folder, images=3, pixel_mm=2.0, prior_share=0)
    shown = mr.read_cohort(folder)
    real = mr.embed(shown, mr.embeddings.load_encoder("compact", pooling="statistics"))
    assert real.provenance["pooling"] == "statistics"
    # The head is fitted on features of the same shape; the encoder is that of the real ones.
    cohort = made_cohort(150)
    rng = np.random.default_rng(0)
    base = real.to_frame().filter(like="feature_").to_numpy()
    table = embedding_table(cohort).iloc[:, :4]
    table["manufacturer"] = np.resize(real.to_frame()["manufacturer"].unique(), len(table))
    noise = base[rng.integers(0, len(base), len(table))] + 0.1 * rng.normal(
        size=(len(table), base.shape[1])
    )
    table = table.join(
        pd.DataFrame(noise, columns=[f"feature_{i}" for i in range(base.shape[1])])
    ).assign(encoder=real.encoder)
    emb = replace(mr.read_embeddings(table), provenance=real.provenance)
    model = mr.fit(cohort, "hybrid-embeddings", embeddings=emb, **FAST)
    model.save(tmp_path / "model")
    loaded = mr.load_model(tmp_path / "model")
    assert loaded.head.settings.standardized  # type: ignore[attr-defined]
    from_images = mr.predict(shown, model=loaded)
    from_table = mr.predict(shown, model=loaded, embeddings=real)
    assert from_images["images_used"].all()
    np.testing.assert_allclose(from_images["risk_5y"], from_table["risk_5y"], rtol=1e-5)
    assert loaded.backend_used is not None  # type: ignore[attr-defined]
    one = mr.predict(shown.open_exam(0), mr.Questionnaire(age=50), model=loaded)  # type: ignore[misc]
    assert one.images_used
    # Other weights or another preprocessing under the same name.
    with pytest.raises(ModelError, match="weights or preprocessing differ"):
        loaded.with_encoder(mr.embeddings.load_encoder("compact", spacing_mm=1.0))  # type: ignore[attr-defined]
    # The same weights with another pooling.
    plain = mr.embed(shown, "compact")
    assert plain.provenance["weights_sha256"] == real.provenance["weights_sha256"]
    with pytest.raises(EmbeddingError, match="are of the encoder"):
        mr.predict(shown, model=loaded, embeddings=plain)
    record = loaded.embeddings  # type: ignore[attr-defined]
    strange = replace(loaded, embeddings=replace(record, identity="compact@0123456789ab"))  # type: ignore[type-var]
    with pytest.raises(ModelError, match="is not the one of"):
        mr.predict(shown, model=strange)
    foreign = replace(loaded, embeddings=replace(record, name=None))  # type: ignore[type-var]
    with pytest.raises(ModelError, match="made elsewhere"):
        mr.predict(shown, model=foreign)
    broken = loaded.with_encoder(loaded.view_encoder)  # type: ignore[attr-defined]
    monkeypatch.setattr(
        type(broken.view_encoder), "encode", lambda self, views: np.full((len(views), 8), np.nan)
    )
    with pytest.raises(ModelError, match="not finite numbers"):
        mr.predict(shown, model=broken)
    # Without images the encoder is not needed.
    assert mr.predict(mr.Questionnaire(age=50), model=foreign).five_year > 0


def test_whom_the_published_anchor_refuses_is_refused(fitted: mr.RiskModel) -> None:
    women = made_cohort(5).exams.assign(
        brca=["brca1", None, None, None, None],
        lcis=[None, True, None, None, None],
        prior_breast_cancer=[None, None, True, None, None],
        age=[50, 50, 50, 90, 50],
    )
    emb = made_embeddings(as_cohort(women))
    risks = mr.predict(women, model=fitted, embeddings=emb)
    assert risks["risk_5y"].notna().tolist() == [False] * 4 + [True]
    assert (risks["warnings"].iloc[:4] != "").all()


def test_images_unlike_those_of_the_training_are_not_used(
    fitted: mr.RiskModel, cohort: Cohort
) -> None:
    table = embedding_table(cohort)
    far = table.assign(feature_1=table["feature_1"] + 40)
    risks = mr.predict(cohort, model=fitted, embeddings=mr.read_embeddings(far, encoder="ours"))
    assert not risks["images_used"].any()
    assert risks["warning_codes"].str.contains("outside-domain").all()
    other = mr.read_embeddings(table.assign(manufacturer="unseen"), encoder="ours")
    assert not mr.predict(cohort, model=fitted, embeddings=other)["images_used"].any()
    # What is left is the published risk, with the learned part of the answers.
    assert risks["risk_5y"].notna().all()


def _incomplete(cohort: Cohort) -> mr.Embeddings:
    table = embedding_table(cohort)
    lacking = (table["view"] == "CC") & (table["laterality"] == "L") & (table.index % 10 == 0)
    return mr.read_embeddings(table[~lacking], encoder="mirai")


def _other_ids(cohort: Cohort) -> mr.Embeddings:
    return mr.read_embeddings(
        embedding_table(cohort).assign(patient_id=lambda t: "x" + t["patient_id"]), encoder="ours"
    )


def _half(cohort: Cohort) -> mr.Embeddings:
    table = embedding_table(cohort)
    return mr.read_embeddings(table[table["exam_id"] < "e3"], encoder="ours")


@pytest.mark.parametrize(
    ("recipe", "make", "error", "text"),
    [
        ("hybrid-mirai", made_embeddings, TrainingError, "the encoder ours"),
        ("hybrid-mirai", _incomplete, TrainingError, "no embeddings of all four views: row "),
        ("hybrid-embeddings", _half, TrainingError, "exams have no embeddings: row "),
        ("hybrid-embeddings", _other_ids, EmbeddingError, "belong to another cohort"),
        ("hybrid", made_embeddings, TrainingError, "does not use embeddings"),
        ("hybrid-embeddings", lambda cohort: None, TrainingError, "needs embeddings"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(
    recipe: str, make: object, error: type[MammoriskError], text: str, cohort: Cohort
) -> None:
    with pytest.raises(error, match=text) as caught:
        mr.fit(cohort, recipe, embeddings=make(cohort))  # type: ignore[operator]
    assert not any(name in str(caught.value) for name in ("p1,", "e1,", "p0", "e0"))


def test_features_that_are_not_finite_are_refused(cohort: Cohort) -> None:
    table = embedding_table(cohort)
    table.loc[3, "feature_0"] = np.inf
    with pytest.raises(EmbeddingError, match=r"missing or infinite: row 3"):
        mr.read_embeddings(table, encoder="ours")
    emb = made_embeddings(cohort)
    emb.table.loc[3, "feature_0"] = np.nan  # type: ignore[union-attr]
    with pytest.raises(EmbeddingError, match="not finite"):
        mr.fit(cohort, "hybrid-embeddings", embeddings=emb)


def test_embeddings_of_another_encoder_are_not_scored(
    fitted: mr.RiskModel, cohort: Cohort, emb: mr.Embeddings
) -> None:
    with pytest.raises(EmbeddingError, match="of the encoder theirs"):
        mr.predict(cohort, model=fitted, embeddings=made_embeddings(cohort, encoder="theirs"))
    with pytest.raises(EmbeddingError, match="pooled features"):
        mr.predict(cohort, model=fitted, embeddings=emb.pool("mean"))
    with pytest.raises(ModelError, match="not fitted on embeddings"):
        mr.predict(cohort, model="bcrat", embeddings=emb)
    with pytest.raises(CohortError, match="no patient_id"):
        mr.predict(cohort.exams[["age", "exam_id"]], model=fitted, embeddings=emb)


def test_an_exam_listed_twice_has_its_features_twice(cohort: Cohort, emb: mr.Embeddings) -> None:
    twice = pd.concat([cohort.exams.iloc[:3], cohort.exams.iloc[:1]], ignore_index=True)
    features = emb.feature_set(as_cohort(twice)).features
    np.testing.assert_array_equal(features[3], features[0])
    assert np.isfinite(features).all()


def test_a_fresh_head_needs_an_encoder_that_is_trained(cohort: Cohort, emb: mr.Embeddings) -> None:
    with pytest.raises(TrainingError, match="no encoder of its own"):
        mr.fit(cohort, "hybrid-embeddings", embeddings=emb, fresh_head=True)
    with pytest.raises(TrainingError, match="no encoder of its own"):
        mr.fit(cohort, "clinical-only", fresh_head=True)
    with pytest.raises(TrainingError, match="has a new head anyway"):
        mr.fit(cohort, "hybrid", fresh_head=True)


def test_the_encoder_of_the_table_is_not_that_of_a_recipe(
    cohort: Cohort, emb: mr.Embeddings, fitted: mr.RiskModel
) -> None:
    with pytest.raises(RecipeError, match="encoder"):
        mr.fit(cohort, "hybrid-embeddings", embeddings=emb, encoder__pooling="statistics")
    # A table made elsewhere does not state the pooling, and earlier models have no such field.
    assert "pooling" not in fitted.training["embeddings"]


def test_the_order_of_the_rows_does_not_matter(cohort: Cohort, emb: mr.Embeddings) -> None:
    table = emb.to_frame()
    codes = ["inverted" if i % 2 else "for-processing" for i in range(len(table))]
    told = table.assign(warning_codes=codes)
    one, other = (mr.read_embeddings(some).feature_set(cohort) for some in (told, told[::-1]))
    assert one.digest() == other.digest()


def test_an_incomplete_exam_keeps_its_published_risk(cohort: Cohort) -> None:
    model = mr.fit(
        cohort,
        "hybrid-mirai",
        embeddings=_incomplete(cohort),
        embeddings__missing_share=0.2,
        **FAST,
    )
    risks = mr.predict(cohort, model=model, embeddings=_incomplete(cohort))
    lacking = risks["warning_codes"].str.contains("incomplete-exam")
    assert lacking.sum() == 26
    assert not risks["images_used"][lacking].any()
    assert risks["risk_5y"].notna().all()
    assert model.training["incomplete_exams_without_images"] == 26  # type: ignore[union-attr]


@pytest.mark.slow
def test_pooled_embeddings_and_recalibration(cohort: Cohort, emb: mr.Embeddings) -> None:
    pooled = emb.pool("mean")
    model = mr.fit(cohort, "hybrid-embeddings", embeddings=pooled, **FAST)
    risks = mr.predict(cohort, model=model, embeddings=pooled)
    assert risks["images_used"].mean() > 0.9
    local = mr.recalibrate(model, cohort, method="intercept", horizons=5, embeddings=pooled)
    after = mr.predict(cohort, model=local, horizons=5, embeddings=pooled)
    assert after["images_used"].mean() > 0.9
    assert after["risk_5y"].notna().all()


def test_on_the_command_line(cohort: Cohort, tmp_path: Path) -> None:
    cohort.exams.drop(columns="signal").to_csv(tmp_path / "cohort.csv", index=False)
    table = embedding_table(cohort).assign(encoder="ours")
    table.to_parquet(tmp_path / "emb.parquet")
    run = CliRunner().invoke
    manifest, emb = str(tmp_path / "cohort.csv"), str(tmp_path / "emb.parquet")
    model, out = str(tmp_path / "model"), str(tmp_path / "risks.csv")
    told = ["--recipe", "hybrid-embeddings", "--embeddings", emb, "--set", "training.head_epochs=2"]
    done = run(app, ["fit", manifest, "--out", model, *told])
    assert done.exit_code == 0, done.output
    assert "hybrid-embeddings fitted" in done.output
    predict = ["predict", "--cohort", manifest, "--model", model]
    done = run(app, [*predict, "--embeddings", emb, "--out", out])
    assert done.exit_code == 0, done.output
    assert pd.read_csv(out)["images_used"].mean() > 0.9
    done = run(app, ["predict", "--age", "50", "--model", model, "--embeddings", emb])
    assert done.exit_code == 2
    assert "--embeddings needs --cohort" in done.output
