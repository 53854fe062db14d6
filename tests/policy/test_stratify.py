"""The seven mistakes that stratification invites, each made impossible."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mammorisk.errors import PolicyError
from mammorisk.policy import compare_policies, load_policy, stratify
from mammorisk.policy.library import names
from tests.policy.women import RISKS, cohort, one

# --- 1. horizon and quantity -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "have"),
    [
        ("nccn-2026", "risk_10y"),
        ("bc-predict", "risk_5y"),
        ("karma-2017", "risk_5y"),
        ("nice-cg164", "risk_5y"),
        ("nice-cg164-lifetime", "risk_5y"),
    ],
)
def test_another_horizon_is_refused(policy: str, have: str) -> None:
    with pytest.raises(PolicyError, match="needs the") as caught:
        stratify(one(**{have: 0.05}), policy)
    assert have in str(caught.value)


def test_a_risk_from_40_is_not_a_risk_from_54() -> None:
    risks = pd.DataFrame({"model": "claus-1994", "age": [40.5, 54.0], "risk_10y": 0.05})
    result = stratify(risks, "nice-cg164")
    assert result["category"].tolist() == ["moderate", "not_applicable"]
    assert "10-year risk from age 40" in result["reason"].iloc[1]
    told = stratify(risks.assign(risk_10y_at_40=0.09), "nice-cg164")
    assert told["category"].tolist() == ["high", "high"]


def test_a_row_without_its_risk_says_so_and_stops_no_other() -> None:
    risks = pd.concat([one(risk_5y=np.nan), one(risk_5y=0.02)])
    result = stratify(risks)
    assert result["category"].tolist() == ["not_applicable", "increased"]
    assert result["reason"].iloc[0] == "unknown: 5-year risk"


def test_percent_for_fractions_is_refused() -> None:
    for wrong in (1.7, -0.01, np.inf):
        with pytest.raises(PolicyError, match="outside 0 to 1"):
            stratify(one(risk_5y=wrong))
    with pytest.raises(PolicyError, match="not numbers"):
        stratify(one(risk_5y="2%"))


def test_ranks_are_among_the_eligible() -> None:
    risks, _ = cohort(1000)
    risks["risk_2y"] = risks["risk_5y"].rank() / 5000
    risks["prior_breast_cancer"] = risks["risk_2y"] > 0.18  # the 100 highest of all
    result = stratify(risks, "screentrust-mri")
    left_in = risks[~risks["prior_breast_cancer"]]
    expected = left_in.nlargest(62, "risk_2y").index  # 6.9% of 900, rounded down
    assert set(result.index[result["category"] == "selected"]) == set(expected)
    assert (result["category"] == "not_applicable").sum() == 100


def test_ties_never_select_more_than_the_stated_share() -> None:
    risks, _ = cohort(1000)
    assert (
        stratify(risks.assign(risk_2y=0.01), "screentrust-mri")["category"] == "selected"
    ).sum() == 0


def test_few_women_make_no_rank_but_a_given_one_is_taken() -> None:
    risks = one(risk_5y=0.02, age=45.0)
    assert "rank" in stratify(risks, "wisdom")["reason"].iloc[0]
    ranked = stratify(risks.assign(risk_5y_age_percentile=0.975), "wisdom")
    assert ranked["category"].tolist() == ["elevated"]


def test_ranks_for_age_are_within_five_years() -> None:
    n = 400
    risks = pd.DataFrame(
        {"age": np.repeat([52.0, 67.0], n), "risk_5y": np.tile(np.arange(n), 2) / 1e5}
    )
    risks.loc[n:, "risk_5y"] += 0.02
    elevated = stratify(risks, "wisdom")["category"] == "elevated"
    assert elevated[:n].sum() == elevated[n:].sum() == 10


# --- 2. model family ---------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["acr-2023", "acs-2007-mri", "nccn-classic-mri"])
def test_gail_is_refused_for_mri(policy: str) -> None:
    risks = one(risk_lifetime=0.25).assign(model="bcrat")
    with pytest.raises(PolicyError, match="forbids model 'bcrat'"):
        stratify(risks, policy)
    own = risks.assign(model="ours")
    with pytest.raises(PolicyError, match="forbids"):
        stratify(own, policy, model_family="questionnaire")
    assert stratify(own, policy, model_family="family history")["policy_model_match"].item() == (
        "exact"
    )


@pytest.mark.parametrize(
    ("model", "policy", "match"),
    [
        ("mirai", "nccn-2026", "exact"),
        ("hybrid", "nccn-2026", "same-family"),
        ("bcrat", "nccn-2026", "off-label"),
        ("nobody's", "nccn-2026", "off-label"),
        ("bcrat", "nccn-classic", "exact"),
        ("icare-lit", "nccn-classic", "same-family"),
        ("bcsc-2008", "bcsc-interval-2015", "exact"),
        ("density-only", "bcsc-interval-2015", "same-family"),
        ("mirai", "bcsc-interval-2015", "off-label"),
    ],
)
def test_how_well_model_and_policy_match(model: str, policy: str, match: str) -> None:
    result = stratify(one(risk_5y=0.02, breast_density="d").assign(model=model), policy)
    assert result["policy_model_match"].tolist() == [match]
    assert ("off-label" in result["cautions"].item()) == (match == "off-label")


def test_an_image_policy_is_off_label_where_the_images_were_not_used() -> None:
    used: list[object] = [True, False, None]
    risks = pd.DataFrame(
        {"model": "hybrid", "age": 54.0, "risk_5y": 0.02, "images_used": pd.array(used, "boolean")}
    )
    result = stratify(risks, "nccn-2026")
    assert result["policy_model_match"].tolist() == ["same-family", "off-label", "same-family"]
    told = result["cautions"].str.contains("did not use the images").tolist()
    assert told == [False, True, False]
    # A risk of a questionnaire model is off-label with and without images.
    other = stratify(risks.assign(model="bcrat"), "nccn-2026")
    assert set(other["policy_model_match"]) == {"off-label"}
    assert not other["cautions"].str.contains("did not use").any()


def test_family_is_told_by_argument_column_or_attrs() -> None:
    risks = one(risk_5y=0.02).assign(model="ours")
    told = risks.copy()
    told.attrs["model_family"] = {"ours": "image"}
    for result in (
        stratify(risks, model_family={"ours": "image"}),
        stratify(risks.assign(model_family="image")),
        stratify(told),
    ):
        assert result["policy_model_match"].item() == "exact"


def test_a_risk_that_was_not_recalibrated_is_said() -> None:
    risks = one(risk_5y=0.02)
    assert "overestimate" in stratify(risks)["cautions"].item()
    assert "recalibrated" not in stratify(risks, recalibrated=True)["cautions"].item()


# --- 3. bins and their edges -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "risk", "category"),
    [
        ("nccn-2026", 0.017, "increased"),
        ("nccn-2026", 0.0167, "average"),
        ("nccn-2026", np.nextafter(0.017, 0), "average"),
        ("chemoprevention-us", 0.0167, "discuss"),
        ("chemoprevention-us", 0.01669, "below"),
        ("chemoprevention-us", 0.03, "offer"),
        ("mypebs", 0.01, "average"),
        ("mypebs", 0.0167, "high"),
        ("mypebs", 0.06, "very_high"),
        ("bcsc-categories", 0.025, "high"),
        ("bcsc-categories", 0.02499, "intermediate"),
        ("bcsc-categories", 1.0, "very_high"),
        ("bcsc-categories", 0.0, "low"),
    ],
)
def test_cut_points_belong_to_the_group_above(policy: str, risk: float, category: str) -> None:
    assert stratify(one(risk_5y=risk), policy)["category"].tolist() == [category]


def test_single_precision_keeps_its_side_of_a_cut() -> None:
    risks = pd.DataFrame({"age": [50.0], "risk_5y": np.array([0.0167], dtype=np.float32)})
    assert float(risks["risk_5y"].iloc[0]) < 0.0167
    assert stratify(risks, "chemoprevention-us")["category"].item() == "discuss"


@pytest.mark.parametrize(
    ("density", "risk", "category"),
    [("b", 0.9, "not_high"), ("c", 0.0249, "not_high"), ("c", 0.025, "high"),
     ("d", 0.0166, "not_high"), ("D ", 0.0167, "high")],
)  # fmt: skip
def test_density_and_risk_together(density: str, risk: float, category: str) -> None:
    result = stratify(one(risk_5y=risk, breast_density=density), "bcsc-interval-2015")
    assert result["category"].tolist() == [category]


def test_near_a_threshold_by_interval_or_margin() -> None:
    risks = pd.DataFrame(
        {
            "age": 50.0,
            "risk_5y": [0.020, 0.020, 0.0165, 0.010],
            "risk_5y_lower": [0.016, 0.018, np.nan, np.nan],
            "risk_5y_upper": [0.025, 0.025, np.nan, np.nan],
        }
    )
    assert stratify(risks)["near_threshold"].tolist() == [True, False, True, False]
    # A cut that does not concern her: risk matters only where breasts are dense.
    fatty = one(risk_5y=0.0167, breast_density="a")
    assert stratify(fatty, "bcsc-interval-2015")["near_threshold"].tolist() == [False]


# --- 4. exclusions first, unknown never low ----------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prior_breast_cancer": True}, "breast cancer before"),
        ({"brca": "BRCA1"}, "carriers"),
        ({"chest_radiotherapy_before_30": "yes"}, "chest radiotherapy"),
        ({"age": 34.9}, "starts at age 35"),
        ({"age": np.nan}, "unknown: age"),
        ({"age": 999.0}, "unknown: age"),
    ],
)
def test_exclusions_come_first(fields: dict[str, object], reason: str) -> None:
    result = stratify(one(risk_5y=0.05, **{"age": 50.0, **fields}))
    assert result["category"].tolist() == ["not_applicable"]
    assert reason in result["reason"].item()
    assert result[["interval_months", "modality", "near_threshold"]].isna().all(axis=None)


@pytest.mark.parametrize("name", [n for n in names() if load_policy(n).quantities])
def test_a_missing_risk_is_never_low(name: str) -> None:
    policy = load_policy(name)
    women = pd.DataFrame(
        [
            {"age": age, "breast_density": density, "brca": brca, "lcis": lcis}
            for age in (22, 38, 41, 55, 72, 90)
            for density in (None, "a", "d")
            for brca in (None, "negative", "brca2")
            for lcis in (None, True)
        ]
    ).assign(**dict.fromkeys(RISKS, np.nan))
    blind = stratify(women, policy)["category"]
    lowest = next(iter(policy.groups.values())).category or next(iter(policy.groups))
    assert lowest not in set(blind)
    # What is said without her risk holds at any risk.
    for risk in (0.0, 0.01, 0.05, 0.2, 1.0):
        seen = women.assign(**dict.fromkeys(RISKS, risk))
        for column in ("risk_2y_percentile", "risk_5y_age_percentile"):
            seen[column] = risk
        known = blind != "not_applicable"
        assert (stratify(seen, policy)["category"][known] == blind[known]).all()


def test_a_carrier_is_at_high_risk_without_a_number() -> None:
    result = stratify(
        one(risk_lifetime=np.nan, brca="brca1").assign(model="claus-1994"), "acr-2023"
    )
    assert result["category"].tolist() == ["high"]


def test_an_unknown_factor_that_matters_is_named_and_one_that_does_not_is_not_needed() -> None:
    risks = pd.concat([one(risk_5y=r, breast_density=None) for r in (0.02, 0.001)])
    result = stratify(risks, "bcsc-interval-2015")
    assert result["category"].tolist() == ["not_applicable", "not_high"]
    assert result["reason"].tolist() == [
        "unknown: breast density",
        "the same group for any breast density (unknown)",
    ]


def test_what_was_assumed_is_said() -> None:
    result = stratify(one(risk_5y=0.02, prior_breast_cancer=False))
    assert "assumed: brca untested, chest radiotherapy before 30 no" in result["cautions"].item()


def test_a_value_no_field_can_take_is_refused_without_showing_it() -> None:
    with pytest.raises(
        PolicyError, match="breast_density: 1 values are not among a, b, c, d"
    ) as told:
        stratify(one(risk_5y=0.02, breast_density="secret"), "eusobi-2022")
    assert "secret" not in str(told.value)


# --- 5. the result -----------------------------------------------------------------------------


def test_every_row_keeps_its_place_and_says_where_it_comes_from() -> None:
    risks, _ = cohort(50)
    risks.index = risks.index[::-1] * 2
    result = stratify(risks)
    pd.testing.assert_frame_equal(result[risks.columns], risks)
    assert set(result["policy"]) == {"nccn-2026"}
    assert set(result["policy_version"]) == {"1.2026"}
    assert result["source"].str.startswith("https://").all()
    assert set(result["read_on"]) == {"2026-11-21"}
    assert result["notice"].str.contains("not care advice").all()
    assert result[result["category"] == "increased"]["modality"].str.contains("consider MRI").all()
    pd.testing.assert_frame_equal(stratify(result, "nccn-2026"), result)


def test_a_range_of_intervals() -> None:
    risks = one(risk_5y=0.02, breast_density="d", age=60.0)
    result = stratify(risks, "eusobi-2022").iloc[0]
    assert (result["interval_months"], result["interval_months_max"]) == (24, 48)
    assert pd.isna(result["policy_model_match"])


def test_unverified_figures_are_marked_in_the_row() -> None:
    trial = stratify(one(risk_5y=0.02), "mypebs").iloc[0]
    assert trial["status"] == "verify"
    assert "intervals" in trial["unverified"]
    assert stratify(one(risk_5y=0.02)).iloc[0]["status"] == "current"


def test_result_survives_a_file(tmp_path: Path) -> None:
    result = stratify(cohort(20)[0])
    result.to_parquet(tmp_path / "strata.parquet")
    again = pd.read_parquet(tmp_path / "strata.parquet")
    assert again["category"].tolist() == result["category"].tolist()


def test_no_rows_give_no_rows() -> None:
    assert len(stratify(cohort(5)[0].head(0))) == 0


# --- fields from a table beside ----------------------------------------------------------------


def test_fields_come_from_the_cohort_by_key_in_any_order() -> None:
    risks, _ = cohort(30)
    expected = stratify(risks, "bcsc-advanced-2019")["category"]
    fields = risks[["patient_id", "exam_id", "age", "breast_density"]].sample(
        frac=1, random_state=1
    )
    bare = risks.drop(columns=["age", "breast_density"])
    beside = SimpleNamespace(exams=fields.assign(exam_id=fields["exam_id"].astype(str)))
    assert stratify(bare, "bcsc-advanced-2019", beside)["category"].tolist() == expected.tolist()


def test_a_table_that_cannot_be_matched_is_refused() -> None:
    risks, _ = cohort(5)
    with pytest.raises(PolicyError, match="occurs before"):
        stratify(risks, cohort=pd.concat([risks, risks]))
    with pytest.raises(PolicyError, match="no key in common"):
        stratify(one(risk_5y=0.1), cohort=pd.DataFrame({"age": [50]}, index=[7]))
    with pytest.raises(PolicyError, match="neither a table nor a cohort"):
        stratify(risks, cohort=3)


def test_cut_points_by_name() -> None:
    risks = pd.DataFrame({"risk_10y": [0.02, 0.03, 0.08]})
    result = stratify(risks, "thresholds", cuts=[0.03, 0.08], horizon=10)
    assert result["category"].tolist() == ["<3%", "3-<8%", ">=8%"]
    with pytest.raises(PolicyError, match="cuts are only"):
        stratify(risks, "procas", cuts=[0.03])


def test_risks_in_percent_below_one_are_doubted_in_every_row() -> None:
    ages = [41, 44, 47, 52]
    risks = pd.DataFrame({"model": "bcrat", "risk_5y": [0.32, 0.41, 0.55, 0.93], "age": ages})
    told = stratify(risks, "thresholds", cuts=0.017)["cautions"]
    assert told.str.contains("divide by 100 if the risks are in percent").all()
    sound = stratify(risks.assign(risk_5y=risks["risk_5y"] / 100), "thresholds", cuts=(0.017,))
    assert not sound["cautions"].str.contains("percent").any()


def test_ids_that_do_not_meet_are_refused() -> None:
    risks = pd.DataFrame({"patient_id": range(120), "model": "bcrat", "risk_5y": 0.02})
    beside = pd.DataFrame({"patient_id": [f"{i:03d}" for i in range(120)], "age": 54})
    for call in (stratify, compare_policies):
        with pytest.raises(PolicyError, match=r"20 of 120 ids .* '0' of the risks and '000'"):
            call(risks, cohort=beside)
        with pytest.raises(PolicyError, match="0 of 120 ids"):
            call(risks, cohort=beside.assign(patient_id=beside["patient_id"] + "x"))


@pytest.mark.parametrize("cuts", ["1.7%", 1.7, (0.03, 0.017), [None], ()])
def test_cuts_are_fractions(cuts: object) -> None:
    with pytest.raises(PolicyError, match="ascending fractions"):
        stratify(one(risk_5y=0.02), "thresholds", cuts=cuts)  # type: ignore[arg-type]
