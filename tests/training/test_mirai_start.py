"""Before Mirai is fitted: who is left out, which images they are, and with what it starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mammorisk.errors import OutputError, TrainingError
from mammorisk.networks.mirai import MiraiEncoder, MiraiSettings, MiraiTransformer
from mammorisk.records.cohort import Cohort
from mammorisk.records.exam import Exam
from mammorisk.risk_models.mirai.model import MiraiModel
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training import mirai_fit
from mammorisk.training.fit import fit
from mammorisk.training.initial_model import chosen_recipe
from mammorisk.training.mirai_views import MiraiViews, read_mirai_views
from mammorisk.training.outcomes import Outcomes, read_outcomes


def test_men_and_rows_in_error_are_not_fitted_on(cohort: Cohort, tmp_path: Path) -> None:
    few = cohort.select([0, 1, 2, 3])
    opener = few.open_exam
    assert opener is not None

    def open_exam(row: int) -> Exam:
        return dataclasses.replace(opener(row), patient_sex="M") if row == 1 else opener(row)

    errors = pd.Series(["", "", "the path leads out of the root folder", ""])
    mixed = dataclasses.replace(few, errors=errors, open_exam=open_exam)
    views = read_mirai_views(mixed, tmp_path, (96, 64), unreadable_share=0.0)
    assert views.usable.tolist() == [True, False, False, True]
    assert views.male.tolist() == [False, True, False, False]
    assert "root folder" in views.errors[2]
    # The digest depends on what is shown, and not on the number of the row.
    other = dataclasses.replace(few, open_exam=lambda row: opener(1 if row == 0 else row))
    first, same, changed = (
        read_mirai_views(one, tmp_path, (96, 64), unreadable_share=0.0).digest()
        for one in (few, few, other)
    )
    assert first == same != changed


@pytest.mark.filterwarnings("ignore:too few cancers")
def test_the_record_counts_who_was_left_out_and_other_images_are_refused(
    some: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(some)
    files: list[Path | None] = [Path(f"{row}.safetensors") for row in range(n)]
    male = np.arange(n) == 1
    files[0] = files[1] = None
    views = MiraiViews(files=files, errors=["truncated", *[""] * (n - 1)], devices=[], male=male)
    reasons: dict[str, int] = {}
    left_out: list[NDArray[np.bool_] | None] = []

    def read(table: pd.DataFrame, rows: NDArray[np.bool_] | None = None) -> Outcomes:
        left_out.append(rows)
        return read_outcomes(table, rows)

    def stop(run: mirai_fit._Run, *_: object) -> None:
        reasons.update(run.excluded)
        assert not {0, 1} & {*run.train, *run.validation}
        raise KeyboardInterrupt

    monkeypatch.setattr(mirai_fit, "_fit_encoder", stop)
    monkeypatch.setattr(mirai_fit, "read_mirai_views", lambda *_, **__: views)
    monkeypatch.setattr(mirai_fit, "read_outcomes", read)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fit(some, "mirai", out=tmp_path / "m", mirai__pretrained=False)
    assert reasons["the header says that the patient is male"] == 1
    assert reasons["the exam cannot be read, or lacks a standard view"] == 1
    # Whom the fit leaves out has no part in the ratios of weights either.
    assert left_out[0] is None
    assert left_out[1] is not None
    assert left_out[1].nonzero()[0].tolist() == [0, 1]
    other = dataclasses.replace(views, files=[Path("another.safetensors"), *files[1:]])
    monkeypatch.setattr(mirai_fit, "read_mirai_views", lambda *_, **__: other)
    with pytest.raises(OutputError, match="unfinished fit of other images"):
        fit(some, "mirai", out=tmp_path / "m", mirai__pretrained=False)


def test_a_recipe_that_is_not_that_of_the_initial_model_is_refused() -> None:
    begin = MiraiModel(
        encoder=MiraiEncoder(),
        transformer=MiraiTransformer(MiraiSettings(width=32, heads=4, layers=2, dropout=0.1)),
        rows=96,
        columns=64,
    )
    own = chosen_recipe(None, begin, {})
    assert own.mirai is not None
    assert (own.mirai.width, own.mirai.layers, own.mirai.dropout) == (32, 2, 0.1)
    assert (own.mirai.rows, own.mirai.encoder_epochs) == (96, 0)
    more = chosen_recipe(None, begin, {"mirai__dropout": 0.2, "mirai__encoder_epochs": 3}).mirai
    assert more is not None
    assert (more.dropout, more.encoder_epochs) == (0.2, 3)
    stated = load_recipe(own, mirai__encoder_epochs=4)
    assert chosen_recipe(stated, begin, {}) == stated
    for recipe, changes in (
        (load_recipe(stated, mirai__width=64), {}),
        (None, {"mirai__width": 64}),
    ):
        with pytest.raises(TrainingError, match=r"mirai.width \(64, in the initial model 32\)"):
            chosen_recipe(recipe, begin, changes)
    with pytest.raises(TrainingError, match=r"mirai.rows \(2048, .* mirai.layers \(1, "):
        chosen_recipe("mirai", begin, {})
    with pytest.raises(TrainingError, match="of the kind network"):
        chosen_recipe("hybrid", begin, {})
