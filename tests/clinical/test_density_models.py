"""BCSC 2008, BCSC 2006 and density-only beyond the stored rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical import load_clinical

#: BI-RADS a-d among women screened (Brentnall 2023, PMC10668455).
PREVALENCE = np.array([0.078, 0.349, 0.432, 0.141])


def four(age: float, **answers: object) -> pd.DataFrame:
    return pd.DataFrame({"age": age, "breast_density": list("abcd"), **answers})


@pytest.mark.parametrize(("age", "percent"), [(40, 0.56), (50, 1.31), (60, 1.96), (70, 2.41)])
def test_density_only_averages_to_the_incidence(age: float, percent: float) -> None:
    risk = load_clinical("density-only").score(four(age, race_ethnicity="white"), (5,)).risk[5]
    assert 100 * risk @ PREVALENCE == pytest.approx(percent, abs=0.005)


@pytest.mark.parametrize("ratios", ["cummings_2009", "brentnall_2023"])
def test_other_ratio_tables_keep_the_average_woman_average(ratios: str) -> None:
    women = four(50, race_ethnicity="chinese")
    risk = load_clinical("density-only", ratios=ratios).score(women, (1,)).risk[1]
    average = load_clinical("average").score(women, (1,)).risk[1]
    assert risk @ PREVALENCE == pytest.approx(average.iloc[0], rel=1e-4)


@pytest.mark.parametrize("name", ["bcsc-2008", "density-only"])
def test_without_density_there_is_no_risk(name: str) -> None:
    scores = load_clinical(name).score(pd.DataFrame({"age": [50]}), (5,))
    assert scores.risk[5].isna().all()
    assert scores.warning_texts.iloc[0] == "breast density unknown"


@pytest.mark.parametrize("name", ["bcsc-2008", "density-only"])
@pytest.mark.parametrize("age", [40.5, 64.9, 65])
def test_risk_rises_with_density(name: str, age: float) -> None:
    scores = load_clinical(name).score(four(age, race_ethnicity="black"), (5,))
    assert (np.diff(scores.risk[5]) > 0).all()


def test_bcsc_2008_contributions_are_the_published_ratios() -> None:
    women = four(50, race_ethnicity="white", first_degree_relatives=1, biopsies=[0, 1, None, 2])
    scores = load_clinical("bcsc-2008").score(women, (5,))
    assert scores.contributions is not None
    ratio = np.exp(scores.contributions)
    np.testing.assert_allclose(ratio["breast_density"], [0.48107, 1, 1.5506, 2.0119])
    np.testing.assert_allclose(ratio["first_degree_relatives"], 1.454)
    np.testing.assert_allclose(ratio["biopsies"], [0.906, 1.495, 1, 1.495])
    base = scores.risk[5] / ratio.prod(axis=1)
    np.testing.assert_allclose(base, base.iloc[0], rtol=1e-12)
    assert (
        scores.warning_texts.iloc[2]
        == "unknown, counted with a ratio of 1 as the model does: biopsies"
    )


def test_bcsc_2008_says_whose_rates_it_takes() -> None:
    women = four(50, race_ethnicity=["filipino", "native_american", None, "white"])
    women = women.assign(breast_density="b", first_degree_relatives=0, biopsies=0)
    scores = load_clinical("bcsc-2008").score(women, (5,))
    assert scores.warning_texts.tolist() == [
        "Asian and Pacific Islander groups are counted as one",
        "race group not in the model: counted as white",
        "race unknown: counted as white",
        "",
    ]
    assert scores.risk[5].iloc[1:].nunique() == 1


def test_bcsc_2008_under_five_years_follows_the_recursion() -> None:
    women = four(60, race_ethnicity="white", first_degree_relatives=0, biopsies=0)
    scores = load_clinical("bcsc-2008").score(women, (1, 1.5, 2, 5))
    np.testing.assert_allclose(scores.risk[1.5], (scores.risk[1] + scores.risk[2]) / 2, rtol=1e-12)
    text = "horizon under five years: the first years of the published five-year formula"
    assert (scores.warning_texts == text).all()


def test_bcsc_2006_is_the_logistic_sum_of_its_coefficients() -> None:
    women = pd.DataFrame(
        {
            "age": [42.7, 67],
            "menopausal_status": ["pre", "post"],
            "race_ethnicity": ["white", "black"],
            "biopsies": [1, 0],
            "first_degree_relatives": [2, 1],
            "breast_density": ["d", "b"],
            "bmi": [22, 31],
            "parity": [1, 0],
            "hrt_use": [None, "current"],
            "menopause_type": [None, "surgical"],
            "last_mammogram": [None, "false_positive"],
        }
    )
    logits = [
        -7.4979 + 0.2046 + 0.3873 + 0.7455 + 1.3694,
        -7.07133333107288
        + (0.903378551516557 + 0.0935252572458875 + 0.246264792099399 + 0.163650597324745)
        + (0.272169309730185 + 0.171387166360782 - 0.170080954411712 + 0.524115516051951)
        + 0.737732989432157,
    ]
    scores = load_clinical("bcsc-2006").score(women, (1,))
    np.testing.assert_allclose(scores.risk[1], 1 / (1 + np.exp(-np.array(logits))), rtol=1e-12)
    assert scores.warning_texts.tolist() == ["", ""]


@pytest.mark.parametrize(
    ("answers", "flag"),
    [
        ({"age": 50}, "menopausal status unknown at 45-54"),
        ({"age": 56, "menopausal_status": "pre"}, "premenopausal over 54"),
        ({"age": 44, "menopausal_status": "post"}, "postmenopausal under 45"),
        ({"age": 56}, "menopausal status assumed from age"),
        ({"age": 40}, "menopausal status assumed from age"),
        ({"age": 50, "menopausal_status": "peri"}, "perimenopausal: scored as premenopausal"),
    ],
)
def test_bcsc_2006_menopause(answers: dict[str, object], flag: str) -> None:
    scores = load_clinical("bcsc-2006").score(pd.DataFrame([answers]), (1,))
    assert flag in scores.warning_texts.iloc[0]
    scored = "assumed" in flag or "scored" in flag
    assert scores.risk[1].notna().iloc[0] == scored


def test_bcsc_2006_takes_menopause_from_its_age() -> None:
    women = pd.DataFrame({"age": [50, 50], "age_menopause": [48, None]})
    women["menopausal_status"] = [None, "post"]
    risk = load_clinical("bcsc-2006").score(women, (1,)).risk[1]
    assert risk.iloc[0] == risk.iloc[1]
