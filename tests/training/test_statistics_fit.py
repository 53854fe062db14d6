"""Fits with statistics pooling: standardised features, no head for other features, saved whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mammorisk as mr
from mammorisk.errors import ModelError, TrainingError
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.standard_exam import to_float
from mammorisk.networks.encoders import make_encoder
from mammorisk.networks.hybrid import HeadSettings, HybridHead
from mammorisk.networks.statistics_pooling import StatisticsPooling
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.saliency import _last_maps
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.fit import fit
from mammorisk.training.standardization import standardize_at_start
from tests.training.conftest import tiny

pytestmark = pytest.mark.filterwarnings("ignore::mammorisk.training.fit.CohortWarning")

STATISTICS = {"encoder__pooling": "statistics"}


def risk(model: HybridModel, cohort: Cohort, exams: ExamSet) -> np.ndarray:
    return model.score_exam_set(cohort.questionnaires, exams).risk[5].to_numpy(dtype=float)


@pytest.fixture(scope="module")
def frozen(cohort: Cohort, exams: ExamSet) -> HybridModel:
    recipe = tiny(**STATISTICS, encoder__frozen=True, head__members=2)
    model = fit(cohort, recipe, exams=exams)
    assert isinstance(model, HybridModel)
    return model


def test_the_head_standardises_the_features_of_the_training(
    frozen: HybridModel, cohort: Cohort, exams: ExamSet, tmp_path: Path
) -> None:
    features = frozen.features(exams)
    assert features.shape[-1] == 480
    for head in frozen.head.members:
        seen = head.fusion.standardization(features[torch.from_numpy(exams.present)])  # type: ignore[union-attr,operator]
        # Validation views are among them, so that this is only about. Raw features are not so.
        assert seen.mean(dim=0).abs().max() < 0.3
        assert 0.8 < seen.std(dim=0).median() < 1.2
        assert features[torch.from_numpy(exams.present)].std(dim=0).median() < 0.1
    assert frozen.recipe.encoder.pooling == "statistics"
    frozen.save(tmp_path / "model")
    again = mr.load_model(tmp_path / "model")
    assert isinstance(again, HybridModel)
    assert again.recipe == frozen.recipe
    np.testing.assert_array_equal(risk(again, cohort, exams), risk(frozen, cohort, exams))
    encoder = mr.embeddings.load_encoder(tmp_path / "model")
    assert (encoder.pooling, encoder.n_features) == ("statistics", 480)


def test_encoder_and_head_are_trained_together(cohort: Cohort, exams: ExamSet) -> None:
    begin = mr.load_model("hybrid")
    with pytest.raises(TrainingError, match="pooling 'mean', and the recipe 'statistics'"):
        fit(cohort, init=begin, exams=exams, **STATISTICS)
    changes = {"training__epochs": 1, "training__head_epochs": 1, "image": tiny().image}
    model = fit(cohort, init=begin, exams=exams, fresh_head=True, **STATISTICS, **changes)
    assert isinstance(model, HybridModel)
    start = begin.encoder.state_dict()  # type: ignore[union-attr]
    for name, value in model.encoder.network.named_parameters():  # type: ignore[union-attr]
        # The encoder of the initial model, trained for a few steps.
        assert 0 < (value - start[name]).abs().max() < 0.2, name
    assert np.isfinite(risk(model, cohort, exams)).all()
    kept = fit(cohort, init=model, exams=exams, encoder__frozen=True, training__head_epochs=1)
    for one in (kept.head.members[0], model.head.members[0]):  # type: ignore[attr-defined]
        torch.testing.assert_close(
            one.fusion.standardization.mean, model.head.members[0].fusion.standardization.mean
        )


def test_frozen_layers_are_standardised_as_they_are_trained(exams: ExamSet) -> None:
    torch.manual_seed(0)
    encoder = make_encoder("compact", pretrained=False, size=(48, 32), pooling="statistics")
    assert isinstance(encoder, StatisticsPooling)
    # Running statistics that differ from those of a batch.
    encoder.network.layers[1].running_mean += 5.0
    head = HybridHead(HeadSettings(n_features=480, width=8, standardized=True))
    rows, part = np.arange(8), exams.take(np.arange(8))
    standardize_at_start(head, encoder, exams, rows, 8, frozen_layers=7)
    with torch.no_grad():
        pixels = torch.from_numpy(to_float(part.pixels[np.nonzero(part.present)]))[:, None]
        expected = encoder.eval()(pixels).mean(dim=0)
    frozen = head.fusion.standardization.mean.clone()
    torch.testing.assert_close(frozen, expected, rtol=1e-4, atol=1e-5)
    standardize_at_start(head, encoder, exams, rows, 8)
    assert not torch.allclose(head.fusion.standardization.mean, expected, atol=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("frozen", [True, False])
def test_a_training_without_images_is_refused(cohort: Cohort, exams: ExamSet, frozen: bool) -> None:
    without = replace(exams, present=np.zeros_like(exams.present))
    with pytest.raises(TrainingError, match="no exam of the training has usable images"):
        fit(cohort, tiny(**STATISTICS, encoder__frozen=frozen), exams=without)


def test_grad_cam_is_refused(frozen: HybridModel) -> None:
    assert frozen.encoder is not None
    with pytest.raises(ModelError, match="come from several stages"):
        _last_maps(frozen.encoder, torch.zeros(1, 1, 48, 32))


def test_recipes_without_the_field_keep_their_digest() -> None:
    assert "pooling" not in load_recipe("hybrid").model_dump()["encoder"]
    chosen = load_recipe("hybrid", **STATISTICS)
    assert load_recipe(chosen).encoder.pooling == "statistics"
