"""BCRAT beyond the stored rows: edges of the raw codes, and the way from a questionnaire."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical import load_clinical
from mammorisk.clinical.bcrat import Bcrat, from_codes
from mammorisk.errors import ModelError, QuestionnaireError

BASE = {
    "T1": 50.0,
    "T2": 55.0,
    "N_Biop": 0.0,
    "HypPlas": 99.0,
    "AgeMen": 14.0,
    "Age1st": 19.0,
    "N_Rels": 0.0,
    "Race": 1.0,
}


def code(**changes: float) -> pd.Series:
    return from_codes(pd.DataFrame([BASE | changes])).iloc[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"T1": 19.9}, "T1 must"),
        ({"T1": 90, "T2": 91}, "T1 must"),
        ({"T2": 90.1}, "T2 must"),
        ({"T2": 50}, "T1 must be below T2"),
        ({"HypPlas": 0}, "HypPlas must be 99"),
        ({"N_Biop": 99, "HypPlas": 1}, "HypPlas must be 99"),
        ({"N_Biop": 1, "HypPlas": 5}, "HypPlas must be 0, 1 or 99"),
        ({"AgeMen": 51}, "AgeMen"),
        ({"AgeMen": 0}, "AgeMen"),
        ({"Age1st": 13.9}, "Age1st"),
        ({"Age1st": 51}, "Age1st"),
        ({"N_Rels": 0.5}, "N_Rels"),
        ({"Race": 12}, "Race"),
        ({"Race": np.nan}, "Race"),
        ({"N_Biop": np.nan}, "N_Biop"),
        ({"T1": np.nan}, "T1"),
    ],
)
def test_codes_in_error_say_why(changes: dict[str, float], reason: str) -> None:
    row = code(**changes)
    assert row["error"]
    assert np.isnan(row["absolute_risk"])
    assert np.isnan(row["average_risk"])
    assert row["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("changes", "same_as"),
    [
        ({"N_Biop": 98}, {"N_Biop": 2}),
        ({"N_Biop": 99}, {"N_Biop": 0}),
        ({"AgeMen": 13.99}, {"AgeMen": 12}),
        ({"AgeMen": 99}, {"AgeMen": 14}),
        ({"Age1st": 98}, {"Age1st": 27}),
        ({"Age1st": 99}, {"Age1st": 19}),
        ({"Race": 2, "Age1st": 5}, {"Race": 2, "Age1st": 40}),
        ({"Race": 2, "AgeMen": 10}, {"Race": 2, "AgeMen": 12}),
        ({"Race": 3, "AgeMen": 10}, {"Race": 3, "AgeMen": 16}),
        ({"Race": 5, "Age1st": 98}, {"Race": 5, "Age1st": 35}),
        ({"Race": 5, "Age1st": 27}, {"Race": 5, "Age1st": 22}),
        ({"Race": 11, "N_Rels": 2}, {"Race": 11, "N_Rels": 1}),
        ({"Race": 4}, {"Race": 1}),
        ({"HypPlas": np.nan}, {"HypPlas": 99}),
    ],
)
def test_codes_that_count_the_same(changes: dict[str, float], same_as: dict[str, float]) -> None:
    changes, same_as = {"Age1st": 25, **changes}, {"Age1st": 25, **same_as}
    assert code(**changes)["absolute_risk"] == code(**same_as)["absolute_risk"]


def test_missing_hyperplasia_with_a_biopsy_is_no_error_but_has_no_risk() -> None:
    row = code(N_Biop=1, HypPlas=np.nan)
    assert not row["error"]
    assert np.isnan(row["absolute_risk"])
    assert "HypPlas" in row["reason"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(QuestionnaireError, match="AgeMen, Race"):
        from_codes(pd.DataFrame([BASE]).drop(columns=["AgeMen", "Race"]))
    with pytest.raises(ModelError, match="white_1992_1996"):
        from_codes(pd.DataFrame([BASE]), rates="black")  # type: ignore[arg-type]


def test_text_is_a_missing_code() -> None:
    row = from_codes(pd.DataFrame([BASE | {"N_Rels": "two"}])).iloc[0]
    assert row["error"]
    assert row["reason"].startswith("N_Rels missing")


def test_a_questionnaire_scores_as_its_codes() -> None:
    frame = pd.DataFrame(
        {
            "age": [40.0, 52.3, 66, 35],
            "race_ethnicity": ["black", "japanese", "hispanic_us_born", "white"],
            "biopsies": [2, 1, 0, None],
            "atypical_hyperplasia": [True, None, None, None],
            "age_menarche": [11, None, 14, 12.5],
            "parity": [2, 0, None, 1],
            "age_first_birth": [30, None, 25, None],
            "first_degree_relatives": [1, 2, None, 0],
        }
    )
    codes = pd.DataFrame(
        {
            "T1": frame["age"],
            "T2": frame["age"] + 5,
            "N_Biop": [2, 1, 0, 99],
            "HypPlas": [1, 99, 99, 99],
            "AgeMen": [11, 99, 14, 12.5],
            "Age1st": [30, 98, 25, 99],
            "N_Rels": [1, 2, 99, 0],
            "Race": [2, 7, 3, 1],
        }
    )
    scores = Bcrat().score(frame, (5,))
    raw = from_codes(codes)
    np.testing.assert_allclose(scores.risk[5], raw["absolute_risk"], rtol=1e-12)
    assert scores.contributions is not None
    relative = np.where(frame["age"] < 50, raw["rr_under_50"], raw["rr_50_plus"])
    np.testing.assert_allclose(scores.contributions.sum(axis=1), np.log(relative), rtol=1e-12)
    average = load_clinical("average").score(frame, (5,)).risk[5]
    np.testing.assert_allclose(average, raw["average_risk"], rtol=1e-12)
    assert scores.warning_texts.iloc[0] == ""
    assert "counted as the lowest risk: biopsies, age_first_birth" in scores.warning_texts.iloc[3]


def test_assumptions_are_flagged() -> None:
    frame = pd.DataFrame(
        {
            "age": 50,
            "race_ethnicity": ["other", None, "unknown", "white"],
            "biopsies": [1, None, 0, 0],
            "atypical_hyperplasia": [None, True, False, False],
            "age_menarche": 12,
            "parity": 0,
            "first_degree_relatives": 0,
        }
    )
    flags = Bcrat().score(frame, (5,)).warning_texts.tolist()
    assert "no rates for her race group: rates of white women" in flags[0]
    assert "atypical hyperplasia unknown" in flags[0]
    assert "atypical hyperplasia: counted as one" in flags[1]
    assert "race unknown: rates of white women" in flags[1]
    assert flags[2] == "race unknown: rates of white women"
    assert flags[3] == ""


def test_lcis_is_refused_and_the_formula_reaches_other_ages() -> None:
    frame = pd.DataFrame({"age": [50, 30, 88], "lcis": [True, False, False]})
    tool, formula = Bcrat(), Bcrat(age_range="formula")
    assert tool.score(frame, (1,)).risk[1].isna().all()
    assert formula.score(frame, (1,)).risk[1].isna().tolist() == [True, False, False]
    assert tool.score(frame, (1,)).warning_texts.iloc[0] == "not for women with LCIS"


def test_later_rates_change_white_and_native_women_only() -> None:
    frame = pd.DataFrame({"age": 60, "race_ethnicity": ["white", "native_american", "black"]})
    default = Bcrat().score(frame, (5,)).risk[5]
    later = Bcrat(rates="white_1995_2003").score(frame, (5,)).risk[5]
    assert (later[:2] > default[:2] * 1.1).all()
    assert later[2] == default[2]


def test_codes_must_be_a_table_with_each_column_once() -> None:
    with pytest.raises(QuestionnaireError, match="a dict is not a table"):
        from_codes(BASE)  # type: ignore[arg-type]
    twice = pd.DataFrame([BASE]).join(pd.DataFrame({"other": [1]})).rename(columns={"other": "T1"})
    with pytest.raises(QuestionnaireError, match="columns appear twice: T1"):
        from_codes(twice)
