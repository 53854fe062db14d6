"""Headers that name another origin than the training data put an exam outside the domain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import mammorisk as mr
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.hybrid.training_origin import TrainingOrigin
from tests.factories import simulated_exam

WOMAN = mr.Questionnaire(age=52)


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> mr.Exam:
    return mr.read_exam(simulated_exam(tmp_path_factory.mktemp("o"), seed=3, pixel_mm=1.0))


def changed(exam: mr.Exam, *, implant: bool = False, **acquisition: object) -> mr.Exam:
    views = {
        name: replace(
            view,
            implant=implant or view.implant,
            acquisition=view.acquisition.model_copy(update=acquisition),
        )
        for name, view in exam.views.items()
    }
    return replace(exam, views=views)


def why_outside(found: mr.Prediction) -> list[str]:
    return [one.text for one in found.warnings if one.code == "outside-domain"]


def test_an_exam_like_the_training_is_used(exam: mr.Exam) -> None:
    found = mr.predict(exam, WOMAN)
    assert found.images_used
    assert not why_outside(found)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"manufacturer": "ge"}, "manufacturer ge is not in the training data"),
        ({"manufacturer": None}, "do not name a manufacturer"),
        ({"implant": True}, "implant"),
    ],
)
def test_another_origin_is_outside(exam: mr.Exam, change: dict, reason: str) -> None:
    found = mr.predict(changed(exam, **change), WOMAN)
    assert not found.images_used
    assert found.contributions["image"] == 0
    assert any(reason in text for text in why_outside(found))


def test_the_origin_is_saved_with_the_model(tmp_path: Path) -> None:
    model = mr.load_model("hybrid")
    assert isinstance(model, HybridModel)
    assert model.origin is not None
    assert all(name.startswith("simulated") for name in model.origin.manufacturers)
    other = replace(model, origin=TrainingOrigin(manufacturers=("ge",), has_implants=True))
    again = mr.load_model(other.save(tmp_path / "model"))
    assert isinstance(again, HybridModel)
    assert again.origin == other.origin
