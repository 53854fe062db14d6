"""Simulated women have the published margins, contradict nothing, and can be drawn alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.records.questionnaire_table import check_frame
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.random_streams import uniforms
from mammorisk.simulation.traits import density_location, density_residual_sd

#: Percent heterogeneously or extremely dense, Sprague 2014, doi:10.1093/jnci/dju255.
DENSE_BY_AGE = {40: 57, 45: 55, 50: 46, 55: 38, 60: 33, 65: 31, 70: 26, 75: 28}
DENSE_BY_BMI = {18.5: 59, 25: 40, 30: 25}


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    return draw_population(11, 120_000, age_range=(40, 80))


def test_any_stretch_is_drawn_alone(women: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        draw_population(11, 7, first=70_001, age_range=(40, 80)), women.iloc[70_001:70_008]
    )


def test_streams_and_seeds_are_independent() -> None:
    first = uniforms(1, "a", 0, 5000, 8)
    for other in (uniforms(1, "b", 0, 5000, 8), uniforms(2, "a", 0, 5000, 8)):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.02
    assert first.min() > 0
    assert first.max() < 1


def test_share_of_dense_breasts_by_age_is_the_published_one(women: pd.DataFrame) -> None:
    dense = women["breast_density"].isin(["c", "d"])
    share = 100 * dense.groupby(5 * (women["age"] // 5)).mean()
    assert (share - pd.Series(DENSE_BY_AGE)).abs().max() < 3


def test_share_of_dense_breasts_falls_with_bmi_as_published(women: pd.DataFrame) -> None:
    bmi = women["weight_kg"] / (women["height_cm"] / 100) ** 2
    dense = women["breast_density"].isin(["c", "d"])
    bands = pd.cut(bmi, [18.5, 25, 30, 99], right=False, labels=list(DENSE_BY_BMI))
    share = 100 * dense.groupby(bands, observed=True).mean()
    assert (share.astype(float) - pd.Series(DENSE_BY_BMI)).abs().max() < 4


def test_margins_are_those_of_the_reference_sample(women: pd.DataFrame) -> None:
    """Shares of the iCARE-Lit reference sample from 50, doi:10.1093/jnci/djz113."""
    later = women[women["age"] >= 50]
    bmi = later["weight_kg"] / (later["height_cm"] / 100) ** 2
    shares = {
        "menarche up to 10": ((later["age_menarche"] <= 10).mean(), 0.152),
        "no birth": ((later["parity"] == 0).mean(), 0.176),
        "bmi under 25": ((bmi < 25).mean(), 0.351),
        "bmi from 30": ((bmi >= 30).mean(), 0.331),
        "no alcohol": ((later["alcohol_g_per_day"] == 0).mean(), 0.45),
        "a relative": ((later["first_degree_relatives"] > 0).mean(), 0.136),
        "biopsied": (later["benign_breast_disease"].mean(), 0.168),
    }
    wrong = {name: pair for name, pair in shares.items() if abs(pair[0] - pair[1]) > 0.03}
    assert not wrong


def test_answers_contradict_nothing_and_every_published_model_scores_them(
    women: pd.DataFrame,
) -> None:
    _, problems = check_frame(women)
    assert not problems.map(bool).any()
    for name in CLINICAL_MODELS:
        if name == "claus-1994":
            continue
        horizon = 1 if name == "bcsc-2006" else 5
        score = load_clinical(name).score(women[women["age"] < 74].head(500), (horizon,))
        assert score.risk[horizon].notna().mean() > 0.95, name


def test_density_given_the_answers_is_normal_with_the_stated_moments(women: pd.DataFrame) -> None:
    residual = (women["area_density"] - density_location(women)) / density_residual_sd()
    assert abs(residual.mean()) < 0.01
    assert residual.std() == pytest.approx(1, abs=0.01)
    by_age = women["area_density"].groupby(5 * (women["age"] // 5)).std()
    assert by_age.between(0.93, 1.07).all()
    for answer in ("age", "weight_kg", "parity"):
        assert abs(np.corrcoef(residual, women[answer])[0, 1]) < 0.012


def test_traits_are_in_range(women: pd.DataFrame) -> None:
    assert women["percent_density"].between(0, 100, inclusive="neither").all()
    assert women["volumetric_percent"].between(0.5, 70).all()
    assert women["thickness_mm"].between(20, 110).all()
