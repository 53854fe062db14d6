"""Rates: reading tables of incidence and mortality, and models that take them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.base import Horizon
from mammorisk.clinical import RATE_SETS, Rates, attributable_risk, load_clinical, load_rates
from mammorisk.clinical.baseline import PublishedBaseline
from mammorisk.clinical.bcrat import from_codes
from mammorisk.clinical.icare_lit import from_covariates
from mammorisk.clinical.icare_submodel import reference_terms, yearly_rates
from mammorisk.clinical.registry import CLINICAL_MODELS, RATED_MODELS
from mammorisk.errors import ManifestError, ModelError, RatesError
from tests.clinical.oracles import STORED

STATED: dict[str, Any] = {"per": 100_000, "kind": "hazard", "deaths": "other causes"}
TABLE: dict[str, Any] = {
    "age": ["30-39", "40-49", "50-59", "60-69", "70-79", "80-89"],
    "incidence": [40, 150, 270, 350, 320, 300],
    "mortality": [60, 120, 320, 800, 2300, 7000],
}
HORIZONS: dict[str, tuple[Horizon, ...]] = {
    **dict.fromkeys(RATED_MODELS, (1, 2.5, 5, 10, "lifetime")),
    "bcsc-2008": (1, 2.5, 5),
}

every_model = pytest.mark.parametrize("name", RATED_MODELS)


def table(**changes: object) -> pd.DataFrame:
    return pd.DataFrame(TABLE | changes)


@pytest.fixture
def rates() -> Rates:
    return mr.read_rates(table(), **STATED, name="invented", years="2020")


# --- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ages",
    [
        ["30-39", "40-49", "50-59", "60-69", "70-79", "80+"],
        ["30\u201339", "40\u201349", "50 to 59", "60-69 years", "70 - 79", "80 and over"],
        ["[30,40)", "[40,50)", "[50,60)", "[60,70)", "[70,80)", "[80,90)"],
        ["30-40", "40-50", "50-60", "60-70", "70-80", "80-90"],
    ],
)
def test_bands_are_read_however_they_are_written(ages: list[str], rates: Rates) -> None:
    found = mr.read_rates(table(age=ages), **STATED, name="invented", years="2020")
    assert found == rates
    assert (found.first_age, found.end_age) == (30, 90)
    frame = found.to_frame().set_index("age")
    assert frame.loc[[39, 40, 89], "incidence"].tolist() == [40e-5, 150e-5, 300e-5]


def test_ends_of_bands_in_columns_of_their_own(rates: Rates) -> None:
    ends = table().drop(columns="age")
    low = np.arange(30, 90, 10)
    exclusive = ends.assign(age_from=low, age_to=low + 10)
    inclusive = ends.assign(age_from=low, age_to=low + 9)
    for frame in (exclusive, inclusive):
        assert mr.read_rates(frame, **STATED, name="invented", years="2020") == rates


def test_single_years_and_ends_that_are_not_known() -> None:
    ages = np.arange(40, 71)
    cases = np.linspace(100, 300, len(ages))
    deaths = np.where(ages < 45, np.nan, 100.0 + ages)
    frame = pd.DataFrame({"Age": ages, "Incidence": cases, "Mortality": deaths})
    found = mr.read_rates(frame, **STATED)
    assert (found.incidence_from, found.mortality_from) == (40, 45)
    assert (found.first_age, found.end_age) == (45, 71)
    assert found.yearly.cause[0, 0] == pytest.approx(cases[5] / 1e5)


def test_probabilities_become_hazards_by_year_or_band() -> None:
    hazard = mr.read_rates(table(), **STATED)
    yearly = {name: -np.expm1(-np.array(TABLE[name]) / 1e5) for name in ("incidence", "mortality")}
    band = {name: -np.expm1(-np.array(TABLE[name]) / 1e4) for name in ("incidence", "mortality")}
    for values, kind in ((yearly, "probability per year"), (band, "probability per band")):
        found = mr.read_rates(table(**values), per=1, kind=kind, deaths="other causes")  # type: ignore[arg-type]
        np.testing.assert_allclose(found.incidence, hazard.incidence, rtol=1e-12)
        np.testing.assert_allclose(found.mortality, hazard.mortality, rtol=1e-12)
    mixed = mr.read_rates(
        table(mortality=band["mortality"]),
        **STATED,
        mortality_per=1,
        mortality_kind="probability per band",
    )
    np.testing.assert_allclose(mixed.mortality, hazard.mortality, rtol=1e-12)


def test_breast_cancer_deaths_are_taken_from_those_of_all_causes() -> None:
    own = [5, 20, 50, 80, 120, 200]
    everything = (np.array(TABLE["mortality"]) + own).tolist()
    frame = table(mortality=everything, breast_cancer_mortality=own)
    found = mr.read_rates(frame, **(STATED | {"deaths": "all causes"}), name="n")
    assert found.deaths == "other causes"
    np.testing.assert_allclose(found.mortality, mr.read_rates(table(), **STATED).mortality)
    with pytest.raises(RatesError, match="subtracted"):
        mr.read_rates(frame, **STATED)
    small = table(breast_cancer_mortality=np.array(TABLE["mortality"]) + 1)
    with pytest.raises(RatesError, match="below that of breast cancer"):
        mr.read_rates(small, **(STATED | {"deaths": "all causes"}))


def test_rows_of_men_are_left_out(rates: Rates) -> None:
    both = pd.concat(
        [
            table(incidence=[1] * 6).assign(sex="Male"),
            table().assign(sex=" female"),
            table(incidence=[2] * 6).assign(sex="persons"),
        ]
    )
    assert mr.read_rates(both, **STATED, name="invented", years="2020") == rates
    with pytest.raises(RatesError, match="no rows of women"):
        mr.read_rates(table().assign(sex="M"), **STATED)
    with pytest.raises(RatesError, match="'2' is no sex"):
        mr.read_rates(table().assign(sex=2), **STATED)


def test_a_file_may_state_everything_and_must_not_contradict(tmp_path: Path) -> None:
    path = tmp_path / "norway.csv"
    frame = table().assign(per=100_000, kind="hazard", deaths="other causes")
    frame.to_csv(path, index=False, sep=";")
    found = mr.read_rates(path)
    assert found.name == "norway"
    assert found.incidence == mr.read_rates(table(), **STATED).incidence
    assert mr.read_rates(path, per=100_000) == found
    with pytest.raises(RatesError, match="the table states"):
        mr.read_rates(path, per=1)
    assert mr.load_model("bcrat", rates=str(path)) == mr.load_model("bcrat", rates=found)


def test_a_written_file_is_read_again_whole(tmp_path: Path) -> None:
    for name in RATE_SETS:
        known = load_rates(name)
        found = mr.read_rates(known.to_csv(tmp_path / f"{name}.csv"))
        # Old versions of pandas do not read the last digits exactly.
        np.testing.assert_allclose(found.incidence, known.incidence, rtol=1e-12)
        np.testing.assert_allclose(found.mortality, known.mortality, rtol=1e-12)
        same = {"incidence": known.incidence, "mortality": known.mortality}
        assert replace(found, **same) == known


@pytest.mark.parametrize("missing", ["per", "kind", "deaths"])
def test_nothing_is_assumed_about_units(missing: str) -> None:
    stated = {key: value for key, value in STATED.items() if key != missing}
    with pytest.raises(RatesError, match=f"{missing} is not stated"):
        mr.read_rates(table(), **stated)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"age": ["30-39", "50-59", "40-49", "60-69", "70-79", "80-89"]}, "gap between 30-39"),
        ({"age": ["40-49", "30-39", "50-59", "60-69", "70-79", "80-89"]}, "do not ascend"),
        ({"age": ["30-39", "39-49", "50-59", "60-69", "70-79", "80-89"]}, "overlap: 30-39"),
        ({"age": [30, 40, 50, 60, 70, 80]}, "gap between 30 and 40"),
        ({"age": ["young", *TABLE["age"][1:]]}, "'young' is no age"),
        ({"incidence": [-1, 150, 270, 350, 320, 300]}, "negative"),
        ({"incidence": [40, None, 270, 350, 320, 300]}, "missing between others: row 2"),
        ({"incidence": ["40", "x", 270, 350, 320, 300]}, "'x' is no number"),
        ({"incidence": [None] * 6}, "no row has a value"),
        ({"incidence": [40, 150, 27_000, 350, 320, 300]}, "outside 0 to 0.1"),
        ({"group": "martian"}, "no group 'martian'"),
        ({"remark": "x"}, "not read: remark"),
        ({"Incidence ": 1}, "appears twice"),
    ],
)
def test_faulty_tables_are_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(RatesError, match=text):
        mr.read_rates(table(**changes), **STATED)


def test_other_faults() -> None:
    with pytest.raises(RatesError, match="no column mortality"):
        mr.read_rates(table().drop(columns="mortality"), **STATED)
    with pytest.raises(RatesError, match="no column age"):
        mr.read_rates(table().drop(columns="age"), **STATED)
    with pytest.raises(RatesError, match="no rows"):
        mr.read_rates(table().iloc[:0], **STATED)
    with pytest.raises(RatesError, match="not below 1"):
        mr.read_rates(table(), per=100, kind="probability per year", deaths="other causes")
    with pytest.raises(RatesError, match="'rate' is not known"):
        mr.read_rates(table(), **(STATED | {"kind": "rate"}))
    with pytest.raises(RatesError, match="no number of women"):
        mr.read_rates(table(), **(STATED | {"per": 0}))
    with pytest.raises(RatesError, match="no such file"):
        mr.read_rates("absent.csv", **STATED)
    with pytest.raises(RatesError, match="list is no table"):
        mr.read_rates([1], **STATED)  # type: ignore[arg-type]
    with pytest.raises((ManifestError, RatesError)):
        mr.read_rates(Path(__file__), **STATED)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"per": 10_000_000}, r"incidence .* times that of US women"),
        ({"mortality_per": 3_000_000}, r"mortality .* 0\.0\d+ times"),
    ],
)
def test_an_implausible_size_is_doubted_with_its_evidence(
    changes: dict[str, object], text: str
) -> None:
    found = mr.read_rates(table(), **(STATED | changes))
    assert any(pd.Series([one]).str.contains(text).iloc[0] for one in found.doubts)
    assert "caution: " in repr(found)
    scores = load_clinical("average", rates=found).score(pd.DataFrame({"age": [55]}), (5,))
    assert [one.code for one in scores.warnings.iloc[0]] == ["rates-replaced", "rates-doubtful"]


def test_an_implausible_shape_is_doubted() -> None:
    backwards = table(mortality=TABLE["mortality"][::-1])
    assert any(
        "not higher at 65 than at 35" in one for one in mr.read_rates(backwards, **STATED).doubts
    )
    assert mr.read_rates(table(), **STATED).doubts == ()


def test_the_sets_of_the_package() -> None:
    listed = mr.rates()
    assert tuple(listed.index) == RATE_SETS
    assert listed[["years", "source", "licence"]].map(len).gt(0).all(axis=None)
    for name in RATE_SETS:
        found = load_rates(name)
        assert Rates.from_dict(found.to_dict()) == found
    with pytest.raises(RatesError, match="no rates 'x'"):
        load_rates("x")


# --- models ------------------------------------------------------------------------------------


@every_model
def test_a_models_own_rates_as_a_set_give_its_own_risks(name: str, women: pd.DataFrame) -> None:
    own = {row: set_name for set_name, row in mr.rates()["used_by"].items()}
    chosen = next(set_name for used, set_name in own.items() if name in used.split(", "))
    whole = women.assign(age=np.floor(women["age"].where(women["age"] < 75, 70)))
    horizons: tuple[Horizon, ...] = (1, 5)
    default = load_clinical(name).score(whole, horizons).risk
    same = load_clinical(name, rates=chosen).score(whole, horizons).risk
    assert default.notna().any(axis=None)
    np.testing.assert_allclose(same, default, rtol=1e-12)


@every_model
def test_every_result_names_the_rates(name: str, women: pd.DataFrame, rates: Rates) -> None:
    model = load_clinical(name, rates=rates)
    scores = model.score(women, HORIZONS[name])
    scored = scores.risk.notna().any(axis=1)
    assert scored.any()
    assert scores.warning_texts[scored].str.contains("rates of invented (2020)", regex=False).all()
    default = load_clinical(name).score(women, HORIZONS[name])
    assert (scores.risk[scored] != default.risk[scored]).any(axis=None)
    assert "rates-replaced" not in {one.code for own in default.warnings for one in own}
    assert "replaced by those of invented (2020)" in model.card.training_data
    assert "not validated" in model.card.limits
    assert "replaced" not in load_clinical(name).card.training_data


@every_model
def test_rates_are_saved_with_the_model(
    name: str, women: pd.DataFrame, rates: Rates, tmp_path: Path
) -> None:
    for given in (rates, "white_1995_2003"):
        model = load_clinical(name, rates=given)
        read = mr.load_model(model.save(tmp_path / "model"))
        assert read == model
        assert read.card == model.card
        pd.testing.assert_frame_equal(
            read.score(women, HORIZONS[name]).risk, model.score(women, HORIZONS[name]).risk
        )
    back = mr.load_model(tmp_path / "model", rates="default")
    assert back == load_clinical(name)


@every_model
def test_ages_and_horizons_end_with_the_rates(name: str) -> None:
    short = mr.read_rates(table().iloc[1:4], **STATED, name="short")
    model = load_clinical(name, rates=short)
    low, high = model.ages
    assert (low, high) == (40, 69)
    assert model.last_age == 70
    assert model.card.ages == (40, 69)
    frame = pd.DataFrame({"age": [39, 40, 65, 66.5, 69.5, 70], "breast_density": "b"})
    scores = model.score(frame, (0.5, 3, 5))
    known = scores.risk.notna().to_numpy()
    assert known.tolist() == [
        [False] * 3,
        [True] * 3,
        [True] * 3,
        [True, True, False],
        [True, False, False],
        [False] * 3,
    ]
    assert "passes age 70" in scores.warning_texts.iloc[3]


@every_model
def test_groups_have_their_own_rates(name: str) -> None:
    grouped: pd.DataFrame = pd.concat(
        [
            table(incidence=[80, 300, 540, 700, 640, 600]).assign(group="black"),
            table().assign(group=""),
        ]
    )
    rates = mr.read_rates(grouped, **STATED, name="grouped")
    assert rates.groups == ("black", "all")
    frame = pd.DataFrame({"age": 55, "race_ethnicity": ["black", "white", None]})
    frame["breast_density"] = "c"
    scores = load_clinical(name, rates=rates).score(frame, (5,))
    single = load_clinical(name, rates=mr.read_rates(table(), **STATED)).score(frame, (5,))
    ratio = (scores.risk / single.risk)[5]
    assert ratio.tolist()[1:] == [1, 1]
    assert 1.9 < ratio.iloc[0] < 2.01
    assert "no rates for her group in grouped: those of all women" in scores.warning_texts.iloc[2]
    only = mr.read_rates(grouped[grouped["group"] == "black"], **STATED, name="only")
    refused = load_clinical(name, rates=only).score(frame, (5,))
    assert refused.risk[5].notna().tolist() == [True, False, False]
    assert "no rates for her race group in only" in refused.warning_texts.iloc[1]


def test_models_without_an_incidence_refuse_rates(rates: Rates) -> None:
    for name in set(CLINICAL_MODELS) - set(RATED_MODELS):
        with pytest.raises(ModelError, match="no option rates"):
            load_clinical(name, rates=rates)
    with pytest.raises(RatesError, match="no rates 'norway'"):
        load_clinical("bcrat", rates="norway")
    old = mr.read_rates(table(age=["0-4", "5-9", "10-14", "15-19", "20-24", "25-29"]), **STATED)
    with pytest.raises(RatesError, match="cover ages 0 to 30"):
        load_clinical("bcsc-2008", rates=old)


def test_bcrat_multiplies_the_local_incidence_by_the_unattributable_share(rates: Rates) -> None:
    woman = pd.DataFrame(
        {
            "age": [55],
            "race_ethnicity": "white",
            "age_menarche": 14,
            "parity": 1,
            "age_first_birth": 19,
            "biopsies": 0,
            "first_degree_relatives": 0,
        }
    )
    h1, h2 = 270e-5, 320e-5
    for share, options in (
        (0.5788413, {}),
        (0.7, {"attributable_risk": (0.2, 0.3)}),
    ):
        risk = load_clinical("bcrat", rates=rates, **options).score(woman, (1,)).risk[1].iloc[0]
        total = h1 * share + h2
        assert risk == pytest.approx(h1 * share / total * -np.expm1(-total), rel=1e-6)
    published = load_clinical("bcrat", attributable_risk=(0.5, 0.5)).score(woman, (1,))
    assert "attributable risk 0.5 under 50" in published.warning_texts.iloc[0]
    for wrong in (0.5, (0.5,), (0.5, 1.0), ("a", "b")):
        with pytest.raises(ModelError, match="no attributable risk"):
            load_clinical("bcrat", attributable_risk=wrong)


def test_attributable_risk_of_a_population_and_of_its_cases(women: pd.DataFrame) -> None:
    """Cases drawn from the population in proportion to their relative risk give the same share."""
    rng = np.random.default_rng(3)
    n = 4000
    population = pd.DataFrame(
        {
            "age": rng.uniform(40, 60, n),
            "race_ethnicity": "white",
            "age_menarche": rng.integers(10, 16, n),
            "parity": 1,
            "age_first_birth": rng.integers(18, 35, n),
            "biopsies": rng.integers(0, 2, n),
            "atypical_hyperplasia": [None] * n,
            "first_degree_relatives": rng.integers(0, 2, n),
        }
    )
    found = attributable_risk(population, of="population")
    logs = load_clinical("bcrat").score(population, (1,)).contributions
    assert logs is not None
    relative = np.exp(logs.sum(axis=1))
    from_cases = attributable_risk(population, of="cases", weight=relative)
    np.testing.assert_allclose(from_cases, found, rtol=1e-12)
    older = population["age"] >= 50
    assert found[1] == pytest.approx(1 - 1 / relative[older].mean(), rel=1e-12)
    with pytest.raises(ModelError, match="are needed"):
        attributable_risk(women, of="population")


def test_bcrat_codes_take_rates_too(rates: Rates) -> None:
    codes = pd.DataFrame(
        {"T1": [55.0, 55, 25], "T2": [60.0, 60, 30], "N_Biop": 0, "HypPlas": 99}
    ).assign(AgeMen=14, Age1st=19, N_Rels=0, Race=[1, 2, 1])
    found = from_codes(codes, rates=rates)
    frame = pd.DataFrame({"age": [55], "race_ethnicity": "white", "age_menarche": 14, "parity": 1})
    frame = frame.assign(age_first_birth=19, biopsies=0, first_degree_relatives=0)
    scored = load_clinical("bcrat", rates=rates).score(frame, (5,)).risk[5].iloc[0]
    assert found["absolute_risk"].iloc[0] == pytest.approx(scored, rel=1e-12)
    assert found["average_risk"].iloc[0] == pytest.approx(found["average_risk"].iloc[1])
    assert "do not cover" in found["reason"].iloc[2]
    assert np.isnan(found["absolute_risk"].iloc[2])


@pytest.mark.parametrize("submodel", ["lt50", "ge50"])
def test_icare_lit_agrees_with_py_icare_under_other_rates(submodel: str) -> None:
    """Rows made by icare_lit_other_rates.py with py-icare 1.0.0; invented rates."""
    rates = mr.read_rates(
        STORED / "icare_lit_other_rates_table.csv", per=1, kind="hazard", deaths="all causes"
    )
    assert (rates.incidence_from, rates.first_age, rates.end_age) == (18, 20, 86)
    rows = pd.read_csv(STORED / "icare_lit_other_rates.csv.gz")
    rows = rows[rows["submodel"] == submodel]
    risks = [f"risk_{years}y" for years in (1, 5, 10)]
    covariates = rows.drop(columns=["id", "submodel", *risks])
    for years in (1, 5, 10):
        ours = from_covariates(covariates, years, submodel, rates=rates)  # type: ignore[arg-type]
        np.testing.assert_allclose(ours, rows[f"risk_{years}y"], rtol=1e-8)
    default = from_covariates(covariates, 5, submodel)  # type: ignore[arg-type]
    assert (abs(default / rows["risk_5y"] - 1) > 0.01).mean() > 0.9


def test_the_reference_population_of_icare_lit_has_the_local_incidence(rates: Rates) -> None:
    relative = np.exp(reference_terms("ge50").values.sum(axis=1))
    baseline = yearly_rates("ge50", rates).cause[0]
    before = np.concatenate([[0.0], np.cumsum(baseline)[:-1]])
    weights = np.exp(-relative[:, None] * before)
    mean = (relative[:, None] * weights).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(baseline * mean, rates.incidence[0], rtol=1e-4)


def test_iCARE_covariates_have_no_groups() -> None:
    with pytest.raises(ModelError, match="have groups"):
        from_covariates(pd.DataFrame({"age": [50]}), 5, "ge50", rates="white_1995_2003")


# --- what is built on the models ---------------------------------------------------------------


def test_the_published_baseline_passes_rates_to_its_parts(
    women: pd.DataFrame, rates: Rates
) -> None:
    plain, local = PublishedBaseline(), PublishedBaseline(rates=rates)
    assert {part.other_rates for part in local.parts} == {rates}
    average = load_clinical("average", rates=rates).score(women, (5,))
    scores = local.score(women, (5,))
    kept = np.isfinite(scores.risk[:, 0])
    assert kept.any()
    np.testing.assert_array_equal(scores.risk[kept, 0], average.risk[5].to_numpy()[kept])
    # Ratios hardly depend on the rates.
    both = kept & np.isfinite(plain.score(women, (5,)).risk[:, 0])
    for name in ("density", "questionnaire"):
        np.testing.assert_allclose(
            getattr(scores, name)[both], getattr(plain.score(women, (5,)), name)[both], atol=0.06
        )
    assert PublishedBaseline(rates="white_1995_2003").rates == load_rates("white_1995_2003")  # type: ignore[arg-type]


def test_with_rates_by_group_a_woman_of_whom_only_age_and_group_are_known_has_no_factors() -> None:
    grouped = pd.concat(
        [
            table(incidence=[400, 1500, 2700, 3500, 3200, 3000]).assign(group="black"),
            table().assign(group="white"),
        ]
    )
    rates = mr.read_rates(grouped, **STATED, name="grouped")
    frame = pd.DataFrame({"age": 55.0, "race_ethnicity": ["black", "white"]})
    frame["first_degree_relatives"] = 1
    scores = PublishedBaseline(rates=rates).score(frame, (5,))
    assert 0.3 < scores.questionnaire[0] < 0.6
    assert abs(scores.questionnaire[0] - scores.questionnaire[1]) < 0.05
    assert np.isfinite(scores.risk).all()


def test_a_prediction_states_its_rates_and_its_neighbours_share_them(rates: Rates) -> None:
    woman = mr.Questionnaire(age=55, race_ethnicity="white")
    prediction = mr.predict(woman, model=mr.load_model("bcrat", rates=rates), horizons=(5,))
    assert prediction.provenance["rates"] == rates.describe()
    average = load_clinical("average", rates=rates).score(pd.DataFrame({"age": [55]}), (5,))
    assert prediction.baselines.loc["average", 5] == average.risk[5].iloc[0]
    assert mr.predict(woman, model="bcrat", horizons=5).provenance["rates"] is None


def test_rates_are_refused_that_no_model_can_use(rates: Rates) -> None:
    with pytest.raises(RatesError, match="every group"):
        replace(rates, groups=("white", "black"))
    with pytest.raises(RatesError, match="no age in common"):
        replace(rates, mortality_from=90)
    with pytest.raises(RatesError, match="not a kind of deaths"):
        replace(rates, deaths="cancer")  # type: ignore[arg-type]
    with pytest.raises(RatesError, match="appears twice"):
        replace(
            rates,
            groups=("white", "white"),
            incidence=rates.incidence * 2,
            mortality=rates.mortality * 2,
        )
    with pytest.raises(RatesError, match="not a table of rates"):
        Rates.from_dict({"name": "x"})
