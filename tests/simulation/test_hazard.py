"""True risks: published effects, the population's incidence, and conditional expectation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical.answers import Answers
from mammorisk.clinical.competing_risks import absolute_risk
from mammorisk.clinical.icare_lit import _covariates
from mammorisk.clinical.icare_submodel import load_submodel
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.simulation.hazard import cumulative_rates, population_rates, rate_group
from mammorisk.simulation.options import Effects
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.questionnaire_effect import questionnaire_effect
from mammorisk.simulation.traits import draw_traits, read_density
from mammorisk.simulation.truth import PARTS, hazards, true_risks

NONE = Effects(questionnaire=0, density_hr=1, texture_hr=1, asymmetry_hr=1)


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    return draw_population(23, 100_000)


@pytest.fixture(scope="module")
def risks(women: pd.DataFrame) -> pd.DataFrame:
    return true_risks(women, Effects())


@pytest.mark.parametrize("name", ["lt50", "ge50"])
def test_effects_of_answers_are_the_published_ones(women: pd.DataFrame, name: str) -> None:
    plain = (women["first_degree_relatives"] < 2) & ~women["atypical_hyperplasia"]
    of_age = women["age"] < 50 if name == "lt50" else women["age"] >= 50
    past = women["menopausal_status"] == "post" if name == "ge50" else True
    some = women[plain & of_age & past].head(3000)
    clean, _ = check_frame(some)
    terms = load_submodel(name).terms(_covariates(Answers(clean), name))
    np.testing.assert_allclose(questionnaire_effect(some), terms.values.sum(axis=1), atol=1e-9)


def test_without_effects_the_risk_is_that_of_the_average_woman(women: pd.DataFrame) -> None:
    some = women[women["age"] == women["age"].round()].head(2000)
    risk = true_risks(some, NONE)
    age = some["age"].to_numpy()
    expected = absolute_risk(
        age,
        age[:, None] + np.arange(1, 6),
        population_rates(),
        group=rate_group(some),
        multiplier=np.ones((len(some), 1)),
    )
    np.testing.assert_allclose(
        risk[[f"risk_{h}y" for h in range(1, 6)]].to_numpy(), expected.risk, rtol=1e-4
    )


def test_the_population_keeps_its_incidence_at_every_age_and_time(women: pd.DataFrame) -> None:
    """Women at high risk leave first; the baseline must make up for it."""
    everything = hazards(women, Effects())
    cumulative = everything.relative[:, None] * everything.baseline
    table, _ = cumulative_rates(women["age"].to_numpy(), rate_group(women))
    band = (5 * (women["age"] // 5)).to_numpy()
    for year in (1, 5, 10):
        lost = pd.Series(-np.expm1(-cumulative[:, year])).groupby(band).agg(["mean", "std", "size"])
        expected = pd.Series(-np.expm1(-table[:, year])).groupby(band).mean()
        error = lost["std"] / np.sqrt(lost["size"])
        assert ((lost["mean"] - expected).abs() < 4 * error).all()
        assert lost["mean"].mean() == pytest.approx(expected.mean(), rel=0.012)


@pytest.mark.parametrize("part", PARTS)
def test_partial_risk_is_the_mean_risk_of_women_alike(risks: pd.DataFrame, part: str) -> None:
    """The tower rule: in any group made from the part, mean full risk = mean partial risk."""
    for horizon in (1, 5):
        partial, full = risks[f"risk_{horizon}y_{part}"], risks[f"risk_{horizon}y"]
        tenth = pd.qcut(partial.rank(method="first"), 10, labels=False)
        groups = pd.DataFrame({"full": full, "partial": partial}).groupby(tenth)
        mean, error = groups.mean(), groups["full"].sem()
        # The share of error allowed to the fitted means is 2%.
        allowed = 4 * error + 0.02 * mean["partial"]
        assert ((mean["full"] - mean["partial"]).abs() < allowed).all()
        assert full.mean() == pytest.approx(partial.mean(), rel=0.015)


def test_more_is_known_more_is_told(risks: pd.DataFrame) -> None:
    """The variance of an expected risk grows with what it is conditioned on."""
    spread = risks.filter(like="risk_5y").var()
    assert spread["risk_5y"] > spread[[f"risk_5y_{part}" for part in PARTS]].max()
    assert spread["risk_5y_questionnaire_density"] > spread["risk_5y_questionnaire"]
    assert spread["risk_5y_questionnaire_density"] > spread["risk_5y_density"]
    assert spread["risk_5y_image_acquisition"] > spread["risk_5y_image"] * 1.05


def test_risk_given_the_answers_is_an_average_over_images() -> None:
    """Against brute force: one woman's answers, 200,000 draws of her image traits."""
    woman = draw_population(5, 1, first=17)
    n = 200_000
    rng = np.random.default_rng(0)
    copies = woman.loc[woman.index.repeat(n)].reset_index(drop=True)
    names = ("density", "thickness", "texture", "asymmetry", "denser_side")
    copies = copies.assign(**draw_traits({name: rng.random(n) for name in names}, copies))
    category = read_density(rng.random(n), copies["area_density"].to_numpy())
    full = true_risks(copies, Effects())["risk_5y"].to_numpy()
    stated = true_risks(woman, Effects())["risk_5y_questionnaire"].iloc[0]
    assert full.mean() == pytest.approx(stated, rel=0.01)
    for code, letter in enumerate("abcd"):
        same = category == code
        if same.sum() < 2000:
            continue
        answered = woman.assign(
            breast_density=pd.Categorical([letter], dtype=woman["breast_density"].dtype)
        )
        stated = true_risks(answered, Effects())["risk_5y_questionnaire_density"].iloc[0]
        error = full[same].std() / np.sqrt(same.sum())
        assert abs(full[same].mean() - stated) < 4 * error


def test_risks_are_probabilities_that_grow_with_the_horizon(risks: pd.DataFrame) -> None:
    for suffix in ("", *(f"_{part}" for part in PARTS)):
        curve = risks[[f"risk_{h}y{suffix}" for h in range(1, 6)]].to_numpy()
        assert (curve > 0).all()
        assert (curve < 1).all()
        assert (np.diff(curve, axis=1) > 0).all()
