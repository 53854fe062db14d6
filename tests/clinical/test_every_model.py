"""What every published model must do, whatever its arithmetic."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from mammorisk.base import Horizon
from mammorisk.clinical import CLINICAL_MODELS, load_clinical, scoring
from mammorisk.clinical.scoring import ClinicalModel
from mammorisk.errors import HorizonError, ModelError, OutputError, UnknownModel
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.risk_models.registry import load_model
from tests.generated_women import women

HORIZONS: dict[str, tuple[Horizon, ...]] = {
    **dict.fromkeys(CLINICAL_MODELS, (1, 2.5, 5, 10, "lifetime")),
    "bcsc-2008": (0.5, 1, 2.5, 5),
    "bcsc-2006": (1,),
}

every_model = pytest.mark.parametrize("name", CLINICAL_MODELS)


@every_model
def test_order_chunks_and_company_do_not_matter(
    name: str, women: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, horizons = load_clinical(name), HORIZONS[name]
    whole = model.score(women, horizons)
    assert whole.risk.notna().any(axis=None)
    backwards = model.score(women.iloc[::-1], horizons)
    alone = [model.score(women.iloc[[i]], horizons).risk.iloc[0] for i in range(len(women))]
    monkeypatch.setattr(scoring, "CHUNK", 5)
    chunked = model.score(women, horizons)
    pd.testing.assert_frame_equal(backwards.risk.iloc[::-1], whole.risk, rtol=1e-12)
    np.testing.assert_allclose(np.array(alone), whole.risk, rtol=1e-12)
    pd.testing.assert_frame_equal(chunked.risk, whole.risk, rtol=1e-12)
    for scores in (backwards, chunked):
        pd.testing.assert_series_equal(scores.warning_texts.loc[women.index], whole.warning_texts)
    if whole.contributions is not None:
        assert chunked.contributions is not None
        pd.testing.assert_frame_equal(chunked.contributions, whole.contributions)


@every_model
def test_horizons_asked_together_or_alone_agree(name: str, women: pd.DataFrame) -> None:
    model = load_clinical(name)
    together = model.score(women, HORIZONS[name]).risk
    for horizon in HORIZONS[name]:
        alone = model.score(women, (horizon,)).risk[horizon]
        np.testing.assert_allclose(alone, together[horizon], rtol=1e-12)


@every_model
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(woman=women())
def test_risk_is_a_growing_probability_and_never_silently_missing(
    name: str, woman: dict[str, object]
) -> None:
    scores = load_clinical(name).score(pd.DataFrame([woman]), HORIZONS[name])
    risk, flag = scores.risk.to_numpy()[0], scores.warning_texts.iloc[0]
    known = ~np.isnan(risk)
    assert known.all() or flag
    assert ((risk[known] >= 0) & (risk[known] <= 1)).all()
    assert (np.diff(risk[known][:4]) >= 0).all()
    if not known.any() and scores.contributions is not None:
        assert scores.contributions.isna().all(axis=None)


@pytest.mark.parametrize("name", ["bcrat", "icare-lit", "bcsc-2008", "bcsc-2006"])
def test_risk_does_not_fall_with_more_relatives(name: str, women: pd.DataFrame) -> None:
    few = women.assign(first_degree_relatives=0)
    risks = [
        load_clinical(name).score(few.assign(first_degree_relatives=n), (1,)).risk[1].dropna()
        for n in range(4)
    ]
    for less, more in pairwise(risks):
        assert (more >= less * (1 - 1e-12)).all()
    assert (risks[1] > risks[0]).all()


@every_model
def test_faulty_answers_give_their_own_reason_and_no_risk(name: str) -> None:
    frame = pd.DataFrame(
        {
            "age": [50, 50, None],
            "age_menarche": [99, 12, 12],
            "parity": [1, 0, 1],
            "age_first_birth": [25, 25, 25],
            "breast_density": "b",
            "menopausal_status": "post",
            "onset_mother": 45,
        }
    )
    scores = load_clinical(name).score(frame, HORIZONS[name])
    assert scores.risk.isna().all(axis=None)
    assert scores.warning_texts.iloc[0].startswith("age_menarche")
    assert "parity" in scores.warning_texts.iloc[1]
    assert "age_first_birth" in scores.warning_texts.iloc[1]
    assert scores.warning_texts.iloc[2] == "age: unknown"


@every_model
def test_prior_breast_cancer_and_ages_outside_are_refused(name: str) -> None:
    model = load_clinical(name)
    low, high = model.card.ages
    frame = pd.DataFrame(
        {
            "age": [55, low - 0.1, high + 1, low, high + 0.5],
            "prior_breast_cancer": [True, False, False, False, False],
            "breast_density": "b",
            "onset_mother": 45,
        }
    )
    scores = model.score(frame, (1,))
    assert scores.risk[1].isna().tolist()[:3] == [True, True, True]
    assert scores.warning_texts.iloc[0] == "not for women with prior breast cancer"
    assert scores.warning_texts.iloc[1:3].tolist() == [f"age outside {low:g}-{high:g}"] * 2
    assert "age outside" not in " ".join(scores.warning_texts.iloc[3:])
    assert scores.risk[1].iloc[3] > 0


@every_model
def test_carriers_are_refused_by_all_but_the_average(name: str) -> None:
    frame = pd.DataFrame(
        {
            "age": 60,
            "brca": ["brca1", "brca2", "negative", "untested"],
            "breast_density": "b",
            "onset_mother": 45,
        }
    )
    scores = load_clinical(name).score(frame, (1,))
    expected = [name != "average"] * 2 + [False] * 2
    assert scores.risk[1].isna().tolist() == expected
    if name != "average":
        assert scores.warning_texts.iloc[0] == "not for BRCA1/2 carriers"


@every_model
def test_options_are_kept_and_unknown_ones_refused(name: str) -> None:
    model = load_clinical(name)
    assert load_clinical(name, **model.options) == model
    with pytest.raises(ModelError, match="no option colour"):
        load_clinical(name, colour="red")


def test_a_saved_model_comes_back_with_its_options(tmp_path: Path) -> None:
    model = load_clinical("density-only", ratios="cummings_2009", at_entry=True)
    model.save(tmp_path / "a" / "b")
    assert load_model(tmp_path / "a" / "b") == model
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="folder"):
        model.save(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("bcrat", {"rates": "white"}),
        ("bcrat", {"age_range": "all"}),
        ("average", {"rates": "white"}),
        ("bcsc-2008", {"asian_mortality": "other"}),
        ("density-only", {"ratios": "bodewes_2022"}),
    ],
)
def test_option_values_are_checked(name: str, option: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="One of"):
        load_clinical(name, **option)


def test_a_model_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(UnknownModel, match="bcrat"):
        load_clinical("gail")


@pytest.mark.parametrize(
    ("name", "horizons"),
    [
        ("bcsc-2006", (5,)),
        ("bcsc-2006", ("lifetime",)),
        ("bcsc-2008", (10, "lifetime")),
        ("bcrat", (100,)),
        ("icare-lit", (61,)),
        ("claus-1994", (51,)),
    ],
)
def test_horizons_never_answered(name: str, horizons: tuple[Horizon, ...]) -> None:
    with pytest.raises(HorizonError):
        load_clinical(name).score(pd.DataFrame({"age": [50]}), horizons)


def test_a_horizon_answered_in_part_gives_an_empty_column_and_says_so() -> None:
    frame = pd.DataFrame({"age": [50, 87], "breast_density": "b"})
    scores = load_clinical("bcsc-2008").score(frame.iloc[:1], (5, 10))
    assert scores.risk[5].notna().all()
    assert scores.risk[10].isna().all()
    assert "horizon not answered by this model: 10 years" in scores.warning_texts.iloc[0]
    scores = load_clinical("average").score(frame, (3, 5))
    assert scores.risk.notna().to_numpy().tolist() == [[True, True], [True, False]]
    assert scores.warning_texts.iloc[1].startswith("horizon passes age 90: 5 years")


@every_model
def test_an_empty_table_gives_an_empty_answer(name: str) -> None:
    model: ClinicalModel = load_clinical(name)
    scores = model.score(pd.DataFrame({"age": pd.Series([], dtype=float)}), HORIZONS[name])
    assert scores.risk.shape == (0, len(HORIZONS[name]))
    assert len(scores.warning_texts) == 0


def test_a_questionnaire_scores_as_its_row_in_a_table() -> None:
    woman = Questionnaire(age=54, race_ethnicity="black", biopsies=1, first_degree_relatives=1)
    model = load_clinical("bcrat")
    found = model.predict(woman)
    assert found.five_year == model.score(woman.to_frame(), (5,)).risk[5].iloc[0]


def test_clinical_models_never_load_torch() -> None:
    code = (
        "import sys, pandas as pd; from mammorisk.clinical import *\n"
        "from mammorisk.clinical import CLINICAL_MODELS, load_clinical\n"
        "f = pd.DataFrame({'age': [50.0]})\n"
        "[load_clinical(name).score(f, (1,)) for name in CLINICAL_MODELS]\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
