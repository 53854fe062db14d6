"""A fit with several heads, the sets of views that it accepts, and a fitted interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import mammorisk as mr
from mammorisk.inputs.batches import gather_inputs, make_batch
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.networks.head_ensemble import ALL_VIEWS, VIEW_SETS
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.training.interval_fit import (
    fit_interval,
    five_year_risk,
    log_hazard_ratio,
    restrict,
)
from tests.training.conftest import tiny


@pytest.fixture(scope="module")
def model(cohort: Cohort, exams: ExamSet) -> HybridModel:
    # Sets of views are compared on 50 women or more.
    recipe = tiny(head__members=3, training__epochs=1, training__validation_share=0.7)
    found = mr.fit(cohort, recipe, exams=exams)
    assert isinstance(found, HybridModel)
    return found


def test_the_heads_differ_and_are_averaged_and_saved(
    model: HybridModel, cohort: Cohort, exams: ExamSet, tmp_path: Path
) -> None:
    weights = [head.state_dict()["image.weight"] for head in model.head.members]
    assert len(weights) == 3
    assert not torch.equal(weights[0], weights[1])
    model.save(tmp_path / "model")
    again = mr.load_model(tmp_path / "model")
    assert isinstance(again, HybridModel)
    women = cohort.questionnaires
    np.testing.assert_allclose(
        again.score_exam_set(women, exams).risk, model.score_exam_set(women, exams).risk, rtol=1e-6
    )


def test_every_set_of_views_was_compared(model: HybridModel) -> None:
    assert model.view_sets is not None
    assert sorted(model.view_sets.agreement) == list(range(1, ALL_VIEWS))
    # All training exams have four views.
    assert ALL_VIEWS in model.view_sets.usable


def test_an_interval_covers_the_truth_that_it_was_fitted_to(
    model: HybridModel, cohort: Cohort, exams: ExamSet
) -> None:
    inputs = gather_inputs(cohort.questionnaires, exams, model.baseline, model.card.ages)
    batch = make_batch(
        inputs,
        model.features(exams),
        model.scalings,
        modalities=tuple(model.recipe.modalities),
        ages_seen=model.ages_seen,
    )
    weight = cohort.exams["weight"].to_numpy(dtype=float)
    own, some = restrict(inputs, batch, views=3, acquisition=True, answers=True, density=False)
    assert "breast_density" not in own.frame
    assert not some.mask[:, 2:].any()
    rng = np.random.default_rng(0)
    risk = five_year_risk(model, model.evaluate_batch(own, some))
    true = -np.expm1(np.log1p(-risk) * np.exp(rng.normal(0, 0.4, len(risk))))
    interval = fit_interval(model, inputs, batch, {"iaq": true, "q": true}, weight)
    assert len(interval.gap) == VIEW_SETS
    model.interval = interval
    half = model.evaluate_batch(own, some).half_width
    assert half is not None
    covered = np.average(np.abs(log_hazard_ratio(risk, true)) <= half + 1e-9, weights=weight)
    assert 0.95 <= covered <= 1
    assert 0.1 < interval.gap["3aq"] < 0.8
