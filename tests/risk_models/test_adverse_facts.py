"""An adverse fact never lowers a risk, is never silent; half a year never moves a risk far."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mammorisk as mr
from mammorisk.base import RiskModel
from mammorisk.clinical import CLINICAL_MODELS
from mammorisk.prediction.default_model import PublishedDefault
from mammorisk.records.questionnaire_table import check_frame
from tests.generated_women import women

NAMES = [*CLINICAL_MODELS, "published-default", pytest.param("hybrid", marks=pytest.mark.networks)]
every_model = pytest.mark.parametrize("name", NAMES)
many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

#: Largest fall of the log risk when an adverse fact is added, where it is not 0.
#: - icare-lit averages unknown answers over women of the same percentile of what is known: near
#:   the ends of the distribution one more fact can select a bin of lower mean risk.
#: - published-default answers with icare-lit where density is unknown.
#: - bcrat: a biopsy without atypia has the factor 0.93. For black women from 50 on it outweighs the
#:   factor of the biopsy, 1.073.
MAY_FALL = {"icare-lit": 0.6, "published-default": 0.6, "bcrat": 0.0024}

#: Largest change of the log risk over half a year of age, from age 35, away from the steps below.
SMOOTH = 0.25
#: Ages at which a published formula changes in one step, with the largest change of the log risk.
#: - bcsc-2008: density ratio at 65; race and age adjustment from band to band.
#: - bcsc-2006: one coefficient for each band of five years; other coefficients after menopause,
#:   which is assumed from the age over 54 and under 45.
#: - icare-lit: one model under 50 and another from 50 (with the averaging above).
#: - published-default: icare-lit under 35, bcsc-2008 from 35; bcsc-2008 to 79, icare-lit after.
STEPS: dict[str, dict[float, float]] = {
    "bcsc-2008": dict.fromkeys((45.0, 55.0, 65.0), 0.6),
    "bcsc-2006": dict.fromkeys(map(float, range(35, 90, 5)), 1.5),
    "icare-lit": {50.0: 1.0},
    "published-default": dict.fromkeys((35.0, 45.0, 50.0, 55.0, 65.0, 80.0), 4.0),
    "hybrid": {50.0: 1.0},
}

FACTS = (
    "brca",
    "lcis",
    "prior_breast_cancer",
    "atypical_hyperplasia",
    "relative",
    "biopsy",
    "density",
    "ovarian_cancer",
    "ashkenazi",
)


@cache
def load(name: str) -> RiskModel:
    return PublishedDefault() if name == "published-default" else mr.load_model(name)


def with_fact(woman: dict[str, object], fact: str) -> dict[str, object]:
    """The same woman with one more adverse fact."""
    more = dict(woman)
    if fact == "brca":
        more["brca"] = "brca1"
    elif fact == "relative":
        more["first_degree_relatives"] = int(woman.get("first_degree_relatives", 0)) + 1  # type: ignore[call-overload]
    elif fact == "biopsy":
        more["biopsies"] = int(woman.get("biopsies", 0)) + 1  # type: ignore[call-overload]
    elif fact == "density":
        more["breast_density"] = {"a": "b", "b": "c"}.get(str(woman.get("breast_density")), "d")
    else:
        more[fact] = True
    return more


@every_model
@many
@given(woman=women(35, 79), fact=st.sampled_from(FACTS))
def test_an_adverse_fact_never_lowers_a_risk_and_is_never_silent(
    name: str, woman: dict[str, object], fact: str
) -> None:
    # A density has to be known before it can be higher.
    assume(fact != "density" or "breast_density" in woman)
    frame = pd.DataFrame([woman, with_fact(woman, fact)])
    assume(not check_frame(frame)[1].iloc[1])
    scores = load(name).score(frame, (1,) if name == "bcsc-2006" else (5,))
    before, after = scores.risk.to_numpy(dtype=float)[:, 0]
    told = scores.warnings.iloc[1]
    if np.isnan(after):
        assert told
    elif not np.isnan(before):
        # Networks compute in single precision.
        assert np.log(after / before) >= -MAY_FALL.get(name, 0.0) - 1e-6
        if after == before and fact in ("brca", "lcis", "ovarian_cancer", "ashkenazi"):
            assert "adverse-fact-not-used" in [one.code for one in told]
    if fact == "prior_breast_cancer":
        assert np.isnan(after)
        assert "prior-breast-cancer" in [one.code for one in told]


@every_model
@many
@given(woman=women(35, 89))
def test_half_a_year_moves_a_risk_by_no_more_than_a_step_of_the_formula(
    name: str, woman: dict[str, object]
) -> None:
    woman = {k: v for k, v in woman.items() if not k.startswith("onset")} | {"onset_mother": [45]}
    age = float(woman["age"])  # type: ignore[arg-type]
    frame = pd.DataFrame([woman, woman | {"age": age + 0.5}])
    risk = load(name).score(frame, (1,) if name == "bcsc-2006" else (5,)).risk.to_numpy(float)
    moved = np.log(risk[1, 0] / risk[0, 0])
    passed = [size for step, size in STEPS.get(name, {}).items() if age < step <= age + 0.5]
    # A horizon of five years reaches a step before the woman does.
    coming = name in ("icare-lit", "hybrid") and age < 50 <= age + 5.5
    assert np.isnan(moved) or abs(moved) <= max([SMOOTH, *passed, 1.0 if coming else 0.0])


@pytest.mark.networks
def test_the_hybrid_refuses_whom_its_parts_refuse() -> None:
    women = pd.DataFrame(
        {
            "age": [54, 54, 54, 54, 34.5, 90, 54],
            "brca": [None, "brca1", None, None, None, None, None],
            "lcis": [None, None, True, None, None, None, None],
            "prior_breast_cancer": [None, None, None, True, None, None, None],
            "age_menarche": [12, 12, 12, 12, 12, 12, 99],
        }
    )
    found = mr.load_model("hybrid").score(women, (5,))
    assert found.risk[5].notna().tolist() == [True] + [False] * 6
    codes = [[one.code for one in told] for told in found.warnings[1:]]
    assert codes == [
        ["brca-carrier"],
        ["lcis"],
        ["prior-breast-cancer"],
        ["age-out-of-range"],
        ["age-out-of-range"],
        ["questionnaire-invalid"],
    ]
    assert found.contributions is not None
    assert found.contributions.iloc[1:].isna().all(axis=None)


@pytest.mark.networks
def test_parts_of_the_hybrid_are_carried_at_the_edges_of_their_ages() -> None:
    women = pd.DataFrame({"age": [74.5, 75.0, 75.5, 80.0, 84.5], "first_degree_relatives": 2})
    found = mr.load_model("hybrid").score(women, (5,))
    assert found.contributions is not None
    effect = found.contributions["questionnaire (published)"]
    assert effect[1:].nunique() == 1
    assert effect.iloc[0] == pytest.approx(effect.iloc[1], abs=0.01)
    assert abs(np.log(found.risk[5].iloc[2] / found.risk[5].iloc[1])) < 0.05
    carried = ["age-carried" in [one.code for one in told] for told in found.warnings]
    assert carried == [False, True, True, True, True]


def test_the_default_model_refuses_whom_bcsc_2008_refuses_but_for_age() -> None:
    women = pd.DataFrame(
        {
            "age": [54, 33, 33, 54],
            "breast_density": "c",
            "brca": ["negative", None, "brca2", "brca1"],
        }
    )
    found = PublishedDefault().score(women, (5,))
    assert found.models is not None
    assert found.models.tolist()[:2] == ["bcsc-2008", "icare-lit"]
    assert found.risk[5].notna().tolist() == [True, True, False, False]
    assert "model-replaced" in [one.code for one in found.warnings.iloc[1]]
    for told in found.warnings.iloc[2:]:
        assert "brca-carrier" in [one.code for one in told]
