"""iCARE-Lit beyond the stored rows: missing covariates, the split at 50, what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mammorisk.clinical.icare_lit import IcareLit, from_covariates
from mammorisk.clinical.icare_submodel import reference_terms, yearly_rates
from mammorisk.errors import HorizonError, ModelError, QuestionnaireError

COMPLETE = {
    "age_menarche": 12,
    "parity": 2,
    "age_first_birth": 24,
    "oral_contraceptive": "former",
    "alcohol_g_per_day": 5,
    "benign_breast_disease": False,
    "first_degree_relatives": 2,
    "height_cm": 163,
    "bmi": 25,
    "hrt_use": "current",
    "hrt_type": "estrogen",
    "age_menopause": 45,
}
LT50 = {
    "age_at_menarche": 12,
    "parity": 2,
    "age_first_birth": "20-25",
    "oc_ever": 1,
    "oc_current": 0,
    "alcohol_intake": "5-15",
    "bbd": 0,
    "famhist": 1,
    "height": 16.3,
    "bmi_curc": "25-30",
}
GE50 = {k: v for k, v in LT50.items() if k != "oc_current"} | {
    "age_at_menopause": "45-50",
    "hrt": "current",
    "hrt_type": 1,
}
UNION = LT50 | GE50


def covariate_risk(row: dict[str, object], age: float, horizon: float, submodel: str) -> float:
    unknown = dict.fromkeys(UNION) if submodel in ("lt50", "ge50") else {}
    frame = pd.DataFrame([unknown | row | {"age": age}])
    return float(from_covariates(frame, horizon, submodel).iloc[0])  # type: ignore[arg-type]


def test_a_questionnaire_scores_as_its_covariates_on_either_side_of_50() -> None:
    risk = IcareLit().score(pd.DataFrame([COMPLETE | {"age": 55}]), (5, 10)).risk.iloc[0]
    assert risk[5] == pytest.approx(covariate_risk(GE50, 55, 5, "ge50"), rel=1e-12)
    young = {k: v for k, v in COMPLETE.items() if k != "age_menopause"}
    risk = IcareLit().score(pd.DataFrame([young | {"age": 40}]), (5, 10)).risk.iloc[0]
    assert risk[10] == pytest.approx(covariate_risk(LT50, 40, 10, "lt50"), rel=1e-12)


def test_women_without_a_birth_are_in_the_lowest_band_of_age_at_first_birth() -> None:
    frame = pd.DataFrame([COMPLETE | {"age": 60, "parity": 0, "age_first_birth": None}])
    expected = covariate_risk(GE50 | {"parity": 0, "age_first_birth": "<20"}, 60, 5, "ge50")
    assert IcareLit().score(frame, (5,)).risk[5].iloc[0] == pytest.approx(expected, rel=1e-12)


def test_across_50_the_second_model_starts_from_those_still_alive_and_free() -> None:
    frame = pd.DataFrame([COMPLETE | {"age": 46}])
    risk = IcareLit().score(frame, (4, 10)).risk.iloc[0]
    before = covariate_risk(LT50, 46, 4, "lt50")
    after = covariate_risk(GE50, 50, 6, "ge50")
    assert risk[4] == pytest.approx(before, rel=1e-12)
    survival = (risk[10] - before) / after
    rates = yearly_rates("lt50")
    deaths = rates.other[0, 46:50].sum()
    # Survival of both causes, recovered from the relative risk of this woman.
    first_year = covariate_risk(LT50, 46, 1, "lt50") / rates.cause[0, 46]
    hazard = first_year * rates.cause[0, 46:50].sum() + deaths
    assert survival == pytest.approx(np.exp(-hazard), rel=1e-9)


def test_nothing_known_gives_the_mean_risk_of_the_reference_sample() -> None:
    predictor = reference_terms("ge50").values.sum(axis=1)
    hazard = np.outer(np.exp(predictor), yearly_rates("ge50").cause[0, 60:65])
    deaths = yearly_rates("ge50").other[0, 60:65]
    spent = np.cumsum(hazard + deaths, axis=1) - hazard - deaths
    expected = (hazard * np.exp(-spent)).sum(axis=1).mean()
    assert covariate_risk({}, 60, 5, "ge50") == pytest.approx(expected, rel=1e-12)
    assert IcareLit().score(pd.DataFrame({"age": [60]}), (5,)).risk[5].iloc[0] == pytest.approx(
        expected, rel=1e-12
    )


def test_the_reference_population_has_the_incidence_it_was_fitted_to() -> None:
    from mammorisk.clinical.tables import load_table

    relative = np.exp(reference_terms("lt50").values.sum(axis=1))
    baseline = yearly_rates("lt50").cause[0]
    before = np.concatenate([[0.0], np.cumsum(baseline)[:-1]])
    weights = np.exp(-relative[:, None] * before)
    mean = (relative[:, None] * weights).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(
        baseline * mean, load_table("icare_lit")["incidence"][:80], rtol=1e-4
    )


@pytest.mark.parametrize("height", [10.1, 23.0])
def test_predictors_outside_the_reference_sample_take_the_nearest_bin(height: float) -> None:
    extreme = covariate_risk({"height": height}, 60, 5, "ge50")
    middle = covariate_risk({"height": 16.3}, 60, 5, "ge50")
    assert (extreme < middle) == (height < 16.3)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("height", 163),
        ("height", 1.63),
        ("height", "tall"),
        ("famhist", 2),
        ("parity", 3),
        ("hrt", "yes"),
    ],
)
def test_values_that_are_no_covariates_are_refused(column: str, value: object) -> None:
    with pytest.raises(QuestionnaireError, match=column):
        covariate_risk({column: value}, 60, 5, "ge50")


def test_a_covariate_without_a_column_is_no_unknown_one() -> None:
    """Another name for it would otherwise be averaged over in silence."""
    row = {"age": 60, "family_history": 1} | {n: v for n, v in GE50.items() if n != "famhist"}
    with pytest.raises(QuestionnaireError, match="no column famhist; not read: family_history"):
        from_covariates(pd.DataFrame([row]), 5, "ge50")


def test_age_horizon_and_submodel_are_needed() -> None:
    with pytest.raises(ModelError, match="lt50 or ge50"):
        covariate_risk({}, 60, 5, "gt50")
    with pytest.raises(QuestionnaireError, match="age"):
        from_covariates(pd.DataFrame({"height": [16.3]}), 5, "ge50")
    with pytest.raises(HorizonError):
        from_covariates(pd.DataFrame({"age": [60]}), 0, "ge50")
    assert np.isnan(covariate_risk(GE50, 76, 5, "ge50"))


@pytest.mark.parametrize(
    ("changes", "same_as"),
    [
        ({"hrt_use": "former", "hrt_type": "estrogen"}, {"hrt_use": "former", "hrt_type": None}),
        ({"hrt_use": "former", "hrt_type": None}, {"hrt_use": "never", "hrt_type": None}),
        ({"first_degree_relatives": 1}, {"first_degree_relatives": 3}),
        (
            {"atypical_hyperplasia": True, "benign_breast_disease": False},
            {"benign_breast_disease": True},
        ),
        ({"age_menarche": 12.9}, {"age_menarche": 12}),
        ({"alcohol_g_per_day": 14.9}, {"alcohol_g_per_day": 5}),
        ({"bmi": 29.9}, {"bmi": 25}),
    ],
)
def test_answers_that_count_the_same(
    changes: dict[str, object], same_as: dict[str, object]
) -> None:
    risks = [
        IcareLit().score(pd.DataFrame([COMPLETE | {"age": 60} | c]), (5,)).risk[5].iloc[0]
        for c in (changes, same_as)
    ]
    assert risks[0] == risks[1]


def test_contributions_add_to_the_log_relative_risk() -> None:
    frame = pd.DataFrame([COMPLETE | {"age": 60}, COMPLETE | {"age": 60, "bmi": 31, "parity": 3}])
    scores = IcareLit().score(frame, (1,))
    assert scores.contributions is not None
    total = scores.contributions.sum(axis=1)
    # In one year the risk is proportional to the relative risk.
    ratio = scores.risk[1].iloc[1] / scores.risk[1].iloc[0]
    assert total.iloc[1] - total.iloc[0] == pytest.approx(np.log(ratio), rel=1e-9)


def test_unknown_answers_and_early_menopause_status_are_flagged() -> None:
    frame = pd.DataFrame(
        [COMPLETE | {"age": 52, "age_menopause": None, "menopausal_status": "pre"}]
    )
    flag = IcareLit().score(frame, (5,)).warning_texts.iloc[0]
    assert flag == (
        "premenopausal at 50 or later: age at menopause counted as unknown; "
        "unknown, averaged over a reference sample: age_menopause"
    )
