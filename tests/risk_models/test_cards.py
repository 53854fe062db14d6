"""Cards of saved models: a missing, empty or contradictory field is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import mammorisk as mr
from mammorisk._utils.model_folder import read_config
from mammorisk.base import card_faults
from mammorisk.clinical.registry import CLINICAL_MODELS
from mammorisk.errors import ModelError
from mammorisk.metrics.recalibration import Recalibration
from mammorisk.risk_models.mirai.card import CARD as MIRAI
from mammorisk.risk_models.recalibrated import RecalibratedModel
from mammorisk.risk_models.registry import BUNDLED
from mammorisk.risk_models.storage import card_from


def test_the_cards_of_the_package_have_no_fault() -> None:
    cards = [mr.load_model(name).card for name in CLINICAL_MODELS]
    cards += [MIRAI, *(card_from(read_config(folder)) for folder in BUNDLED.values())]
    assert [card_faults(asdict(card)) for card in cards] == [[]] * len(cards)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = mr.load_model("bcrat")
    saved = RecalibratedModel(model=model, maps={5.0: Recalibration()}, card=model.card)
    saved.save(tmp_path / "model")
    assert mr.load_model(tmp_path / "model").card == model.card
    return tmp_path / "model"


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda c: c.pop("card"), "it is missing"),
        (lambda c: c["card"].pop("limits"), "limits is missing"),
        (lambda c: c["card"].update(limits="  "), "limits is empty"),
        (lambda c: c["card"].update(licence=None), "licence is not a text"),
        (lambda c: c["card"].update(lower_is_better=True), "lower_is_better is not a field"),
        (lambda c: c["card"].update(simulated="no"), "simulated is neither true nor false"),
        (lambda c: c["card"].update(ages=[85, 35]), "ages are not two ages in ascending order"),
        (lambda c: c["card"].update(ages=[35, 850]), "within 0 to 120 years"),
        (lambda c: c["card"].update(inputs="age"), "inputs is not a list"),
        (lambda c: c["card"].update(required=["age", "lcis"]), "'lcis' is required but is no"),
        (lambda c: c["card"]["inputs"].append("shoe_size"), "the input 'shoe_size' does not exist"),
        (lambda c: c["card"].update(family="tarot"), "the family 'tarot' is not known"),
        (lambda c: c["card"].update(family="hybrid"), "but images are no input"),
        (lambda c: c["card"].update(name="other"), "not that of the model, 'bcrat'"),
        (lambda c: c["card"].update(ages=[20, 90]), "contradicts that of the model inside in ages"),
        (lambda c: c["card"].update(outcome="invasive or in situ"), "model inside in outcome"),
    ],
)
def test_a_faulty_card_is_refused(
    folder: Path, edit: Callable[[dict[str, Any]], object], text: str
) -> None:
    change(folder, edit)
    with pytest.raises(ModelError, match="card") as caught:
        mr.load_model(folder)
    assert text in str(caught.value)
    assert caught.value.remedy
