"""RiskEstimator: the parts of scikit-learn's checks that apply, and the risks of mr.fit."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

import mammorisk as mr
from mammorisk.errors import TrainingError
from mammorisk.risk_models.recipe import load_recipe
from tests.made_embeddings import FEATURES, made_cohort, made_embeddings

pytestmark = [
    pytest.mark.networks,
    pytest.mark.filterwarnings("ignore::mammorisk.training.fit.CohortWarning"),
]
FAST = {"survival__folds": 2, "survival__inner_folds": 2, "survival__penalties": 6}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    cohort = made_cohort()
    pooled = made_embeddings(cohort).pool("mean").to_frame()
    names = [f"feature_{i}" for i in range(FEATURES)]
    answers = cohort.exams.drop(columns=["exam_id", "signal"])
    return answers.join(pooled[["thickness_mm", "manufacturer", *names]])


def _y(table: pd.DataFrame) -> Any:
    from sksurv.util import Surv

    return Surv.from_arrays(table["event"] == 1, table["time"])


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_get_params_invariance",
        "check_set_params",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimator_tags_renamed",
        "check_mixin_order",
    ],
)
def test_checks_of_scikit_learn(check: str) -> None:
    # Names differ between versions; most of them are in every one.
    if not hasattr(estimator_checks, check):
        pytest.skip(f"this scikit-learn has no {check}")
    getattr(estimator_checks, check)("RiskEstimator", mr.RiskEstimator())


def test_it_fits_frames_with_the_outcome_of_scikit_survival(table: pd.DataFrame) -> None:
    pytest.importorskip("sksurv")
    changes = {**FAST}
    estimator = mr.RiskEstimator("coxnet", changes)
    X = table.drop(columns=["time", "event"])
    before = copy.deepcopy(estimator.get_params()), X.copy()
    assert estimator.fit(X, _y(table)) is estimator
    assert estimator.get_params() == before[0]
    assert estimator.changes is changes
    pd.testing.assert_frame_equal(X, before[1])
    assert estimator.n_features_in_ == X.shape[1]
    risk = estimator.predict_cumulative_risk(X, [1, 3, 5])
    assert risk.shape == (len(X), 3)
    seen = np.isfinite(risk).all(axis=1)
    assert seen.mean() > 0.9
    assert (np.diff(risk[seen], axis=1) >= 0).all()
    np.testing.assert_array_equal(estimator.predict(X), risk[:, 2])
    assert estimator.score(X, _y(table)) > 0.65
    # The same as a fit on the cohort with pooled embeddings.
    cohort = made_cohort()
    emb = made_embeddings(cohort).pool("mean")
    model = mr.fit(cohort, "coxnet", embeddings=emb, **changes)
    expected = mr.predict(cohort, model=model, embeddings=emb)["risk_5y"]
    np.testing.assert_allclose(risk[:, 2], expected, rtol=1e-6)
    # A fitted model as an estimator, and its unfitted clone.
    wrapped = mr.RiskEstimator.of(model)
    np.testing.assert_allclose(wrapped.predict(X), expected, rtol=1e-6)
    again = clone(wrapped)
    assert not hasattr(again, "model_")
    assert again.recipe == load_recipe("coxnet", **changes)
    # Boolean and coded events, and weights.
    coded = table[["event", "time"]].to_records(index=False)
    estimator.set_params(recipe="density-fit", changes=None)
    plain = estimator.fit(X, _y(table)).predict(X)
    np.testing.assert_allclose(estimator.fit(X, coded).predict(X), plain)
    weight = np.where(table["event"] == 1, 1.0, 5.0)
    weighted = estimator.fit(X, coded, sample_weight=weight).predict(X)
    assert np.nanmean(weighted) < 0.5 * np.nanmean(plain)


def test_an_unfitted_estimator_says_so() -> None:
    with pytest.raises(NotFittedError):
        mr.RiskEstimator().predict(pd.DataFrame({"age": [50]}))


def test_what_is_not_a_table_or_an_outcome_is_refused(table: pd.DataFrame) -> None:
    X, y = table[["age", "breast_density"]], table[["event", "time"]].to_records(index=False)
    with pytest.raises(TrainingError, match="not a table with a column age"):
        mr.RiskEstimator("density-fit").fit(X.to_numpy(), y)
    for bad in (y[:5], table["event"].to_numpy(), table[["time", "event"]].to_records(index=False)):
        with pytest.raises(TrainingError, match="outcome"):
            mr.RiskEstimator("density-fit").fit(X, bad)
    with pytest.raises(TrainingError, match="trains on images"):
        mr.RiskEstimator("hybrid").fit(X, y)
    with pytest.raises(TrainingError, match="not a model of a table"):
        mr.RiskEstimator.of(mr.load_model("bcrat"))
